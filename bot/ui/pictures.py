"""The pictures that a message shows, whoever wrote it: files, embeds, components, stickers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

import discord

from bot.config import LOOPBACK, SOURCE_HOSTS
from bot.domain import UPLOAD_BYTES, PickedPicture, is_supported_upload
from bot.text import menus as words

MOST = 25
"""Pictures of a message at most: so many options has a select."""

_STICKERS = {
    discord.StickerFormatType.png,
    discord.StickerFormatType.apng,
    discord.StickerFormatType.gif,
}
"""The formats that are pictures; the other one, Lottie, is a drawing program of its own."""

_VIDEOS = {"video", "gifv"}


def pictures_in(message: discord.Message) -> list[PickedPicture]:
    """Return the pictures of a message, and of one that is forwarded in it; each once.

    A picture that Discord doesn't keep itself, as those of embeds are, is told by the link of
    Discord's proxy: no other host is ever asked for it.
    """
    found: dict[str, PickedPicture] = {}
    for part in (message, *message.message_snapshots):
        for picture in _shown(part):
            found.setdefault(picture.link.partition("?")[0], picture)
    return list(found.values())[:MOST]


def _shown(message: discord.Message | discord.MessageSnapshot) -> Iterator[PickedPicture]:
    for file in message.attachments:
        fits = file.size <= UPLOAD_BYTES and is_supported_upload(file.filename, file.content_type)
        if fits and (link := _link(file.url, file.proxy_url)):
            yield PickedPicture(file.filename, link)
    for component in message.components:
        yield from _media(component)
    for embed in message.embeds:
        if embed.type not in _VIDEOS:
            for item in (embed.image, embed.thumbnail):
                if item.url and (link := _link(item.url, item.proxy_url)):
                    yield PickedPicture(embed.title or _name(item.url), link)
    for sticker in message.stickers:
        if sticker.format in _STICKERS:
            yield PickedPicture(words.STICKER.format(name=sticker.name), sticker.url)


def _media(component: Any) -> Iterator[PickedPicture]:
    match component:
        case discord.ThumbnailComponent():
            yield from _unfurled(component.media)
        case discord.MediaGalleryComponent():
            for item in component.items:
                yield from _unfurled(item.media)
        case discord.SectionComponent():
            yield from _media(component.accessory)
        case discord.Container():
            for child in component.children:
                yield from _media(child)
        case _:
            pass


def _unfurled(media: discord.UnfurledMediaItem) -> Iterator[PickedPicture]:
    is_picture = (media.content_type or "image/").startswith("image/")
    if is_picture and (link := _link(media.url, media.proxy_url)):
        yield PickedPicture(_name(media.url), link)


def _link(url: str, proxy_url: str | None) -> str | None:
    """Return the link of Discord's own, if there is one."""
    return next((link for link in (url, proxy_url) if link and _is_discord_s(link)), None)


def _is_discord_s(link: str) -> bool:
    try:
        parts = urlsplit(link)
        host = parts.hostname
    except ValueError:
        return False
    # A worker decides which loopback addresses it uses.
    return (parts.scheme == "https" and host in SOURCE_HOSTS) or host in LOOPBACK


def _name(url: str) -> str:
    """Return the last part of a link's path."""
    return unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2]
