"""What the operator reads of the API's account and of the bot."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime

from discord.utils import format_dt

from bot.domain import AccountInfo, ErrorCode
from bot.text.markdown import cut, inert

ACCOUNT_DESCRIPTION = "For whoever runs this bot: the account behind it, the queue, who uses it"

PAUSE = "Pause all work"
RESUME = "Resume all work"
REFRESH = "Refresh"

PAUSED = "⏸️ **All work is paused.** What is asked for waits in line, what was running is finished."
KEY_REFUSED = (
    "⚠️ **The API refuses the key.** Set GENART_API_KEY, GENART_SERVER_ID, GENART_CHANNEL_ID and "
    "GENART_DISCORD_TOKEN right, and restart the bot."
)
NOT_ASKED = "The API has not been asked yet: is a worker running?"

_SAID_LENGTH = 200
_TIME = re.compile(r"(<t:-?[0-9]{1,13}(?::[tTdDfFR])?>)")
_HARMLESS = re.compile(rf"{_TIME.pattern}|[A-Za-z0-9 .,;/%()]*")
_UNITS = ("bytes", "KB", "MB", "GB", "TB")
_FAST_TIME_LOW = (
    "Little fast time is left on the account behind the GenArt API: {left}. When it is used up, "
    "pictures may take much longer or not be made at all."
)


def fast_time_low(left: str) -> str:
    """Tell the operator how much fast time is left, in the API's words."""
    return _FAST_TIME_LOW.format(left=_said(left))


def warnings(*, paused: bool, key_refused: bool, fast_time_low: str | None) -> str | None:
    """Say what needs the operator, if anything does; ``fast_time_low`` is what is left."""
    said = [PAUSED] if paused else []
    if key_refused:
        said.append(KEY_REFUSED)
    if fast_time_low is not None:
        said.append(f"⚠️ **Little fast time is left:** {_said(fast_time_low)}")
    return "\n".join(said) or None


def account(info: AccountInfo | None, error: ErrorCode | None, read_at: datetime) -> str:
    """Say what the API says of its account, and when it did."""
    when = f"-# As of {format_dt(read_at, 'R')}"
    if info is None:
        return f"## Account\nThe API says nothing of it: {inert(str(error))}\n{when}"
    lines = [
        f"**{name}:** {_said(value)}"
        for name, value in (
            ("Subscription", info.subscription),
            ("Mode", info.job_mode),
            ("Visibility", info.visibility),
            ("Fast time left", info.fast_time),
            ("Used", info.lifetime_usage),
            ("Relaxed", info.relaxed_usage),
            ("Running", info.running),
            ("Queued", _both(info.queued_fast, info.queued_relaxed)),
        )
        if value
    ]
    return "\n".join(["## Account", *lines, when])


def _both(fast: str | None, relaxed: str | None) -> str | None:
    parts = [f"{fast} fast"] if fast else []
    parts += [f"{relaxed} relaxed"] if relaxed else []
    return ", ".join(parts) or None


def queue(queued: int, running: int, oldest: datetime | None, failures: Mapping[str, int]) -> str:
    """Say how long the queue is, and what failed in the last hour by kind."""
    waits = f", the oldest since {format_dt(oldest, 'R')}" if oldest else ""
    lines = ["## Queue", f"**Waiting:** {queued:,}{waits}", f"**Running:** {running:,}"]
    failed = ", ".join(f"{kind.replace('_', ' ')} {number:,}" for kind, number in failures.items())
    return "\n".join([*lines, f"**Failed in the last hour:** {failed or 'none'}"])


def use(servers: Mapping[int | None, int], members: Mapping[int, int]) -> str:
    """Say who had the most generations in the last day."""
    of_servers = _listed((_server(id_), number) for id_, number in servers.items())
    of_members = _listed((f"<@{id_}>", number) for id_, number in members.items())
    return f"## Last 24 hours\n**By server**\n{of_servers}\n**By member**\n{of_members}"


def _server(guild_id: int | None) -> str:
    return f"`{guild_id}`" if guild_id else "direct messages"


def _listed(numbers: Iterable[tuple[str, int]]) -> str:
    lines = [f"{place}. {name}: {number:,}" for place, (name, number) in enumerate(numbers, 1)]
    return "\n".join(lines) or "nobody"


def bot(version: str, database_bytes: int) -> str:
    """Say which version this is, and how large its database is."""
    return f"-# Vary {version} · database {size(database_bytes)}"


def size(number: float) -> str:
    """Return a number of bytes in a unit that people read."""
    step = 0
    while number >= 1024 and step < len(_UNITS) - 1:
        number, step = number / 1024, step + 1
    return f"{number:,.1f} {_UNITS[step]}" if step else f"{number:,.0f} {_UNITS[0]}"


def _said(value: str) -> str:
    """Return the API's own words as they are, with Discord's times as times."""
    shown = "".join(
        part if _HARMLESS.fullmatch(part) else inert(part) for part in _TIME.split(value)
    )
    return cut(shown, _SAID_LENGTH)
