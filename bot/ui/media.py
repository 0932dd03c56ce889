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
    """An attachment: its id, its file name, and a link that is as fresh as the message."""

    id: int
    file: str
    link: str


def media(message: discord.Message) -> dict[str, Media]:
    """Return a message's attachments by file name, be they shown or listed."""
    found: dict[str, Media] = {}
    for id_, url in _links(message):
        if id_ and url.startswith(("https://", "http://")):
            file = urlsplit(url).path.rsplit("/", 1)[-1]
            found.setdefault(file, Media(id_, file, url))
    return found


def links(message: discord.Message) -> dict[str, str]:
    """Return the links of a message's attachments by file name."""
    return {file: item.link for file, item in media(message).items()}


def _links(message: discord.Message) -> Iterator[tuple[int | None, str]]:
    for attachment in message.attachments:
        yield attachment.id, attachment.url
    for component in message.components:
        yield from _shown(component)


def _shown(component: Any) -> Iterator[tuple[int | None, str]]:
    match component:
        case discord.ThumbnailComponent():
            yield component.media.attachment_id, component.media.url
        case discord.MediaGalleryComponent():
            for item in component.items:
                yield item.media.attachment_id, item.media.url
        case discord.SectionComponent():
            yield from _shown(component.accessory)
        case discord.Container():
            for child in component.children:
                yield from _shown(child)
        case _:
            pass
