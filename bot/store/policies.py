"""Policies as rows: what a transaction reads of them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter

from bot.policy import Policy
from bot.store.rows import among
from bot.store.tables import guild_settings

_POLICY = TypeAdapter(Policy)
_BY_GUILD = sa.select(guild_settings.c.guild_id, guild_settings.c.policy).where(
    among(guild_settings.c.guild_id, "guilds")
)


def read_policies(connection: sa.Connection, guild_ids: Collection[int]) -> dict[int, Policy]:
    """Return what the owners of some servers chose; a server is left out where they didn't."""
    if not guild_ids:
        return {}
    rows = connection.execute(_BY_GUILD, {"guilds": list(guild_ids)})
    return {guild_id: load_policy(data) for guild_id, data in rows}


def load_policy(data: object) -> Policy:
    """Return a policy from what a row holds."""
    return _POLICY.validate_python(data)


def dump_policy(policy: Policy) -> Any:
    """Return a policy as a row holds it."""
    return _POLICY.dump_python(policy, mode="json")
