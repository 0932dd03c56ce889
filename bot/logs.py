"""Logging: one line a record on stderr, as text or JSON, with secrets redacted."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

_TEXT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_TOKEN_IN_PATH = re.compile(r"(/(?:interactions|webhooks)/\d+/)[^/?\s'\"]+")
# What a terminal acts on, and what turns the direction of text; a line break ends a record.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_BREAKS = re.compile("[\n\r\t]")
_SIGNATURE = re.compile(r"([?&](?:ex|is|hm)=)[0-9a-fA-F]+")


def _is_telling(secret: str) -> bool:
    """Tell a secret from a placeholder so short that redacting it would hide words."""
    return len(secret) >= 6


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode()


class _Text(logging.Formatter):
    """One line a record, but for tracebacks: a line break in a message is shown as an escape."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        return _BREAKS.sub(_escaped, super().formatMessage(record))


class _Redacting(logging.Formatter):
    """Formats with ``inner``, then redacts what must not be read, in tracebacks too, and shows
    control characters as escapes."""

    def __init__(self, inner: logging.Formatter, secrets: Iterable[str]) -> None:
        super().__init__()
        self._inner = inner
        long_first = sorted(filter(_is_telling, secrets), key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, long_first)) or r"(?!)")

    def format(self, record: logging.LogRecord) -> str:
        line = self._secrets.sub("***", self._inner.format(record))
        line = _SIGNATURE.sub(r"\1***", _TOKEN_IN_PATH.sub(r"\1***", line))
        return _CONTROLS.sub(_escaped, line)


def _is_about_no_endpoint(record: logging.LogRecord) -> bool:
    return "interaction endpoint URL" not in str(record.msg)


def _json_formatter() -> logging.Formatter:
    from pythonjsonlogger.json import JsonFormatter

    return JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s")


def set_up_logging(level: str, form: str, secrets: Iterable[str]) -> None:
    """Send the root logger to stderr. ``form`` is ``text`` or ``json``.

    Libraries that print whole requests stay at INFO or above: at DEBUG they would show tokens.
    """
    inner = _json_formatter() if form == "json" else _Text(_TEXT)
    handler = logging.StreamHandler()
    handler.setFormatter(_Redacting(inner, secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    floor = max(logging.INFO, root.level)
    for name in ("discord", "aiosqlite", "asyncio", "PIL"):
        logging.getLogger(name).setLevel(floor)
    # That the bot has no guilds intent is by design; discord.py warns of it at every start.
    logging.getLogger("discord.state").setLevel(logging.ERROR)
    # Each role says by itself where an Interactions Endpoint URL is set or missing.
    logging.getLogger("discord.client").addFilter(_is_about_no_endpoint)
    for name in ("httpx", "httpcore", "alembic", "sqlalchemy"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
