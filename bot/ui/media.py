"""The attachments that a message shows.

Discord leaves those out of a message's ``attachments``: their links and ids stand in the media
items (discord-api-docs #8277 and #8279, on purpose).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import discord


@dataclass(frozen=True, slots=True)
class Media:
    """An attachment: its id, its file name, a link that is as fresh as the message, and whether
    it is hidden until somebody clicks on it."""

    id: int
    file: str
    link: str
    spoiler: bool = False


def media(message: discord.Message) -> dict[str, Media]:
    """Return a message's attachments by file name, be they shown or listed."""
    found: dict[str, Media] = {}
    for id_, url, spoiler in _links(message):
        if id_ and url.startswith(("https://", "http://")):
            file = urlsplit(url).path.rsplit("/", 1)[-1]
            found.setdefault(file, Media(id_, file, url, spoiler))
    return found


def links(message: discord.Message) -> dict[str, str]:
    """Return the links of a message's attachments by file name."""
    return {file: item.link for file, item in media(message).items()}


def size(message: discord.Message) -> tuple[int, int] | None:
    """Return the (width, height) in pixels of the first picture in a message's gallery."""
    for component in message.components:
        if isinstance(component, discord.MediaGalleryComponent):
            shown = component.items[0].media
            return (shown.width, shown.height) if shown.width and shown.height else None
    return None


def _links(message: discord.Message) -> Iterator[tuple[int | None, str, bool]]:
    for attachment in message.attachments:
        yield attachment.id, attachment.url, attachment.is_spoiler()
    for component in message.components:
        yield from _shown(component)


def _shown(component: Any) -> Iterator[tuple[int | None, str, bool]]:
    match component:
        case discord.ThumbnailComponent():
            yield component.media.attachment_id, component.media.url, component.spoiler
        case discord.MediaGalleryComponent():
            for item in component.items:
                yield item.media.attachment_id, item.media.url, item.spoiler
        case discord.SectionComponent():
            yield from _shown(component.accessory)
        case discord.Container():
            for child in component.children:
                yield from _shown(child)
        case _:
            pass
