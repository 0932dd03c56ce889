"""What work starts from: fresh links of pictures, the pictures, tiles of grids; and the recent
ones, which are kept in memory."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from cachetools import LRUCache

from bot.config import SOURCE_HOSTS, Settings
from bot.domain import Generation, Kind, Picture
from bot.errors import DiscordUnavailable, MessageGone, PictureError, PictureGone
from bot.genart import GenArt
from bot.images import Images
from bot.store import Store
from bot.worker.publisher import Publisher
from bot.worker.saving import saved

log = logging.getLogger(__name__)
T = TypeVar("T")

GRIDS_BYTES = 64 * 1024 * 1024
"""Bytes of recent grids that are kept, so that U1 to U4 need no download."""

SHOWN_BYTES = 8 * 1024 * 1024
"""Bytes of what recent grids show of their sources that are kept, for their tiles to show it."""

FRESH = timedelta(hours=1)
"""How long a link that a press brought is used as it is: Discord's live for about a day."""


class Sources:
    """Finds what generations start from, wherever it stands."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        genart: GenArt,
        images: Images,
        publisher: Publisher,
        clock: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._genart = genart
        self._images = images
        self._publisher = publisher
        self._clock = clock
        # The loopback Discord of the sandbox is among the image hosts.
        self._hosts = SOURCE_HOSTS | settings.genart_image_hosts
        self._grids: LRUCache[int, bytes] = LRUCache(GRIDS_BYTES, getsizeof=len)
        self._shown: LRUCache[int, Picture] = LRUCache(
            SHOWN_BYTES, getsizeof=lambda source: len(source.data)
        )

    def keep(self, grid_id: int, grid: bytes, shown: Picture | None) -> None:
        """Keep a grid, and what it shows of its source, for its tiles."""
        _keep(self._grids, grid_id, grid)
        if shown:
            _keep(self._shown, grid_id, shown)

    async def parent(self, generation: Generation) -> Generation | None:
        """Return what a generation was made from, if that is one."""
        if generation.parent_id is None:
            return None
        return await saved(self._store.queue.get, generation.parent_id)

    async def source(self, generation: Generation) -> tuple[str, Picture]:
        """Return a fresh link of what a call starts from, and the picture.

        Raises:
            PictureError, DiscordUnavailable
        """
        return await self._download(await self._source_link(generation))

    async def thumbnail(self, generation: Generation) -> Picture | None:
        """Return what a result shows of its source, if that can be had still."""
        try:
            if generation.starts_from_tile:
                _, (picture,) = await self.cut(generation)
            else:
                _, picture = await self.source(generation)
            return await self._images.thumbnail(picture)
        except (PictureError, DiscordUnavailable) as error:
            log.info("generation %s: its source is not shown: %r", generation.id, error)
            return None

    async def cut(self, generation: Generation) -> tuple[Generation, list[Picture]]:
        """Return the parent of a generation, and the tile of its grid that it is about, or all.

        Raises:
            PictureError, DiscordUnavailable
        """
        parent = await self.parent(generation)
        if parent is None or parent.deleted_at:
            raise PictureGone
        grid = await self._grid(parent, generation)
        numbers = [generation.tile] if generation.tile else range(1, 5)
        return parent, [await self._images.tile(grid, number) for number in numbers]

    async def shown(self, grid: Generation) -> Picture | None:
        """Return what a grid shows of its source, for its tiles to show it too."""
        if cached := self._shown.get(grid.id):
            return cached
        if grid.source_file is None:
            return None
        try:
            link = await self._fresh_link(grid, grid.source_file)
            picture = link and (await self._download(link))[1]
            shown = picture and await self._images.thumbnail(picture)
        except (PictureError, DiscordUnavailable) as error:
            log.info("generation %s: its source is not shown: %r", grid.id, error)
            return None
        if shown:
            _keep(self._shown, grid.id, shown)
        return shown or None

    async def _grid(self, parent: Generation, generation: Generation) -> bytes:
        """Return the grid that a tile is cut from."""
        if cached := self._grids.get(parent.id):
            return cached
        link = await self._link(generation, parent, parent.grid_file)
        _, picture = await self._download(link)
        _keep(self._grids, parent.id, picture.data)
        return picture.data

    # Links.

    async def _source_link(self, generation: Generation) -> str:
        """Return a link of the source: a fresh one wherever the source stands on a message."""
        parent = await self.parent(generation)
        if parent is None:
            if generation.source_url is None:
                raise PictureGone
            return generation.source_url
        is_tile = parent.kind is Kind.UPSCALE
        file = parent.grid_file if is_tile else parent.source_file
        return await self._link(generation, parent, file)

    async def _link(self, generation: Generation, parent: Generation, file: str | None) -> str:
        """Return a link of an attachment of the parent: the one that the press brought while that
        is fresh, else that of the message as it is now."""
        pressed = generation.source_url if generation.retry_of is None else None
        if pressed and self._clock() - generation.created_at < FRESH:
            return pressed
        link = file and await self._fresh_link(parent, file)
        if link := link or generation.source_url:
            return link
        raise PictureGone

    async def _fresh_link(self, posted: Generation, file: str) -> str | None:
        """Return a fresh link of a result's attachment; remember if its message was deleted."""
        try:
            return await self._publisher.link(posted, file)
        except MessageGone:
            log.info("generation %s: its message was deleted", posted.id)
            await saved(self._store.pictures.gone, [posted.id])
            return None

    async def _download(self, link: str) -> tuple[str, Picture]:
        """Download what Discord keeps; return the link that serves with it: another where the
        first one has expired."""
        download = partial(
            self._genart.download, hosts=self._hosts, receive=self._images.receive_header
        )
        try:
            return link, await download(link)
        except PictureGone:
            fresh = await self._publisher.refresh(link)
            if fresh is None:
                raise
            return fresh, await download(fresh)


def _keep(cache: LRUCache[int, T], key: int, value: T) -> None:
    with suppress(ValueError):  # It alone is larger than the cache.
        cache[key] = value
