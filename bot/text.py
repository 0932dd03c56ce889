"""Every sentence that a user sees."""

from __future__ import annotations

from datetime import datetime, timedelta

from discord.utils import escape_markdown, escape_mentions, format_dt

from bot.domain import Generation, Kind, State
from bot.errors import (
    BlankPrompt,
    DailyLimitReached,
    PromptTooLong,
    QueueFull,
    StoreUnavailable,
    UnsupportedUpload,
    UploadTooLarge,
    UserQueueFull,
    VaryError,
)

ALT_TEXT_LENGTH = 1_024
_SHOWN_LENGTH = 2_800
_BAR = 10
_MEGABYTE = 1024 * 1024

VARY_DESCRIPTION = "Turn a picture into a grid of four new ones"
PROMPT_DESCRIPTION = "What the new pictures should show"
IMAGE_DESCRIPTION = "The picture to start from: PNG, JPEG, WebP or GIF, up to 25 MB"

INTERRUPTED = (
    "Interrupted by a restart of the bot. Nothing is run twice by itself, as it may have been "
    "paid for already: press Try again if you want it."
)
CANCEL = "Cancel"
TRY_AGAIN = "Try again"

UNKNOWN_PICTURE = (
    "I don't know this picture any more, so its buttons can't do anything. "
    "Use /vary to make a new one."
)
UNKNOWN_BUTTON = "This button isn't one of mine any more. Use /vary to make a new picture."
ELSEWHERE = "This button belongs to a message in another place; press it there."
NOT_YOURS = "Only the one who asked, or a moderator, can cancel this."
TOO_LATE_TO_CANCEL = "This can't be cancelled any more: the work has begun."
FETCH_DESCRIPTION = "Get a picture of yours that couldn't be posted"
NOTHING_TO_FETCH = "There is no picture of yours here that couldn't be posted."
NOTHING_TO_RETRY = "There is nothing to try again here."
OUT_OF_DATE = "This command has just been updated. Please try again in a minute."
API_KEY_REFUSED = (
    "The GenArt API refuses my key (401). No pictures are made until GENART_API_KEY, "
    "GENART_SERVER_ID, GENART_CHANNEL_ID and GENART_DISCORD_TOKEN are right; I keep trying."
)

_KINDS = {
    Kind.VARY: "New grid",
    Kind.REROLL: "🔄 Once more",
    Kind.VARIATION: "Variations of tile {tile}",
    Kind.UPSCALE: "Tile {tile}",
}
_FAILURES = {
    "unauthorized": "The picture service refuses this bot's key. The bot's operator has been told.",
    "api_failure": "The picture service had an error.",
    "timeout": "The picture service didn't answer in time.",
    "unreachable": "The connection to the picture service broke before it answered.",
    "nonsense": "The picture service gave an answer that makes no sense.",
    "picture_gone": "The finished picture was gone before it could be fetched.",
    "picture_unreachable": "The finished picture couldn't be fetched: its host doesn't answer.",
    "picture_too_large": "The finished picture is too large to be posted.",
    "not_a_picture": "What came back from the picture service isn't a picture.",
    "host_not_allowed": "The finished picture is on a host that this bot isn't allowed to use.",
    "no_card": "I couldn't attach the tile anywhere: I need permission to see and write here.",
    "undelivered": "The picture is ready, but I can't post it here. Use /fetch, in a channel where "
    "I may send messages and attach files, to get it.",
    "source_picture_gone": "The picture to start from is gone. Use /vary with the picture again.",
    "source_picture_unreachable": "The picture to start from couldn't be fetched.",
    "source_picture_too_large": "The picture to start from is too large: use one of up to 64 "
    "megapixels.",
    "source_not_a_picture": "The file to start from isn't a picture that can be read. "
    "Use a PNG, JPEG, WebP or GIF.",
    "bad_request": "The picture service doesn't accept this prompt or picture.",
    "not_sent": "The connection to the picture service broke before anything was asked of it.",
    "error": "Something went wrong on my side.",
}
_MAYBE_CHARGED = {"timeout", "unreachable", "nonsense"}


