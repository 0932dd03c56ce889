"""Every sentence of ``/settings``, of a server's log and of its showcase."""

from __future__ import annotations

from discord.utils import format_dt

from bot.domain import Kind, LogEvent, LogLine, State
from bot.policy import Policy, Pressers, Spoilers
from bot.text.markdown import cut, inert

DESCRIPTION = "What members of this server can do with me: places, limits, content, log, pause"
_SHOWN_WORDS = 300

PAGES = ("Where and who", "Limits", "Content", "Log", "Showcase", "Pause")
PAGE_HINTS = (
    "Channels, roles, buttons, blocked members",
    "Pictures in a day: a member's, a role's, the server's",
    "Spoilers, blocked words, other members' pictures",
    "A channel that tells what is made, deleted and changed",
    "A channel for pictures with many ⭐",
    "Let nothing new begin",
)

CHANNELS = (
    "**Channels**\nWhere I can be used; none chosen: everywhere. A thread belongs to its channel."
)
ROLE = "**Role**\nWhat a member needs to use me; none chosen: nothing."
PRESSERS = "**Buttons**\nWho can press the buttons of a picture."
PRESSER_ROLE = "Members with this role, beside the one who asked:"
BLOCKED = "**Blocked members**\nThey can't use me here; 25 at most."
PRESSER_NAMES = {
    Pressers.EVERYONE: "Everyone",
    Pressers.ASKER: "The one who asked",
    Pressers.ROLE: "The one who asked, and a role",
}

CHANGE_LIMITS = "Change these limits"
SET_ROLE_LIMIT = "Set a role's limit"
EXEMPT = "**Exempt roles**\nTheir members have no limit of their own here."
LIMITS_TITLE = "Pictures in 24 hours"
MEMBER_LIMIT = "For one member"
SERVER_LIMIT = "For the whole server"
EMPTY_IS_NONE = "Empty or 0: no limit of this server's own."
ROLE_LIMIT_TITLE = "A role's limit"
ROLES = "Roles"
ROLE_LIMIT = "Pictures in 24 hours for each member"
ROLE_LIMIT_HINT = "Empty: the role has no limit of its own any more."

SPOILERS = "**Spoilers**\nWhich pictures are hidden until somebody clicks on them."
SPOILER_NAMES = {
    Spoilers.ALWAYS: "Always",
    Spoilers.UNLESS_RESTRICTED: "Outside age-restricted channels",
    Spoilers.NEVER: "Never",
}
AS_SERVER = "As everywhere else in the server"
SET_CHANNEL_SPOILERS = "Set channels apart"
CHANNEL_SPOILERS_TITLE = "Spoilers in some channels"
CHANNELS_LABEL = "Channels"
SPOILERS_LABEL = "Pictures are hidden"
EDIT_WORDS = "Edit the words"
WORDS_TITLE = "Blocked words"
WORDS_LABEL = "A word or phrase a line"
WORDS_HINT = "Capitals and accents as typed don't matter. A * at an end: blood* is in “bloody”."
OTHERS_ON = "Allow other members' pictures"
OTHERS_OFF = "Forbid other members' pictures"

LOG = (
    "**Log**\nThe channel that gets a line for each picture, deletion and change of these "
    "settings; none chosen: no log."
)
SHOWCASE = (
    "**Showcase**\nThe channel where a picture with enough ⭐ is shown; none chosen: no showcase."
)
SET_STARS = "Change the number of ⭐"
STARS_TITLE = "Showcase"
STARS_LABEL = "⭐ that a picture needs"

PAUSE = "Pause; what waits is still made"
PAUSE_AND_CANCEL = "Pause and cancel what waits"
RESUME = "Resume"
PAUSED = "**Paused**\nNothing new begins here. What the picture service is making is still posted."
NOT_PAUSED = (
    "**Not paused**\nA pause lets nothing new begin here, neither by command nor by button."
)

PLACEHOLDER = "Choose; it is saved at once"


def heading(page: int) -> str:
    """Return what stands above a page."""
    return f"## Settings: {PAGES[page]}"


def limits(policy: Policy, user_limit: int, server_limit: int) -> str:
    """Say which limits hold; those of the operator are ``user_limit`` and ``server_limit``."""
    lines = [
        f"**A member's day here**: {_number(policy.member_daily)}{_operator(user_limit)}",
        f"**The server's day**: {_number(policy.server_daily)}{_operator(server_limit)}",
    ]
    roles = sorted(policy.role_daily.items(), key=lambda item: -item[1])
    if roles:
        lines.append("**Roles**; the best of a member's counts:")
        lines += [f"<@&{role}>: {number:,}" for role, number in roles]
    return "\n".join(lines)


