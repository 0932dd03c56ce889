"""What is said of how the bot is used: for the picture, its alt text, and the text below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from discord.utils import format_dt

from bot.text.markdown import cut, inert

STATS_DESCRIPTION = "How this bot is used"
ME_DESCRIPTION = "Your pictures and presses of the last days"
SERVER_DESCRIPTION = "What this server did in the last days; for members with Manage Server"

TITLE_ME = "Your last {days} days"
TITLE_SERVER = "This server, last {days} days"
NUMBERS = ("pictures asked for", "came to a result", "median wait", "presses")
BY_DAY, BY_HOUR, BY_BUTTON = "Pictures by day", "Pictures by hour (UTC)", "Presses by button"
MOST_ACTIVE = "Most active"
NO_PICTURE = "-# The picture could not be drawn; these are its numbers."

_NONE = "–"
_ALT_LENGTH = 1_024
_BUSIEST = 3
_PLAIN_BUTTONS = {
    "🔄": "Reroll",
    "⭐": "Favourite",
    "🗑": "Delete",
    "🗑️": "Delete",
    "✏️": "Remix",
    "ℹ️": "Details",
    "◀": "Back",
    "▶": "Forward",
}
"""What the picture says for a button that shows a sign alone, which its letters don't have."""


def plain_button(label: str) -> str:
    """Return a button's label in letters that every font has."""
    named = _PLAIN_BUTTONS.get(label.strip())
    return named or "".join(c for c in label if c.isascii()).strip() or "another"


def rate(part: float | None) -> str:
    """Return a part of one in percent."""
    return _NONE if part is None else f"{part:.0%}"


def duration(time: timedelta | None) -> str:
    """Return a duration as people say it."""
    if time is None:
        return _NONE
    seconds = round(time.total_seconds())
    if seconds < 100:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{round(minutes / 60)} h"


def day(date: datetime) -> str:
    """Return a day for an axis."""
    return f"{date.day} {date:%b}"


def busiest(hours: Sequence[int]) -> list[int]:
    """Return the busiest hours of a day, the busiest first."""
    used = [hour for hour, number in enumerate(hours) if number]
    return sorted(used, key=lambda hour: -hours[hour])[:_BUSIEST]


def alt_text(
    title: str,
    numbers: Sequence[tuple[str, str]],
    hours: Sequence[int],
    clicks: Mapping[str, int],
    members: Sequence[tuple[str, int]] = (),
) -> str:
    """Say what the picture shows."""
    parts = [title, ", ".join(f"{name}: {value}" for name, value in numbers)]
    if found := busiest(hours):
        parts.append("busiest hours (UTC): " + ", ".join(f"{hour:02}:00" for hour in found))
    if clicks:
        presses = ", ".join(f"{plain_button(label)} {number:,}" for label, number in clicks.items())
        parts.append(f"presses by button: {presses}")
    if members:
        parts.append("most active: " + ", ".join(f"{name} {number:,}" for name, number in members))
    return cut("; ".join(parts) + ".", _ALT_LENGTH)


def figures(
    title: str,
    numbers: Sequence[tuple[str, str]],
    tiles: int,
    hours: Sequence[int],
    clicks: Mapping[str, int],
    now: datetime,
) -> str:
    """Say the picture's numbers; hours are times that each reader sees in their own zone."""
    lines = [f"## {title}", *(f"**{value}** {name}" for name, value in numbers)]
    lines.append(f"**{tiles:,}** tiles on their own")
    if found := busiest(hours):
        times = (now.replace(hour=hour, minute=0, second=0, microsecond=0) for hour in found)
        shown = (
            f"{format_dt(time, 't')} ({hours[hour]:,})"
            for hour, time in zip(found, times, strict=True)
        )
        lines.append(f"**Busiest hours** {', '.join(shown)}")
    if clicks:
        shown = (f"{inert(label)} {number:,}" for label, number in clicks.items())
        lines.append(f"**By button** {', '.join(shown)}")
    return "\n".join(lines)


def most_active(members: Mapping[int, int]) -> str:
    """Say who asked for most."""
    lines = [f"{n}. <@{id_}>: {number:,}" for n, (id_, number) in enumerate(members.items(), 1)]
    return "\n".join([f"**{MOST_ACTIVE}**", *lines]) if lines else f"**{MOST_ACTIVE}** nobody yet"
