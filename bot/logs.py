"""Logging: one line a record on stderr, as text or JSON, with secrets blotted out."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

from pythonjsonlogger.json import JsonFormatter

_TEXT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_TOKEN_IN_PATH = re.compile(r"(/(?:interactions|webhooks)/\d+/)[^/?\s'\"]+")
_SIGNATURE = re.compile(r"([?&](?:ex|is|hm)=)[0-9a-fA-F]+")


def _is_telling(secret: str) -> bool:
    """Tell a secret from a placeholder so short that blotting it out would blot out words."""
    return len(secret) >= 6


class _Blotted(logging.Formatter):
    """Formats with ``inner``, then blots out what must not be read: also out of tracebacks."""

    def __init__(self, inner: logging.Formatter, secrets: Iterable[str]) -> None:
        super().__init__()
        self._inner = inner
        long_first = sorted(filter(_is_telling, secrets), key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, long_first)) or r"(?!)")

    def format(self, record: logging.LogRecord) -> str:
        line = self._secrets.sub("***", self._inner.format(record))
        return _SIGNATURE.sub(r"\1***", _TOKEN_IN_PATH.sub(r"\1***", line))


def set_up_logging(level: str, form: str, secrets: Iterable[str]) -> None:
    """Send the root logger to stderr. ``form`` is ``text`` or ``json``.

    Libraries that print whole requests stay at INFO or above: at DEBUG they would show tokens.
    """
    inner = (
        JsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s")
        if form == "json"
        else logging.Formatter(_TEXT)
    )
    handler = logging.StreamHandler()
    handler.setFormatter(_Blotted(inner, secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    floor = max(logging.INFO, root.level)
    for name in ("discord", "aiosqlite", "asyncio", "PIL"):
        logging.getLogger(name).setLevel(floor)
    # That the bot has no guilds intent is by design; discord.py warns of it at every start.
    logging.getLogger("discord.state").setLevel(logging.ERROR)
    for name in ("httpx", "httpcore", "alembic", "sqlalchemy"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
