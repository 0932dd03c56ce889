"""A page of somebody's pictures. Its custom_ids hold whose, which, and where the page begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import discord
from discord import ui

from bot import text
from bot.domain import Generation
from bot.store.gallery import Page, Selection, Wanted
from bot.text import gallery as words
from bot.ui.buttons import Template, button
from bot.ui.layouts import Layout
from bot.ui.media import Media
from bot.ui.replies import link

OLDER = Template("go", 3, about_generation=False)
"""▶: a user, a :class:`Selection`, and the id that the page begins with."""

NEWER = Template("gn", 3, about_generation=False)
"""◀: a user, a selection, and the id that the page after it begins with."""

POST = Template("gp", 3, about_generation=False)
"""Post here: a user, a selection, and the id that the page begins with."""

SELECT = Template("gs", about_generation=False)
"""Which pictures: a user; what is selected is the number of a selection."""

Shown = Sequence[tuple[Generation, Media]]
"""Pictures with what their messages hold now."""


def gallery_page(wanted: Wanted, page: Page, shown: Shown, *, own: bool) -> Layout:
    """Build a page for one member alone; only one's ``own`` can be chosen from and posted."""
    parts: list[ui.Item[Any]] = [
        ui.TextDisplay(words.title(wanted.selection, wanted.user_id)),
        *_pictures(shown),
    ]
    if not page.pictures:
        parts.append(ui.TextDisplay(words.none(wanted.selection, wanted.user_id)))
    elif not shown:
        parts.append(ui.TextDisplay(words.NOTHING_LEFT))
    elif hidden := len(page.pictures) - len(shown):
        parts.append(ui.TextDisplay(words.unseen(hidden)))
    if own:
        parts.append(ui.ActionRow[Any](_select(wanted)))
    whose = wanted.user_id, wanted.selection
    buttons: list[ui.Button[Any]] = []
    if page.newer:
        newer = NEWER.custom_id(*whose, page.pictures[0].id)
        buttons.append(button(newer, words.NEWER))
    if page.older is not None:
        buttons.append(button(OLDER.custom_id(*whose, page.older), words.OLDER))
    if own and shown:
        buttons.append(button(POST.custom_id(*whose, page.pictures[0].id), words.POST))
    if buttons:
        parts.append(ui.ActionRow[Any](*buttons))
    return Layout(*parts)


def posted_pictures(user_id: int, shown: Shown) -> Layout:
    """Build the message of a page that its owner posts for everybody."""
    return Layout(ui.TextDisplay(words.posted(user_id)), *_pictures(shown))


def _pictures(shown: Shown) -> list[ui.Item[Any]]:
    if not shown:
        return []
    items = [
        discord.MediaGalleryItem(
            media.link,
            description=text.alt_text(generation.prompt) or None,
            spoiler=media.spoiler,
        )
        for generation, media in shown
    ]
    lines = (
        words.line(number, generation, link(generation))
        for number, (generation, _) in enumerate(shown, 1)
    )
    return [ui.MediaGallery[Any](*items), ui.TextDisplay("\n".join(lines))]


def _select(wanted: Wanted) -> ui.Select[Any]:
    here = wanted.guild_id is not None
    options = [
        discord.SelectOption(label=label, value=str(int(each)), default=each is wanted.selection)
        for each, label in words.SELECTIONS.items()
        if here or each is not Selection.SERVER
    ]
    return ui.Select(
        custom_id=SELECT.custom_id(wanted.user_id), placeholder=words.CHOOSE, options=options
    )
