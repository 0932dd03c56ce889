"""Whatever becomes of the database: who presses is told, the log has the cause, nothing is half
written, and the process recovers or ends with a clear message."""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3

import pytest

from tests.e2e.conftest import LABELS, World, generation_of, labels

TRY_LATER = "Try again later"


async def test_a_locked_database_is_answered_in_time_and_recovers(world: World):
    grid = await world.grid()
    lock = sqlite3.connect(world.database, isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    try:
        asked = [await world.vary()]
        asked += await asyncio.gather(*(world.press(grid, label) for label in LABELS))
        assert [a.ephemeral for a in asked] == [True] * (1 + len(LABELS))
        assert all(TRY_LATER in world.discord.text_of(a.message) for a in asked)
        assert max(a.latency or 9 for a in asked) < 3
        assert "database is locked" in world.bot.log
    finally:
        lock.execute("ROLLBACK")
        lock.close()
    assert world.clicks(generation_of(grid)) == []
    assert labels(await world.result(await world.press(grid, "V1"))) == LABELS


async def test_a_database_locked_while_work_runs_loses_no_result(world: World):
    world.genart.delay = 0.5
    asked = await world.vary()
    await world.genart.signal.until(lambda: world.genart.calls, 5)
    lock = sqlite3.connect(world.database, isolation_level=None)
    lock.execute("BEGIN IMMEDIATE")
    await asyncio.sleep(3)
    lock.execute("ROLLBACK")
    lock.close()
    await world.result(asked)
    await world.becomes(asked, "posted")
    assert len(world.genart.calls) == 1


async def test_a_full_disk_is_answered_and_recovers(world: World):
    grid = await world.grid()
    await world.settled()
    _, most = resource.prlimit(world.bot.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(world.bot.pid, resource.RLIMIT_FSIZE, (0, most))
    refused = [await world.vary(), await world.press(grid, "V2")]
    assert [TRY_LATER in world.discord.text_of(r.message) for r in refused] == [True, True]
    resource.prlimit(world.bot.pid, resource.RLIMIT_FSIZE, (most, most))
    assert [world.state(r) for r in refused] == [None, None]
    assert labels(await world.result(await world.press(grid, "V2"))) == LABELS


@pytest.mark.parametrize("how", ["deleted", "replaced"])
async def test_a_file_that_goes_ends_the_process_rather_than_losing_what_follows(make, how: str):
    async with make(SHUTDOWN_GRACE="1") as world:
        grid = await world.grid()
        world.database.rename(world.database.with_suffix(".moved"))
        if how == "replaced":
            sqlite3.connect(world.database).close()
            world.database.touch()
        pressed = await world.press(grid, "U1")
        assert TRY_LATER in world.discord.text_of(pressed.message)
        assert await world.bot.wait() == os.EX_IOERR
        assert "deleted or replaced" in world.bot.log
        assert "Traceback" not in world.bot.log


async def test_a_database_that_breaks_is_answered_and_logged(make):
    async with make(SHUTDOWN_GRACE="1") as world:
        grid = await world.grid()
        await world.settled()
        world.sql("PRAGMA wal_checkpoint(TRUNCATE)")
        with world.database.open("r+b") as file:
            file.seek(100)
            file.write(os.urandom(world.database.stat().st_size - 100))
        pressed = await world.press(grid, "V1")
        assert TRY_LATER in world.discord.text_of(pressed.message)
        assert "malformed" in world.bot.log or "not a database" in world.bot.log
        await world.bot.stop()
        await world.bot.launch()
        assert await world.bot.wait() == os.EX_IOERR
        assert "The database can't be used" in world.bot.log


async def test_a_database_that_cannot_be_written_at_start_ends_it_with_a_sentence(make):
    async with make() as world:
        await world.bot.stop()
        world.bot.settings["DATABASE_URL"] = f"sqlite:///{world.database.parent}/none/vary.db"
        await world.bot.launch()
        assert await world.bot.wait() == os.EX_IOERR
        assert "unable to open database file" in world.bot.log
        assert "Traceback" not in world.bot.log
