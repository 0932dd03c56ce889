"""Every sentence that a user sees."""

from __future__ import annotations

from datetime import datetime, timedelta

from discord.utils import format_dt

from bot.domain import ErrorCode, Generation, Kind, Permission, State
from bot.errors import (
    BlankPrompt,
    DailyLimitReached,
    Elsewhere,
    EncodedPromptTooLong,
    NothingToFetch,
    NothingToRetry,
    NotYours,
    ParameterNotAllowed,
    PermissionsMissing,
    PermutationNotAllowed,
    PromptTooLong,
    QueueFull,
    StoreUnavailable,
    TooLate,
    UnknownPicture,
    UnsupportedUpload,
    UploadTooLarge,
    UserQueueFull,
    VaryError,
)
from bot.text.markdown import cut, inert

ALT_TEXT_LENGTH = 1_024
_SHOWN_LENGTH = 2_800
_BAR = 10
_NAME_LENGTH = 40
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

UNKNOWN_BUTTON = "This button isn't one of mine any more. Use /vary to make a new picture."
MADE_AGAIN = "Its message was deleted: I'm making it again."
DELAYED = "The picture is ready, but it can't be posted just now. I keep trying."
SAME_PROMPT = "It waits until the same prompt is done: the picture service could mix the two up."
FETCH_DESCRIPTION = "Get a picture of yours that couldn't be posted"
OUT_OF_DATE = "This command has just been updated. Please try again in a minute."
API_KEY_REFUSED = (
    "The GenArt API refuses my key (401). No pictures are made until GENART_API_KEY, "
    "GENART_SERVER_ID, GENART_CHANNEL_ID and GENART_DISCORD_TOKEN are right; I keep trying."
)

PROMPT_BLOCKED = (
    "Discord doesn't let this prompt be shown here: the server's AutoMod or the filter of harmful "
    "links blocks it. Nothing was started; use other words, or another channel."
)

_KINDS = {
    Kind.VARY: "New grid",
    Kind.REROLL: "🔄 Once more",
    Kind.VARIATION: "Variations of tile {tile}",
    Kind.REMIX: "Remix",
    Kind.UPSCALE: "Tile {tile}",
}
_PERMISSIONS = {
    Permission.VIEW_CHANNEL: "View Channel",
    Permission.SEND_MESSAGES: "Send Messages",
    Permission.SEND_MESSAGES_IN_THREADS: "Send Messages in Threads",
    Permission.ATTACH_FILES: "Attach Files",
}
_FAILURES = {
    ErrorCode.UNAUTHORIZED: (
        "The picture service refuses this bot's key. The bot's operator has been told."
    ),
    ErrorCode.API_FAILURE: "The picture service had an error.",
    ErrorCode.TIMEOUT: (
        "The picture service didn't answer in time. Moderation may be the reason: it gives no "
        "answer to a prompt that it refuses."
    ),
    ErrorCode.UNREACHABLE: "The connection to the picture service broke before it answered.",
    ErrorCode.NONSENSE: "The picture service gave an answer that makes no sense.",
    ErrorCode.PICTURE_GONE: "The finished picture was gone before it could be fetched.",
    ErrorCode.PICTURE_UNREACHABLE: (
        "The finished picture couldn't be fetched: its host doesn't answer."
    ),
    ErrorCode.PICTURE_TOO_LARGE: "The finished picture is too large to be posted.",
    ErrorCode.NOT_A_PICTURE: "What came back from the picture service isn't a picture.",
    ErrorCode.HOST_NOT_ALLOWED: (
        "The finished picture is on a host that this bot isn't allowed to use."
    ),
    ErrorCode.NO_CARD: (
        "I couldn't attach the tile anywhere: I need permission to see and write here."
    ),
    ErrorCode.UNDELIVERED: (
        "The picture is ready, but I can't post it here. Use /fetch, in a channel where I may "
        "send messages and attach files, to get it."
    ),
    ErrorCode.SOURCE_GONE: (
        "The picture to start from is gone: Discord drops a file given to a command after about a "
        "day, and a picture whose message was deleted. Use /vary with the picture again."
    ),
    ErrorCode.SOURCE_UNREACHABLE: "The picture to start from couldn't be fetched.",
    ErrorCode.SOURCE_TOO_LARGE: (
        "The picture to start from is too large: use one of up to 64 megapixels."
    ),
    ErrorCode.SOURCE_NOT_A_PICTURE: (
        "The file to start from isn't a picture that can be read. Use a PNG, JPEG, WebP or GIF."
    ),
    ErrorCode.BAD_REQUEST: "The picture service doesn't accept this prompt or picture.",
    ErrorCode.REQUEST_TOO_LARGE: (
        "This prompt is too long for the picture service. Use /vary with a shorter one."
    ),
    ErrorCode.NOT_SENT: (
        "The connection to the picture service broke before anything was asked of it."
    ),
    ErrorCode.UNFORESEEN: "Something went wrong on my side.",
    ErrorCode.BLOCKED: (
        "The picture is ready, but Discord doesn't let it be posted here: the server's AutoMod or "
        "the filter of harmful links blocks its prompt. Use /fetch in another channel to get it."
    ),
    ErrorCode.MAYBE_POSTED: (
        "The picture is ready, and perhaps posted already: I can't read this channel's history "
        "to tell. Use /fetch to get it."
    ),
}

