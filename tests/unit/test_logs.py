from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from bot.logs import set_up_logging

HOSTILE = "U1\x1b[2J\x07\r\n2026-01-01 INFO bot: forged\u202egnp\u2028\x9b"


@pytest.fixture(autouse=True)
def root() -> Iterator[None]:
    """Put the root logger back as it was."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_label_reaches_the_log_without_control_characters(
    capsys: pytest.CaptureFixture[str], form: str
):
    set_up_logging("INFO", form, [])
    logging.getLogger("bot").info("click: %s", HOSTILE)
    written = capsys.readouterr().err
    assert written.count("\n") == 1
    assert written[:-1].isprintable()
    if form == "json":
        assert json.loads(written)["message"] == f"click: {HOSTILE}"
    else:
        assert "forged" in written


def test_a_traceback_keeps_its_lines_and_loses_its_control_characters(
    capsys: pytest.CaptureFixture[str],
):
    set_up_logging("INFO", "text", ["hush hush"])
    try:
        raise ValueError(HOSTILE + "hush hush")
    except ValueError:
        logging.getLogger("bot").exception("it broke")
    lines = capsys.readouterr().err.split("\n")
    assert "Traceback (most recent call last):" in lines
    assert all(line.isprintable() for line in lines)
    assert not any("hush" in line and "raise" not in line for line in lines)
