"""Sentences that several features share: cards, refusals, failures."""

from __future__ import annotations

from datetime import datetime, timedelta

from discord.utils import format_dt

from bot.domain import ErrorCode, Generation, Kind, Permission, State
from bot.errors import (
    BadLimit,
    BlankPrompt,
    BlockedMember,
    BlockedWord,
    DailyLimitReached,
    DirectMessagesOff,
    Elsewhere,
    EncodedPromptTooLong,
    LimitRule,
    NoConsent,
    NoPicture,
    NotDeletable,
    NothingToFetch,
    NothingToRetry,
    NotManager,
    NotMine,
    NotOffered,
    NotYourButtons,
    NotYours,
    OperatorsOnly,
    OthersPicturesOff,
    ParameterInAvoid,
    ParameterNotAllowed,
    PausedHere,
    PermissionsMissing,
    PermutationNotAllowed,
    PickGone,
    PromptTooLong,
    QueueFull,
    RoleNeeded,
    ServerNotAllowed,
    ServersOnly,
    StoreUnavailable,
    TooLate,
    TooManyWords,
    UnknownPicture,
    UnsupportedUpload,
    UploadTooLarge,
    UserQueueFull,
    VaryError,
    WasDeleted,
    WrongChannel,
)
from bot.text import describe, menus
from bot.text.markdown import copyable, cut, inert

ALT_TEXT_LENGTH = 1_024
_SHOWN_LENGTH = 2_800
_BAR = 10
_MINUTE = 60
_NAME_LENGTH = 40
_GIVEN_BACK_LENGTH = 3_000
_MEGABYTE = 1024 * 1024
_LISTED = 10

VARY_DESCRIPTION = "Turn a picture into a grid of four new ones"
PROMPT_DESCRIPTION = "What the new pictures should show"
IMAGE_DESCRIPTION = "The picture to start from: PNG, JPEG, WebP or GIF, up to 25 MB"

INTERRUPTED = (
    "I was restarted while making this. It may have been charged, so I didn't run it again: press "
    "Try again."
)
DISCARDED = "Discarded. It may still be made, and may still count; if it is, /fetch gets it."
KEPT = "Discarded. The picture is kept for you: /fetch gets it."
CANCEL = "Cancel"
DISCARD = "Discard"
TRY_AGAIN = "Try again"
TRIED_AGAIN = "Tried again: see what came of it"

UNKNOWN_BUTTON = "This button isn't one of mine any more. Use /vary to make a new picture."
MADE_AGAIN = "Its message was deleted: I'm making it again."
DELAYED = "The picture is ready, but it can't be posted just now. I keep trying."
SAME_PROMPT = "It waits until the same prompt is done: the picture service could mix the two up."
PAUSED = "Whoever runs this bot has paused all work for now."
FETCH_DESCRIPTION = "Get a picture of yours that couldn't be posted"
OUT_OF_DATE = "This command has just been updated. Please try again in a minute."
API_KEY_REFUSED = (
    "The GenArt API refuses my key (401). If GENART_API_KEY, GENART_SERVER_ID, GENART_CHANNEL_ID "
    "or GENART_DISCORD_TOKEN is wrong, set it and restart the bot; if not, I keep trying."
)

PROMPT_BLOCKED = (
    "Discord doesn't let this prompt be shown here: the server's AutoMod or the filter of harmful "
    "links blocks it. Nothing was started; use other words, or another channel."
)