def shown_prompt(prompt: str) -> str:
    """Return a prompt as text that neither formats nor mentions, cut to fit a message."""
    escaped = _inert(prompt)
    if len(escaped) > _SHOWN_LENGTH:
        escaped = _inert(prompt[: _SHOWN_LENGTH // 3]) + "…"
    return "> " + escaped.replace("\n", " ")


def _inert(text: str) -> str:
    return escape_mentions(escape_markdown(text)).replace("<", "\\<")


def alt_text(prompt: str) -> str:
    """Return a prompt as alternative text for a picture."""
    return prompt if len(prompt) <= ALT_TEXT_LENGTH else prompt[: ALT_TEXT_LENGTH - 1] + "…"


def heading(generation: Generation) -> str:
    """Say what this is and who asked for it."""
    what = _KINDS[generation.kind].format(tile=generation.tile)
    return f"**{what}** for <@{generation.user_id}>"


def waiting(place: int | None) -> str:
    """Say where in line a generation is."""
    return "In line." if place is None else f"In line: place {place}."


def running(since: datetime, usual: timedelta | None, now: datetime) -> str:
    """Say since when a generation runs, with an estimate of how far it is."""
    started = f"Started {format_dt(since, 'R')}."
    if not usual:
        return started
    done = min((now - since) / usual, 0.95)
    filled = int(done * _BAR)
    bar = "▰" * filled + "▱" * (_BAR - filled)
    return f"{started}\n{bar} about {done:.0%} (an estimate)"


def ending(generation: Generation, detail: str | None) -> str:
    """Say what became of a generation that has no result to show; ``detail`` is what the API
    itself says of it."""
    if generation.state is State.CANCELLED:
        return "Cancelled."
    if generation.state is State.INTERRUPTED:
        return INTERRUPTED
    sentence = _FAILURES.get(generation.error or "", _FAILURES["error"])
    if generation.error in _MAYBE_CHARGED:
        sentence += " It may have been charged all the same."
    return f"{sentence} It says: {_inert(detail)}" if detail else sentence


def undelivered(guild_id: int | None) -> str:
    """Say to the asker in private that there is a result which couldn't be posted."""
    server = f"https://discord.com/channels/{guild_id or '@me'}"
    return f"A picture of yours is ready, but I couldn't post it. Use /fetch in {server} to get it."


def refusal(error: VaryError) -> str:
    """Say why something was turned down, and what to do."""
    match error:
        case BlankPrompt():
            return "The prompt is blank: say what the new pictures should show."
        case PromptTooLong(limit=limit):
            return f"The prompt may have up to {limit:,} characters; please shorten it."
        case UnsupportedUpload():
            return "That file isn't a picture I can use. Give me a PNG, JPEG, WebP or GIF."
        case UploadTooLarge(limit=limit):
            return f"That picture is too large: use one of up to {limit // _MEGABYTE} MB."
        case QueueFull(limit=limit):
            return f"The line is full ({limit} are waiting). Please try again in a few minutes."
        case UserQueueFull(limit=limit):
            return (
                f"You have {limit} waiting or running already. "
                "Wait for one of them, or cancel one, then ask again."
            )
        case DailyLimitReached(limit=limit, free_at=free_at):
            when = f"{format_dt(free_at, 't')} ({format_dt(free_at, 'R')})"
            return f"You had your {limit} pictures in 24 hours. The next one is possible at {when}."
        case StoreUnavailable():
            return "I can't write that down right now, so nothing was started. Try again later."
        case _:
            return "That isn't possible."


def repeated(link: str) -> str:
    """Say that there is such a result, or one on its way, already."""
    return f"That is here already: {link}"


def repeated_elsewhere() -> str:
    """Say that such a result is on its way, where there is no message to link to."""
    return "That is on its way already."


def broken(incident: str) -> str:
    """Say that something unforeseen went wrong, with the id under which the log has it."""
    return f"Something went wrong on my side; nothing was started. (Incident {incident})"
