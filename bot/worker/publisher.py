"""Where results go: what a worker asks of Discord, which it doesn't know."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from bot.domain import (
    AccountInfo,
    Delivered,
    Generation,
    HostedTile,
    Kind,
    LogBatch,
    Picture,
    Progress,
    Showing,
)


class Publisher(Protocol):
    """Its methods raise :class:`bot.errors.DeliveryFailed` and no error of a library's. Those
    about cards of work that is over return true where no further edit is needed."""

    async def show_progress(self, generation: Generation, progress: Progress) -> None:
        """Show on the card how far the work is, if that is possible.

        Raises:
            DiscordUnavailable
        """
        ...

    async def show_end(
        self,
        generation: Generation,
        detail: str | None = None,
        *,
        retried: Generation | None = None,
    ) -> bool:
        """Show on the card what became of a generation that has no result to post; ``detail`` is
        what the API says of it, ``retried`` what came of trying again. Who has waited for long is
        told by a reply as well."""
        ...

    async def remove_card(self, generation: Generation) -> bool:
        """Take the card away, unless it became the result."""
        ...

    async def mark_used(self, grid: Generation, used: Collection[tuple[Kind, int]]) -> bool:
        """Turn the buttons of what was made from a grid blue: kinds, each with its tile or 0.

        Raises:
            MessageGone
        """
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
            MessageGone: the message was deleted.
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
        self,
        generation: Generation,
        grid: Picture,
        source: Picture | None,
        parent: Generation | None,
    ) -> Delivered:
        """Post a grid with its source and its buttons, in reply to the ``parent`` it came from.

        Raises:
            DeliveryFailed, UploadRefused, DiscordUnavailable
        """
        ...

    async def post_descriptions(self, generation: Generation, source: Picture | None) -> Delivered:
        """Post the descriptions of a picture, with the picture and their buttons.

        Raises:
            DeliveryFailed, UploadRefused, DiscordUnavailable
        """
        ...

    async def post_tile(
        self,
        generation: Generation,
        parent: Generation,
        tiles: Sequence[Picture],
        source: Picture | None,
    ) -> Delivered:
        """Post a tile on its own, or all four, with the source of their grid, in reply to it.

        Raises:
            DeliveryFailed, UploadRefused, DiscordUnavailable
        """
        ...

    async def remove_message(self, guild_id: int | None, channel_id: int, message_id: int) -> None:
        """Delete a message of the bot's, if it is there and that is possible.

        Raises:
            DiscordUnavailable
        """
        ...

    async def warn_of_fast_time(self, info: AccountInfo) -> None:
        """Tell whoever runs the bot that little fast time is left; raises nothing."""
        ...

    async def warn_of_refused_key(self) -> None:
        """Tell whoever runs the bot; raises nothing."""
        ...

    async def post_log(self, batch: LogBatch) -> None:
        """Post lines of a server's log as one message; the same batch twice is one message.

        Raises:
            DeliveryFailed, DiscordUnavailable
        """
        ...

    async def show(self, generation: Generation, channel_id: int) -> int:
        """Show a posted result in a showcase: forwarded, or else a copy; return the message's id.

        Raises:
            DeliveryFailed, DiscordUnavailable
        """
        ...

    async def unshow(self, showing: Showing) -> None:
        """Delete the message that shows a result in a showcase.

        Raises:
            DeliveryFailed, DiscordUnavailable
        """
        ...