_KINDS = {
    Kind.VARY: "Four new pictures",
    Kind.REROLL: "Reroll",
    Kind.VARIATION: "Variations of picture {tile}",
    Kind.REMIX: "Remix",
    Kind.UPSCALE: "Picture {tile}",
    Kind.DESCRIBE: "Description of a picture",
}
_WHOLE = {Kind.VARIATION: "Variations", Kind.UPSCALE: "All four pictures"}
"""What is said instead where it isn't about one tile of a grid."""
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
    ErrorCode.SOURCE_HOST_NOT_ALLOWED: (
        "The picture to start from is on a host that this bot isn't allowed to use."
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


def what(generation: Generation) -> str:
    """Say what this is."""
    kinds = _KINDS if generation.tile else _KINDS | _WHOLE
    return kinds[generation.kind].format(tile=generation.tile)


def heading(generation: Generation) -> str:
    """Say what this is and who asked for it."""
    return f"**{what(generation)}** for <@{generation.user_id}>"


def waiting(ahead: int | None, *, same_prompt: bool = False, paused: bool = False) -> str:
    """Say how many come before a generation; ``same_prompt`` if it waits for another with its
    own, ``paused`` if all work waits."""
    if paused:
        return PAUSED
    where = f"In line: {ahead:,} ahead of you." if ahead else "Starting…"
    return f"{where} {SAME_PROMPT}" if same_prompt else where


def running(since: datetime, usual: timedelta | None, now: datetime) -> str:
    """Say since when a generation runs and what is usual, with an estimate of how far it is."""
    started = f"Started {format_dt(since, 'R')}"
    if not usual:
        return f"{started}."
    taken = now - since
    if taken >= usual:
        return f"{started}; taking longer than usual (about {_duration(usual)})."
    done = taken / usual
    filled = int(done * _BAR)
    bar = "▰" * filled + "▱" * (_BAR - filled)
    return f"{started}; usually about {_duration(usual)}.\nAbout {done:.0%} done {bar}"


def _duration(time: timedelta) -> str:
    seconds = max(round(time.total_seconds()), 1)
    return f"{seconds} s" if seconds < 2 * _MINUTE else f"{round(seconds / _MINUTE)} min"


def ending(generation: Generation, detail: str | None) -> str:
    """Say what became of a generation that has no result to show; ``detail`` is what the API
    itself says of it."""
    if generation.state is State.CANCELLED:
        return "Cancelled."
    if generation.discarded and generation.state in {State.RUNNING, State.UNDELIVERED}:
        return DISCARDED if generation.state is State.RUNNING else KEPT
    if generation.state is State.INTERRUPTED:
        return INTERRUPTED
    error = generation.error or ErrorCode.UNFORESEEN
    sentence = _FAILURES.get(error, _FAILURES[ErrorCode.UNFORESEEN])
    if generation.kind is Kind.DESCRIBE:
        sentence = describe.FAILURES.get(error, sentence)
    if generation.state is State.FAILED:
        sentence = _NOT_STARTED.get(error, sentence)
    if error.maybe_charged:
        sentence += " It may have been charged all the same."
    return f"{sentence} It says: {inert(detail)}" if detail else sentence


def ready(generation: Generation, link: str | None) -> str:
    """Tell the asker that the card has become the result."""
    said = describe.READY if generation.kind is Kind.DESCRIBE else "Your picture is ready"
    told = f"{said}, <@{generation.user_id}>"
    return f"{told}: {link}" if link else f"{told}."


def failed_late(user_id: int) -> str:
    """Call the asker to a card that says what went wrong."""
    return f"<@{user_id}>, this didn't work out. The message that I reply to says why."


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
        case ParameterInAvoid(name=name):
            return (
                f"What to avoid takes words alone, so --{cut(inert(name), _NAME_LENGTH)} isn't "
                "possible there. Parameters belong into the prompt."
            )
        case NotOffered(value=value):
            return f"{cut(inert(value), _NAME_LENGTH)} isn't among what can be chosen there."
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
        case NoPicture():
            return menus.NO_PICTURE
        case PickGone():
            return menus.PICK_GONE
        case NoConsent():
            return menus.NO_CONSENT
        case NotMine():
            return menus.NOT_MINE
        case DailyLimitReached():
            return _daily_limit(error)
        case ServerNotAllowed():
            return "I don't work in this server: whoever runs this bot has to allow it."
        case DirectMessagesOff():
            return "I don't work in direct messages. Please use me in a server."
        case BlockedMember():
            return "You can't use me in this server: its managers have turned that off."
        case WrongChannel(channels=channels):
            listed = ", ".join(f"<#{each}>" for each in sorted(channels)[:_LISTED])
            more = len(channels) - _LISTED
            listed += f" and {more} more" if more > 0 else ""
            return f"I can't be used in this channel. This server's managers chose: {listed}."
        case RoleNeeded(role_id=role_id):
            return f"In this server you need the role <@&{role_id}> to use me."
        case NotYourButtons(role_id=None):
            return "In this server only the one who asked for a picture presses its buttons."
        case NotYourButtons(role_id=role_id):
            return (
                "In this server only the one who asked for a picture presses its buttons, and "
                f"members with the role <@&{role_id}>."
            )
        case PausedHere():
            return "This server's managers have paused me. Nothing new begins until they resume."
        case BlockedWord(word=word):
            return (
                f"This server doesn't allow “{cut(inert(word), _NAME_LENGTH)}” in a prompt. "
                "Nothing was started; use other words."
            )
        case OthersPicturesOff():
            return "This server doesn't allow using other members' pictures."
        case NotManager():
            return "Only members with the permission Manage Server can do that."
        case BadLimit(value=value, most=most, least=least):
            shown = cut(inert(value), _NAME_LENGTH)
            upper = f"{least} to {most:,}" if most is not None else f"{least} or more"
            return f"“{shown}” is no number from {upper}. Nothing was changed."
        case TooManyWords(limit=limit):
            return f"The list may have up to {limit:,} characters. Nothing was changed."
        case UnknownPicture():
            return (
                "I don't know this picture any more, so its buttons can't do anything. "
                "Use /vary to make a new one."
            )
        case WasDeleted():
            return "This picture was deleted, so its buttons can't do anything."
        case NotDeletable():
            return (
                "Only the one who asked for this picture, or a member who may manage messages, "
                "can delete it."
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
        case OperatorsOnly():
            return "Only whoever runs this bot may do that."
        case ServersOnly():
            return "That is about a server; use it in one."
        case StoreUnavailable():
            return "I can't save your request right now, so nothing was started. Try again later."
        case _:
            return "That isn't possible."


def _daily_limit(error: DailyLimitReached) -> str:
    """Say which limit of a day is reached, and when the next picture is possible."""
    match error.rule:
        case LimitRule.USER:
            reached = f"You've used all {error.limit} of today's pictures."
        case LimitRule.MEMBER:
            reached = f"You've used all {error.limit} of today's pictures in this server."
        case LimitRule.ROLE:
            reached = (
                f"You've used all {error.limit} of today's pictures that <@&{error.role_id}> has "
                "in this server."
            )
        case LimitRule.SERVER:
            reached = f"This server has used all {error.limit} of today's pictures."
        case LimitRule.TOTAL:
            reached = "All of the pictures that I may make in a day have been made."
    at = error.free_at
    when = f"{format_dt(at, 't')} ({format_dt(at, 'R')})"
    return f"{reached} More at {when}."


def repeated(link: str | None) -> str:
    """Say that there is such a result already, or one on its way."""
    return f"Already made: {link}" if link else "That is on its way already."


def given_back(reason: str, typed: str) -> str:
    """Say why words were refused, and give them back so that nobody types them twice."""
    return f"{reason}\nYour words, to copy:\n{copyable(cut(typed, _GIVEN_BACK_LENGTH))}"


def broken(incident: str) -> str:
    """Say that something unforeseen went wrong, with the id under which the log has it."""
    return f"Something went wrong on my side; nothing was started. (Incident {incident})"
