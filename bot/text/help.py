"""What ``/help`` says."""

from __future__ import annotations

from collections.abc import Iterable

COMMAND = "What the buttons do, the limits here, privacy, and where to ask"
WELCOME = "Welcome! This is shown once in each server; /help shows it again."
TITLE = "## Vary turns a picture into four new ones"
START = (
    "Type **/vary**, say what the new pictures should show, and drop in a picture. "
    "**/describe** puts a picture into words that can be prompts."
)
BUTTONS = """\
**Below a grid** (pictures 1 2 over 3 4)
**U1** to **U4** post one picture on its own.
**V1** to **V4** make four new ones from one picture.
**🔄** makes four others from the same picture and words, **Remix** four from other words.
**All four** posts each picture on its own, ⭐ marks a favourite, **Details** tells all about it.
**Cancel** takes out what waits, **Try again** asks again for what failed, 🗑 deletes for everyone.
Buttons work at any time. Cancel, Discard and 🗑 are for whoever asked and for moderators; a server \
can restrict the others."""
FIND = (
    "**/gallery** finds what you made, **/queue** shows what waits, **/quota** what you may still "
    "ask for, **/fetch** gets a picture that couldn't be posted."
)
LIMITS = "**Limits here**"
PRIVACY = (
    "**Privacy:** I store what you ask for with your id, so that buttons go on working, and send "
    "your words and pictures to the picture service, whose account may be public. **/privacy** "
    "shows what is stored about you, exports it and deletes it."
)
_POLICY = "[Privacy policy]({url})"
_TERMS = "[Terms]({url})"


def limits(lines: Iterable[str]) -> str:
    """Return the limits as a list."""
    return "\n".join((LIMITS, *(f"- {line}" for line in lines)))


def operator(
    owner_id: int | None, team: str | None, policy_url: str | None, terms_url: str | None
) -> str:
    """Say who runs the bot and where to ask."""
    who = f"the team {team}" if team else f"<@{owner_id}>"
    ask = f" Ask <@{owner_id}> where something goes wrong." if owner_id else ""
    said = f"**Run by** {who}.{ask}" if team or owner_id else "**Run by** its operator."
    links = [_POLICY.format(url=policy_url)] if policy_url else []
    links += [_TERMS.format(url=terms_url)] if terms_url else []
    return " ".join((said, *links))