_NOT_STARTED = {
    ErrorCode.BLOCKED: PROMPT_BLOCKED,
    ErrorCode.UNDELIVERED: _FAILURES[ErrorCode.NO_CARD],
}
"""What is said instead where there is no picture yet."""


def shown_prompt(prompt: str) -> str:
    """Return a prompt as it was typed, on one line, cut to fit a message."""
    return "> " + cut(inert(" ".join(prompt.split())), _SHOWN_LENGTH)


def alt_text(prompt: str) -> str:
    """Return a prompt as alternative text for a picture."""
    return cut(prompt, ALT_TEXT_LENGTH)


def heading(generation: Generation) -> str:
    """Say what this is and who asked for it."""
    what = _KINDS[generation.kind].format(tile=generation.tile)
    return f"**{what}** for <@{generation.user_id}>"


def waiting(place: int | None, *, same_prompt: bool = False) -> str:
    """Say where in line a generation is; ``same_prompt`` if it waits for another with its own."""
    where = "Starting…" if place is None else f"In line: place {place}."
    return f"{where} {SAME_PROMPT}" if same_prompt else where


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
    error = generation.error or ErrorCode.UNFORESEEN
    sentence = _FAILURES.get(error, _FAILURES[ErrorCode.UNFORESEEN])
    if generation.state is State.FAILED:
        sentence = _NOT_STARTED.get(error, sentence)
    if error.maybe_charged:
        sentence += " It may have been charged all the same."
    return f"{sentence} It says: {inert(detail)}" if detail else sentence


def ready(generation: Generation, link: str | None) -> str:
    """Tell the asker that the card has become the result."""
    told = f"Your picture is ready, <@{generation.user_id}>"
    return f"{told}: {link}" if link else f"{told}."


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
        case EncodedPromptTooLong(limit=limit, length=length):
            return (
                f"The prompt is too long to be sent: it makes {length:,} bytes of {limit:,}. "
                "Emoji and letters other than a to z take up to 12 bytes each; please shorten it."
            )
        case ParameterNotAllowed(name=name, allowed=allowed):
            listed = ", ".join(f"--{each}" for each in sorted(allowed))
            return (
                f"The parameter --{cut(inert(name), _NAME_LENGTH)} isn't possible here: it could "
                f"change what the picture costs. These are: {listed}."
            )
        case PermutationNotAllowed():
            return (
                "A list in braces, such as {red, green}, asks for several pictures at once, which "
                "isn't possible here. Ask for one after the other."
            )
        case PermissionsMissing(missing=missing):
            names = ", ".join(_PERMISSIONS[each] for each in missing)
            return (
                f"I can't post the picture here: I lack the permission {names}. Ask whoever runs "
                "this server, or use another channel."
            )
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
        case UnknownPicture():
            return (
                "I don't know this picture any more, so its buttons can't do anything. "
                "Use /vary to make a new one."
            )
        case Elsewhere():
            return "This button belongs to a message in another place; press it there."
        case NotYours():
            return "Only the one who asked, or a moderator, can cancel this."
        case TooLate():
            return "This can't be cancelled any more: the work has begun."
        case NothingToRetry():
            return "There is nothing to try again here."
        case NothingToFetch():
            return "There is no picture of yours here that couldn't be posted."
        case StoreUnavailable():
            return "I can't write that down right now, so nothing was started. Try again later."
        case _:
            return "That isn't possible."


def repeated(link: str | None) -> str:
    """Say that there is such a result already, or one on its way."""
    return f"That is here already: {link}" if link else "That is on its way already."


def broken(incident: str) -> str:
    """Say that something unforeseen went wrong, with the id under which the log has it."""
    return f"Something went wrong on my side; nothing was started. (Incident {incident})"
