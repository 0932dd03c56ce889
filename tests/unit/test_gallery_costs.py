"""What pages of members' pictures cost in SQLite, with many of them."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import pytest

from bot.domain import Generation
from bot.store.gallery import Selection, Wanted
from tests.conftest import MakeSettings
from tests.unit.ledger import ANN, CHANNEL, GUILD, U1, opened
from tests.unit.test_store import check_plans, statements

DATABASES = ["sqlite"]

EVERY = [Wanted(ANN, selection, GUILD, CHANNEL) for selection in Selection]


def copies(file: Path, of: Generation, count: int, **changes: object) -> None:
    """Add so many rows like a generation's, with ids of their own below it."""
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.row_factory = sqlite3.Row
        query = "select * from generations where id = ?"
        row = dict(connection.execute(query, [of.id]).fetchone()) | changes
        names = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        insert = f"insert into generations ({names}) values ({values})"  # noqa: S608
        (lowest,) = connection.execute("select min(id) from generations").fetchone()
        rows = (row | {"id": lowest - n} for n in range(1, count + 1))
        connection.executemany(insert, rows)


@pytest.mark.parametrize("wanted", EVERY, ids=[each.selection.name for each in EVERY])
async def test_pages_are_found_in_the_order_of_an_index(
    make_settings: MakeSettings, tmp_path: Path, wanted: Wanted
):
    async with opened(make_settings) as ledger:
        grid = await ledger.posted()
        with statements(ledger.store) as seen:
            await ledger.store.gallery.page(wanted, grid.id)
            await ledger.store.gallery.page_before(wanted, grid.id)
        file = tmp_path / "vary.db"
        check_plans(file, seen)
        with closing(sqlite3.connect(file)) as connection:
            for statement, values in seen:
                if "generations" not in statement:
                    continue
                plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall()
                steps = [detail for *_, detail in plan]
                assert not any("TEMP B-TREE" in step for step in steps), steps
                index = "favourites" if wanted.selection is Selection.FAVOURITES else "ix_gallery"
                assert any(index in step for step in steps), steps


async def _seconds(act: Callable[[], Awaitable[object]]) -> float:
    """Return how long the fastest of some calls took."""
    best = float("inf")
    for _ in range(15):
        began = time.perf_counter()
        await act()
        best = min(best, time.perf_counter() - began)
    return best


async def _page_times(
    make_settings: MakeSettings, file: Path, count: int, **settings: object
) -> dict[str, float]:
    """Return how long pages take among so many rows, most of which most selections pass over."""
    async with opened(make_settings, **settings) as ledger:
        grid = await ledger.posted()
        await ledger.upscale(grid, U1)
        copies(file, grid, count // 2, guild_id=11, channel_id=21)
        copies(file, grid, count // 2)
        oldest, newest = grid.id - count, grid.id
        times: dict[str, float] = {}
        for wanted in EVERY:
            gallery = ledger.store.gallery
            for name, act in (
                ("first", lambda: gallery.page(wanted)),  # noqa: B023
                ("middle", lambda: gallery.page(wanted, (oldest + newest) // 2)),  # noqa: B023
                ("last", lambda: gallery.page(wanted, oldest + 1)),  # noqa: B023
                ("before", lambda: gallery.page_before(wanted, oldest)),  # noqa: B023
            ):
                times[f"{wanted.selection.name} {name}"] = await _seconds(act)
        return times


async def test_paging_costs_the_same_with_fifty_thousand_rows(
    make_settings: MakeSettings, tmp_path: Path
):
    few = await _page_times(make_settings, tmp_path / "vary.db", 500)
    more = f"sqlite:///{tmp_path / 'more.db'}"
    many = await _page_times(make_settings, tmp_path / "more.db", 50_000, database_url=more)
    ratios = {name: round(many[name] / few[name], 2) for name in few}
    print(ratios)
    # A page read row by row would take a hundred times as long; a busy machine doubles a time.
    assert max(ratios.values()) < 8, ratios
    assert max(many.values()) < 1.0, many
