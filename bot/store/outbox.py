"""What is to be told in servers' logs and showcases, written where it happens."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bot.domain import LogEvent, ShowcaseState, State
from bot.store.tables import generations, guild_settings, log_lines, showcase_posts

_g, _s = generations.c, guild_settings.c
_ENDED = (
    State.POSTED, State.FAILED, State.CANCELLED, State.INTERRUPTED, State.UNDELIVERED,
)  # fmt: skip
_LOGGED = _s.log_channel_id.is_not(None)


def _insert(
    event: LogEvent, user_id: sa.ColumnElement[Any], *which: sa.ColumnElement[bool]
) -> sa.Insert:
    """Return what adds a line for each of some generations whose server has a log."""
    at = sa.func.coalesce(_g.finished_at, _g.created_at)
    detail = sa.cast(_g.state, sa.Text)
    about = sa.select(_g.guild_id, sa.literal(event.value), user_id, _g.id, detail, at)
    found = about.join(guild_settings, _s.guild_id == _g.guild_id).where(
        _g.id.in_(sa.bindparam("ids", expanding=True)), _LOGGED, *which
    )
    names = ["guild_id", "event", "user_id", "generation_id", "detail", "created_at"]
    return log_lines.insert().from_select(names, found)


_INSERT_ENDS = _insert(LogEvent.GENERATION, _g.user_id, _g.state.in_(_ENDED))
_INSERT_DELETIONS = _insert(LogEvent.DELETION, sa.bindparam("by", type_=sa.BigInteger))

_END_SHOWS = (
    showcase_posts.update()
    .where(showcase_posts.c.generation_id.in_(sa.bindparam("ids", expanding=True)))
    .where(showcase_posts.c.state != ShowcaseState.GONE)
    .values(state=ShowcaseState.OUTDATED)
)


def note_ends(connection: sa.Connection, generation_ids: Collection[int]) -> None:
    """Add a line for each of some generations that is over."""
    if generation_ids:
        connection.execute(_INSERT_ENDS, {"ids": list(generation_ids)})


def note_deletions(
    connection: sa.Connection, generation_ids: Collection[int], by: int | None
) -> None:
    """Add a line for each of some results that somebody deleted (``None``: nobody knows who); no
    showcase keeps them."""
    if generation_ids:
        connection.execute(_INSERT_DELETIONS, {"ids": list(generation_ids), "by": by})
        end_shows(connection, generation_ids)


def end_shows(connection: sa.Connection, generation_ids: Collection[int]) -> None:
    """Have some results taken away from showcases."""
    connection.execute(_END_SHOWS, {"ids": list(generation_ids)})


def note_change(
    connection: sa.Connection, guild_id: int, user_id: int, name: str, at: datetime
) -> None:
    """Add a line for a change of a server's settings; ``name`` says which."""
    row = {"guild_id": guild_id, "event": LogEvent.SETTINGS, "user_id": user_id}
    connection.execute(log_lines.insert().values(**row, detail=name, created_at=at))
