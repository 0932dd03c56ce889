"""What members are told of their data."""

from __future__ import annotations

from datetime import datetime

from discord.utils import format_dt

PRIVACY_DESCRIPTION = "What this bot keeps of you, and what you can do about it"
SHOW_DESCRIPTION = "What is stored of you, what is sent to the picture service, and for how long"
EXPORT_DESCRIPTION = "Get everything that is stored of you, as a file"
DELETE_DESCRIPTION = "Delete what is stored of you"
CONSENT_DESCRIPTION = "Decide whether others may vary your pictures"

DELETE = "Delete my data"
DELETE_ALL = "Delete my data and pictures"
KEEP = "Keep everything"
ALLOW = "Others may vary my pictures"
FORBID = "Nobody else may"

EXPORT_FILE = "vary-data.json"
EXPORTED = "Everything that is stored of you. Nobody else sees this message."
TOO_LARGE = (
    "What is stored of you is too large for a file here. Ask whoever runs this bot to give it to "
    "you another way."
)
BUSY = "Your data is being put together already. The file comes in a moment."

CONFIRM = """## Delete what is stored of you?
What goes, everywhere and for good: your prompts, your presses, your favourites, the links of your \
pictures and where they are, and what you decided with `/privacy consent`.
- What waits is cancelled. What is being asked of the picture service can't be stopped: its \
result is dropped, and may still be paid for.
- What stays is a count without your name: that there was a picture, when, in which server, and \
whether it worked. For a \
day, a number made from your id and a secret of this bot's keeps how many you had, so that limits \
of a day hold.
- The buttons of your pictures stop working. What others made from them stays theirs.
- Backups that whoever runs this bot has made are theirs to delete.

**And my messages with your pictures?** They stay in their channels if you keep them, and I can't \
find them any more afterwards. Otherwise I delete them one after the other, which takes a while."""
KEPT = "Nothing was deleted."
_DELETED = "What was stored of you is deleted."
_DELETING = "What is stored of you is being deleted; it is much, so it takes some minutes."
_REMOVING = " My messages with your pictures go one after the other; a restart stops nothing."

CONSENT_ALLOWED = (
    "## Your pictures\nOthers **may** vary your pictures through the Apps menu of a message."
)
CONSENT_FORBIDDEN = (
    "## Your pictures\nNobody else may vary your pictures through the Apps menu of a message."
)

_STORED = """## What is stored of you
{numbers}
For each picture: your prompt, when, where and by which command you asked, the link of the picture \
that you gave, what became of it, and where the result is. For each press: which button, where and \
when. Nothing else: no name, no messages of yours, no address."""
_SENT = """## What is sent to the picture service
Your prompt, and a link to the picture that you start from. Not your name or your id: the service \
sees one account, that of whoever runs this bot. {visibility}"""
_KEPT_FOR = """## For how long
{period} Pictures are messages of mine in Discord, and stay there until somebody deletes them. \
`/privacy export` gives you a copy of your data, `/privacy delete` deletes it, `/privacy consent` \
says whether others may vary your pictures."""

_PUBLIC = (
    "**That account is public: what it makes, with its prompt, can be seen by others on the "
    "service's own pages.**"
)
_HIDDEN = (
    "That account says that it is “{mode}”, so what it makes isn't shown on the service's own "
    "pages. That can change, so send nothing that must stay secret."
)
_UNKNOWN = (
    "**That account may be public: then what it makes, with its prompt, can be seen by others on "
    "the service's own pages.**"
)


def show(
    generations: int,
    clicks: int,
    others: int,
    since: datetime | None,
    days: int,
    visibility: str | None,
) -> tuple[str, str, str]:
    """Say what is stored, what is sent, and for how long (``days``; 0: until it is deleted).

    ``visibility`` is what the API says of the account behind it, as plain text.
    """
    numbers = f"**{generations:,}** pictures asked for, **{clicks:,}** presses, "
    numbers += f"**{others:,}** other rows (favourites, settings of yours)"
    numbers += f"; the oldest is of {format_dt(since, 'D')}." if since else "."
    if not generations + clicks + others:
        numbers = "Nothing at this time."
    period = "Rows are kept until you delete them."
    if days:
        period = f"Rows are deleted {days:,} days after they were made."
    return (
        _STORED.format(numbers=numbers),
        _SENT.format(visibility=_visibility(visibility)),
        _KEPT_FOR.format(period=period),
    )


def _visibility(mode: str | None) -> str:
    if mode is None:
        return _UNKNOWN
    if mode.lower() in {"stealth", "private"}:
        return _HIDDEN.format(mode=mode)
    return _PUBLIC if mode.lower() == "public" else _UNKNOWN


def deleted(*, done: bool, pictures: bool) -> str:
    """Say how far the deletion is."""
    return (_DELETED if done else _DELETING) + (_REMOVING if pictures else "")
