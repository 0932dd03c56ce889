"""What ``/gallery`` says."""

from __future__ import annotations

from discord.utils import format_dt

from bot import text
from bot.domain import Generation
from bot.store.gallery import Selection
from bot.text.markdown import cut, inert

COMMAND = "See pictures that you made, or another member's of this channel"
MEMBER = "Whose pictures of this channel; leave it out for all of yours"
OLDER, NEWER, POST = "▶", "◀", "Post here"
CHOOSE = "Which pictures"

SELECTIONS = {
    Selection.ALL: "All",
    Selection.FAVOURITES: "Favourites",
    Selection.SERVER: "This server",
    Selection.TILES: "Tiles only",
}

_NONE = {
    Selection.ALL: "You have no pictures yet. Use /vary to make some.",
    Selection.FAVOURITES: "You have no favourites yet. Press ⭐ below a picture to mark it.",
    Selection.SERVER: "You have no pictures in this server yet. Use /vary to make some.",
    Selection.TILES: "You have no tiles yet. Press U1 to U4 below a grid to get one.",
    Selection.CHANNEL: "<@{user}> has no pictures in this channel.",
}
_TITLES = {
    Selection.ALL: "**Your pictures**",
    Selection.FAVOURITES: "**Your favourites**",
    Selection.SERVER: "**Your pictures in this server**",
    Selection.TILES: "**Your tiles**",
    Selection.CHANNEL: "**Pictures by <@{user}> in this channel**",
}
_PROMPT_LENGTH = 120
NOTHING_LEFT = "These pictures were deleted, or I can't see their messages any more."
NOTHING_TO_POST = "There is nothing to post: these pictures are private, or were deleted."


def title(selection: Selection, user_id: int) -> str:
    """Say whose pictures these are, and which."""
    return _TITLES[selection].format(user=user_id)


def none(selection: Selection, user_id: int) -> str:
    """Say that there are no such pictures."""
    return _NONE[selection].format(user=user_id)


def posted(user_id: int) -> str:
    """Say who posted a page of pictures."""
    return f"**Pictures that <@{user_id}> chose**"


def line(number: int, generation: Generation, link: str | None) -> str:
    """Say what a picture is, when it was made, and where it stands."""
    what = text.what(generation)
    linked = f"[{what}]({link})" if link else what
    made = f"**{number}** {linked}, {format_dt(generation.created_at, 'R')}"
    prompt = cut(inert(" ".join(generation.prompt.split())), _PROMPT_LENGTH)
    return f"{made}: {prompt}" if prompt else made


def unseen(number: int) -> str:
    """Say that some pictures of a page aren't shown."""
    if number == 1:
        return "-# One picture is left out: it was deleted, or I can't see its message."
    return f"-# {number} pictures are left out: they were deleted, or I can't see their messages."
