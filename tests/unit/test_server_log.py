"""Servers' logs and showcases: what is kept for a worker to post, and that it is posted once."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from bot.domain import Generation, LogBatch, LogEvent, ShowcaseState
from bot.store.rows import g, mark_deleted
from bot.store.server_log import KEPT, LEASE, LINES
from bot.store.showcase import RECENT
from bot.text import settings as words
from tests.unit.ledger import ANN, BOB, GUILD, U1, Ledger, Rows

ELSEWHERE, LOG, SHOW, MODERATOR = 77, 500, 600, 40


async def choose(ledger: Ledger, guild_id: int = GUILD, **values: Any) -> None:
    """Choose settings for a server."""
    await ledger.store.guild_settings.change(
        ledger.asker(guild_id=guild_id), "log", lambda policy: replace(policy, **values)
    )


async def delete(ledger: Ledger, generation: Generation) -> None:
    """Delete a result as 🗑 does."""

    def write(connection: sa.Connection) -> None:
        mark_deleted(connection, ledger.clock.now, g.id == generation.id, by=MODERATOR)

    await ledger.store.database.write(write)


async def claim(ledger: Ledger) -> LogBatch:
    (batch,) = await ledger.store.server_log.claim()
    return batch


async def test_each_generation_deletion_and_change_is_one_line(ledger: Ledger):
    log = ledger.store.server_log
    await ledger.posted()
    assert await log.claim() == []
    await choose(ledger, log_channel=LOG)
    grid = await ledger.posted()
    await ledger.upscale(grid, U1)
    await ledger.failed(BOB)
    await delete(ledger, grid)
    batch = await claim(ledger)
    assert (batch.guild_id, batch.channel_id) == (GUILD, LOG)
    assert [(line.event, line.detail) for line in batch.lines] == [
        (LogEvent.SETTINGS, "log"),
        (LogEvent.GENERATION, "posted"),
        (LogEvent.GENERATION, "posted"),
        (LogEvent.GENERATION, "failed"),
        (LogEvent.DELETION, "posted"),
    ]
    assert [line.user_id for line in batch.lines] == [ANN, ANN, ANN, BOB, MODERATOR]
    assert batch.lines[1].generation is not None
    await log.done(batch)
    assert await log.claim() == []


async def test_a_server_without_a_log_keeps_no_lines(ledger: Ledger, rows: Rows):
    await choose(ledger, ELSEWHERE, log_channel=LOG)
    await ledger.posted()
    await choose(ledger, member_daily=5)
    await ledger.posted()
    assert rows("select guild_id, event from log_lines") == [(ELSEWHERE, "settings")]


async def test_a_batch_that_was_not_posted_is_claimed_again_as_it_was(ledger: Ledger):
    log = ledger.store.server_log
    await choose(ledger, log_channel=LOG)
    await ledger.posted()
    first = await claim(ledger)
    await ledger.posted()
    assert await log.claim() == [], "the lines keep their order"
    ledger.clock.advance(LEASE)
    again = await claim(ledger)
    assert again == first
    await log.postpone(again, timedelta(minutes=5))
    assert await log.claim() == []
    ledger.clock.advance(timedelta(minutes=5))
    assert await claim(ledger) == first
    await log.done(first)
    assert len((await claim(ledger)).lines) == 1


async def test_a_burst_costs_few_batches_and_servers_do_not_wait_for_each_other(ledger: Ledger):
    log = ledger.store.server_log
    for guild_id in (GUILD, ELSEWHERE):
        await choose(ledger, guild_id, log_channel=LOG)
    for _ in range(LINES + 4):
        await choose(ledger, paused=True)
    batches = await log.claim()
    assert sorted((batch.guild_id, len(batch.lines)) for batch in batches) == [
        (GUILD, LINES),
        (ELSEWHERE, 1),
    ]
    for batch in batches:
        await log.done(batch)
    assert len((await claim(ledger)).lines) == 5


async def test_lines_end_with_their_log_and_after_a_day(ledger: Ledger, rows: Rows):
    log = ledger.store.server_log
    await choose(ledger, log_channel=LOG)
    await choose(ledger, log_channel=None)
    await log.claim()
    assert rows("select * from log_lines") == []
    await choose(ledger, log_channel=LOG)
    ledger.clock.advance(KEPT + timedelta(seconds=1))
    assert await log.claim() == []


# Showcases.


async def star(ledger: Ledger, generation: Generation, *users: int) -> None:
    for user in users:
        await ledger.store.favourites.toggle(ledger.click(generation, -1, user))


async def test_a_result_is_shown_once_when_it_has_enough_stars(ledger: Ledger, rows: Rows):
    showcase = ledger.store.showcase
    grid, other = await ledger.posted(), await ledger.posted()
    await star(ledger, grid, 1, 2, 3)
    assert await showcase.claim() == []
    await choose(ledger, showcase_channel=SHOW, showcase_stars=3)
    await star(ledger, other, 1, 2)
    (showing,) = await showcase.claim()
    assert (showing.generation_id, showing.channel_id, showing.message_id) == (grid.id, SHOW, None)
    assert showing.generation == await ledger.get(grid)
    assert await showcase.claim() == [], "it is claimed"
    ledger.clock.advance(LEASE)
    assert [s.generation_id for s in await showcase.claim()] == [grid.id], "its worker died"
    await showcase.done(showing, 999)
    await star(ledger, grid, 4)
    await star(ledger, grid, 4)
    ledger.clock.advance(LEASE)
    assert await showcase.claim() == []
    await delete(ledger, grid)
    (gone,) = await showcase.claim()
    assert (gone.generation_id, gone.message_id) == (grid.id, 999)
    await showcase.done(gone, None)
    ledger.clock.advance(LEASE)
    assert await showcase.claim() == []
    assert rows("select state from showcase_posts") == [(ShowcaseState.GONE,)]


async def test_what_is_deleted_while_it_is_posted_is_taken_away(ledger: Ledger):
    showcase = ledger.store.showcase
    await choose(ledger, showcase_channel=SHOW, showcase_stars=1)
    grid = await ledger.posted()
    await star(ledger, grid, 1)
    (showing,) = await showcase.claim()
    await delete(ledger, grid)
    await showcase.done(showing, 999)
    (gone,) = await showcase.claim()
    assert gone.message_id == 999


async def test_what_has_no_new_star_is_not_looked_at(ledger: Ledger):
    grid = await ledger.posted()
    await star(ledger, grid, 1, 2)
    ledger.clock.advance(RECENT + timedelta(seconds=1))
    await choose(ledger, showcase_channel=SHOW, showcase_stars=3)
    assert await ledger.store.showcase.claim() == []
    await star(ledger, grid, 3)
    assert len(await ledger.store.showcase.claim()) == 1


async def test_what_is_private_is_neither_shown_nor_quoted(ledger: Ledger):
    await choose(ledger, log_channel=LOG, showcase_channel=SHOW, showcase_stars=1)
    new = replace(ledger.new(prompt="a secret"), private=True)
    made = await ledger.answered(await ledger.requests.enqueue(new))
    assert await ledger.call() == made.id
    assert await ledger.queue.start_call(made.id, 100)
    grid = await ledger.finish(made)
    await star(ledger, grid, ANN)
    assert await ledger.store.showcase.claim() == []
    told = [words.log_line(line) for line in (await claim(ledger)).lines]
    assert len(told) == 2
    assert [line for line in told if "secret" in line] == []
