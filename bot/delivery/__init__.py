"""Delivers over Discord's REST API alone: a login is needed, but no gateway."""

from bot.delivery.publisher import DiscordPublisher

__all__ = ["DiscordPublisher"]
