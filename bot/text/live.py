"""What ``/queue`` says."""

from __future__ import annotations

from discord.utils import format_dt

from bot import text
from bot.domain import State
from bot.store.live import Work
from bot.text.markdown import cut, inert

COMMAND = "See what waits and runs, and cancel what you don't want any more"
OLDER, NEWER = "▶", "◀"
NOTHING = "Nothing of yours waits or runs."
NOTHING_HERE = "Nothing of this server waits or runs."
TITLE = "**Your work**"
TITLE_HERE = "**This server's work**"

_PROMPT_LENGTH = 80


def line(work: Work) -> str:
    """Say what a generation is, whose, and how far."""
    generation = work.generation
    prompt = cut(inert(" ".join(generation.prompt.split())), _PROMPT_LENGTH)
    where = f" in <#{generation.channel_id}>" if generation.guild_id else ""
    what = f"**{text.what(generation)}** for <@{generation.user_id}>{where}"
    return "\n".join(filter(None, (what, prompt, _status(work))))


def _status(work: Work) -> str:
    generation = work.generation
    done = format_dt(work.done_at, "R") if work.done_at else None
    if work.place is not None:
        waits = f"Waiting: place {work.place}"
        return f"{waits}, done about {done}" if done else waits
    if generation.state is State.QUEUED:
        return "Waiting to be posted"
    since = format_dt(generation.started_at, "R") if generation.started_at else None
    begun = f"Running: started {since}" if since else "Running"
    return f"{begun}, done about {done}" if done else begun


def more(shown: int, all_: int) -> str:
    """Say how much of the work is on this page."""
    return f"-# {shown} of {all_}"
