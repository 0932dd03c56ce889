"""Where results go: what a worker asks of Discord, which it doesn't know."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from bot.domain import Delivered, Generation, HostedTile, Picture, Progress
from bot.errors import VaryError


class Publisher(Protocol):
    """Its methods raise :class:`bot.errors.DeliveryFailed` and no error of a library's. Those
    about cards of work that is over return whether there is nothing left to do."""

    async def show_progress(self, generation: Generation, progress: Progress) -> None:
        """Show on the card how far the work is, if that is possible.

        Raises:
            DiscordUnavailable
        """
        ...

    async def show_end(self, generation: Generation, detail: str | None = None) -> bool:
        """Show on the card what became of a generation that has no result to post; ``detail`` is
        what the API says of it."""
        ...

    async def remove_card(self, generation: Generation) -> bool:
        """Take the card away, unless it became the result."""
        ...

    async def mark_used(self, grid: Generation, used: Collection[int]) -> bool:
        """Turn the buttons of the tiles ``used`` blue."""
        ...

    async def host_tile(self, generation: Generation, tile: Picture) -> HostedTile:
        """Attach a tile to the card, or to a new one, for the API to fetch.

        Raises:
            CardUnavailable, DiscordUnavailable, UploadRefused
        """
        ...

    async def link(self, posted: Generation, file: str) -> str | None:
        """Return a fresh link of an attachment of a posted result; ``None`` if it isn't there.

        Raises:
            DiscordUnavailable
        """
        ...

    async def refresh(self, link: str) -> str | None:
        """Return a fresh link for an attachment's that Discord doesn't take any more, if it signs
        one; raises nothing."""
        ...

    async def find_card(self, generation: Generation) -> int | None:
        """Find the answer to the interaction, if there is one.

        Raises:
            DiscordUnavailable: can't be told now.
        """
        ...

    async def find_result(self, generation: Generation) -> Delivered | None:
        """Find the result among the channel's messages, if it has been posted already.

        Raises:
            DiscordUnavailable: can't be told now.
            HistoryUnreadable: can't be told at all.
        """
        ...

    async def post_grid(
        self, generation: Generation, grid: Picture, source: Picture | None
    ) -> Delivered:
        """Post a grid with its source and its buttons.

        Raises:
            DeliveryFailed, UploadRefused, DiscordUnavailable
        """
        ...

    async def post_tile(
        self, generation: Generation, parent: Generation, tile: Picture
    ) -> Delivered:
        """Post a tile on its own, in reply to its grid.

        Raises:
            DeliveryFailed, UploadRefused, DiscordUnavailable
        """
        ...

    async def alert_operator(self, error: VaryError) -> None:
        """Tell whoever runs the bot; raises nothing."""
        ...