def spoiler_channels(policy: Policy) -> str:
    """Say which channels have a rule of their own."""
    rules = policy.channel_spoilers.items()
    named = [f"<#{channel}>: {SPOILER_NAMES[rule].lower()}" for channel, rule in rules]
    return "\n".join(["In single channels:", *named]) if named else "The same in every channel."


def blocked_words(policy: Policy) -> str:
    """Say which words no prompt may hold."""
    if not policy.words:
        return "**Blocked words**\nNone."
    shown = cut(inert(", ".join(policy.words)), _SHOWN_WORDS)
    return f"**Blocked words** ({len(policy.words)})\n{shown}"


def others_pictures(policy: Policy) -> str:
    """Say whether members may use each other's pictures."""
    allowed = "allowed" if policy.others_pictures else "forbidden"
    return f"**Other members' pictures** through the Apps menu: {allowed}."


def stars(policy: Policy) -> str:
    """Say how many ⭐ a picture needs."""
    return f"A picture needs {policy.showcase_stars} ⭐."


def _number(limit: int) -> str:
    return f"{limit:,} pictures" if limit else "no limit"


def _operator(limit: int) -> str:
    return f" (the bot's operator allows {limit:,})" if limit else ""


# The log.

_LOG_PROMPT = 50
_KINDS = {
    Kind.VARY: "a grid",
    Kind.REROLL: "a reroll",
    Kind.VARIATION: "variations of picture {tile}",
    Kind.REMIX: "a remix",
    Kind.UPSCALE: "picture {tile}",
    Kind.DESCRIBE: "descriptions",
}
_STATES = {
    State.POSTED: "made",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
    State.INTERRUPTED: "interrupted",
    State.UNDELIVERED: "made, but not delivered",
}
_CHANGES = {
    "channels": "channels",
    "role": "role needed",
    "pressers": "who presses buttons",
    "presser_role": "role that presses buttons",
    "blocked": "blocked members",
    "exempt": "exempt roles",
    "spoilers": "spoilers",
    "others": "other members' pictures",
    "log": "log",
    "showcase": "showcase",
    "pause": "pause",
    "limits": "limits",
    "role_limit": "a role's limit",
    "channel_spoilers": "spoilers in some channels",
    "words": "blocked words",
    "stars": "number of ⭐",
}


def log_line(line: LogLine) -> str:
    """Return a line of a server's log."""
    who = f"<@{line.user_id}>" if line.user_id else "Somebody"
    return f"{format_dt(line.at, 'T')} {who}: {_told(line)}"


def _told(line: LogLine) -> str:
    if line.event is LogEvent.SETTINGS:
        changed = _CHANGES.get(line.detail or "", line.detail or "")
        return f"changed the settings: {inert(changed)}"
    what = "a picture"
    if line.generation is not None:
        kind = _KINDS.get(line.generation.kind, line.generation.kind.value)
        what = kind.format(tile=line.generation.tile or "1 to 4")
    if line.event is LogEvent.DELETION:
        asker = line.generation.user_id if line.generation else None
        whose = f" of <@{asker}>" if asker else ""
        return f"{what}{whose}: deleted {_link(line)}"
    outcome = _STATES.get(State(line.detail or State.POSTED), line.detail)
    shown = line.generation is not None and not line.generation.private
    prompt = " ".join(line.generation.prompt.split()) if line.generation and shown else ""
    quoted = f" “{cut(inert(prompt), _LOG_PROMPT)}”" if prompt else ""
    return f"{what}{quoted}: {outcome} {_link(line)}"


def _link(line: LogLine) -> str:
    """Return a link to where a generation was or is; one that is private has none."""
    generation = line.generation
    if generation is None or generation.private or generation.guild_id is None:
        return ""
    message = generation.message_id or generation.card_id
    place = f"https://discord.com/channels/{generation.guild_id}/{generation.channel_id}"
    return f"{place}/{message}" if message else place


def shown(link: str, user_id: int, prompt: str) -> str:
    """Return what stands above a picture in a showcase."""
    quoted = cut(inert(" ".join(prompt.split())), _SHOWN_WORDS)
    return f"By <@{user_id}>: {quoted}\n{link}"
