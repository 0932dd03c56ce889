"""Old rows are deleted, a few at a time."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from bot.store.tables import generations
from tests.conftest import MakeSettings
from tests.unit.ledger import BOB, U1, Ledger, Rows, opened

SECOND = timedelta(seconds=1)


async def test_nothing_is_deleted_unless_that_is_set(make_settings: MakeSettings, rows: Rows):
    async with opened(make_settings) as ledger:
        await ledger.posted()
        ledger.clock.advance(timedelta(days=10_000))
        await ledger.store.retention.purge()
        assert rows("select count(*) from generations") == [(1,)]


async def test_what_is_older_than_the_retention_is_deleted_and_nothing_that_is_live(
    make_settings: MakeSettings, rows: Rows
):
    async with opened(make_settings, retention_days=30) as ledger:
        grid = await ledger.posted()
        await ledger.requests.press(ledger.click(grid, U1))
        running = await ledger.called(BOB)
        ledger.clock.advance(timedelta(days=30))
        await ledger.store.retention.purge()
        assert rows("select count(*) from generations") == [(3,)]
        ledger.clock.advance(SECOND)
        recent = await ledger.posted(BOB)
        await ledger.store.retention.purge()
        left = {id_ for (id_,) in rows("select id from generations")}
        assert grid.id not in left
        assert {running.id, recent.id} < left
        assert rows("select count(*) from clicks") == [(0,)]


async def test_many_rows_are_deleted_in_many_small_transactions(
    make_settings: MakeSettings, rows: Rows
):
    async with opened(make_settings, retention_days=30) as ledger:
        await ledger.posted()
        await copies(ledger, 300)
        ledger.clock.advance(timedelta(days=31))
        deleted: list[int] = []

        def note(_: object, cursor: object, statement: str, *more: object) -> None:
            if statement.startswith("DELETE FROM generations"):
                deleted.append(cursor.rowcount)  # pyright: ignore

        sa.event.listen(sa.Engine, "after_cursor_execute", note)
        try:
            await ledger.store.retention.purge()
        finally:
            sa.event.remove(sa.Engine, "after_cursor_execute", note)
        assert rows("select count(*) from generations") == [(0,)]
        assert sum(deleted) == 301
        assert max(deleted) <= 50


async def copies(ledger: Ledger, number: int) -> None:
    """Copy the first generation so many times."""

    def copy(connection: sa.Connection) -> None:
        first = dict(connection.execute(sa.select(generations).limit(1)).mappings().one())
        made = [first | {"id": 100_000 + n} for n in range(number)]
        connection.execute(generations.insert(), made)

    await ledger.store.database.write(copy)
