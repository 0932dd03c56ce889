from __future__ import annotations

import asyncio
import itertools
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
import sqlalchemy.event
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from bot.domain import Click, Generation, Kind, Option, Outcome, Request, Result, State
from bot.errors import (
    DailyLimitReached,
    DatabaseUnusable,
    QueueFull,
    StoreUnavailable,
    UserQueueFull,
)
from bot.schema import metadata
from bot.store import ANSWER_TIME, DAY, LEASE, Store
from tests.conftest import MakeSettings

GUILD, CHANNEL, ANN, BOB = 10, 20, 1, 2
OPTIONS = (
    *(Option(Kind.UPSCALE, n, f"U{n}", 2, f"MJ::JOB::upsample::{n}::h") for n in range(1, 5)),
    Option(Kind.REROLL, 0, "🔄", 2, "MJ::JOB::reroll::0::h::SOLO"),
    *(Option(Kind.VARIATION, n, f"V{n}", 2, f"MJ::JOB::variation::{n}::h") for n in range(1, 5)),
)
RESULT = Result(("https://cdn.example/grid.png",), OPTIONS, "1", "h", 0, "dGFzaw==")
U2, REROLL, V3 = 1, 4, 7


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


class Ledger:
    """A store with a clock of its own and short ways to fill it."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.store = store
        self.clock = clock
        self.ids = itertools.count(1000)

    def request(self, user_id: int = ANN, prompt: str | None = None) -> Request:
        id_ = next(self.ids)
        return Request(
            id=id_,
            kind=Kind.VARY,
            user_id=user_id,
            guild_id=GUILD,
            channel_id=CHANNEL,
            token=f"token-{id_}",
            upload_limit=1_000_000,
            prompt=prompt or f"prompt {id_}",
            source_url="https://cdn.example/upload.png",
        )

    async def queued(self, user_id: int = ANN, prompt: str | None = None) -> Generation:
        generation = await self.added(self.request(user_id, prompt))
        await self.store.answered(generation.id, generation.id + 1)
        return generation

    async def added(self, request: Request) -> Generation:
        answer = await self.store.add(request)
        if answer.error:
            raise answer.error
        assert answer.generation is not None
        return answer.generation

    async def posted(self, user_id: int = ANN) -> Generation:
        generation = await self.queued(user_id)
        assert await self.store.claim_call(100)
        return await self.finish(generation)

    async def finish(self, generation: Generation) -> Generation:
        await self.store.keep_result(generation.id, RESULT)
        await self.store.posted(generation.id, generation.id + 2, "grid.png", "source.png")
        await self.store.card_done(generation.id)
        done = await self.store.get(generation.id)
        assert done is not None
        assert done.state is State.POSTED
        return done

    def click(self, generation: Generation, option: int, user_id: int = ANN) -> Click:
        label = OPTIONS[option].label if option < len(OPTIONS) else "?"
        return Click(
            id=next(self.ids),
            user_id=user_id,
            guild_id=GUILD,
            channel_id=CHANNEL,
            message_id=generation.message_id or 0,
            generation_id=generation.id,
            option=option,
            label=label,
            token="press-token",
            upload_limit=500,
            links={"grid.png": "https://fresh", "source.webp": "https://fresher"},
        )


@asynccontextmanager
async def opened(make_settings: MakeSettings, **settings: object) -> AsyncIterator[Ledger]:
    clock = Clock()
    async with Store(make_settings(**settings), clock=clock) as store:
        yield Ledger(store, clock)


@pytest.fixture
async def ledger(make_settings: MakeSettings) -> AsyncIterator[Ledger]:
    async with opened(make_settings, user_queue_limit=50) as ready:
        yield ready


@pytest.fixture
def rows(tmp_path: Path):
    def query(statement: str) -> list[tuple[object, ...]]:
        connection = sqlite3.connect(tmp_path / "vary.db")
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()

    return query


async def test_the_migrations_build_the_tables_that_the_statements_use(
    make_settings: MakeSettings, tmp_path: Path
):
    async with opened(make_settings):
        pass
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'vary.db'}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


async def test_a_generation_comes_back_as_it_was_kept(ledger: Ledger):
    generation = await ledger.posted()
    assert generation.result == RESULT
    assert generation.created_at == ledger.clock.now
    assert (generation.message_id, generation.grid_file) == (generation.id + 2, "grid.png")


async def test_the_ledger_outlives_its_process(make_settings: MakeSettings):
    async with opened(make_settings) as ledger:
        generation = await ledger.posted()
    async with opened(make_settings) as ledger:
        assert await ledger.store.get(generation.id) == generation


async def test_one_interaction_is_stored_once_though_discord_tells_of_it_twice(
    ledger: Ledger, rows
):
    request, other = ledger.request(), ledger.request(BOB)
    first = await ledger.store.add(request)
    again, another = await asyncio.gather(ledger.store.add(request), ledger.store.add(other))
    assert (again.outcome, again.generation) == (Outcome.REPEATED, first.generation)
    assert another.outcome is Outcome.ACCEPTED
    assert len(await ledger.store.line()) == 2
    click = ledger.click(await ledger.posted(3), V3)
    outcomes = [(await ledger.store.press(click)).outcome for _ in range(2)]
    assert outcomes == [Outcome.ACCEPTED, Outcome.REPEATED]
    assert rows("select count(*) from clicks") == [(1,)]


async def test_nothing_runs_before_its_asker_has_been_answered(ledger: Ledger):
    generation = await ledger.added(ledger.request())
    assert await ledger.store.claim_call(3) is None
    await ledger.store.answered(generation.id, 5)
    claimed = await ledger.store.claim_call(3)
    assert claimed is not None
    assert (claimed.id, claimed.state, claimed.card_id) == (generation.id, State.RUNNING, 5)


async def test_what_was_accepted_runs_even_if_the_answer_was_lost_in_a_crash(ledger: Ledger):
    generation = await ledger.added(ledger.request())
    ledger.clock.advance(ANSWER_TIME)
    claimed = await ledger.store.claim_call(3)
    assert claimed is not None
    assert claimed.id == generation.id


async def test_no_more_run_than_may(ledger: Ledger):
    for _ in range(4):
        await ledger.queued()
    claimed = [await ledger.store.claim_call(2) for _ in range(3)]
    assert [bool(generation) for generation in claimed] == [True, True, False]
    assert claimed[0] is not None
    await ledger.store.keep_result(claimed[0].id, RESULT)
    assert await ledger.store.claim_call(2), "a result that is being delivered holds no place"


async def test_equal_prompts_never_run_at_once(ledger: Ledger):
    first = await ledger.queued(ANN, "a cat")
    second = await ledger.queued(BOB, "a cat")
    other = await ledger.queued(BOB, "a dog")
    claimed = [await ledger.store.claim_call(9) for _ in range(3)]
    assert [g and g.id for g in claimed] == [first.id, other.id, None]
    await ledger.finish(first)
    last = await ledger.store.claim_call(9)
    assert last is not None
    assert last.id == second.id


async def test_users_take_turns_and_each_one_s_oldest_goes_first(ledger: Ledger):
    anns = [(await ledger.queued(ANN)).id for _ in range(4)]
    bobs = [(await ledger.queued(BOB)).id for _ in range(2)]
    expected = [anns[0], bobs[0], anns[1], bobs[1], anns[2], anns[3]]
    assert [g.id for g in await ledger.store.line()] == expected
    served: list[int] = []
    while claimed := await ledger.store.claim_call(1):
        served.append(claimed.id)
        ledger.clock.advance(timedelta(seconds=1))
        await ledger.finish(claimed)
    assert served == expected


async def test_a_full_queue_refuses_without_storing(make_settings: MakeSettings):
    async with opened(make_settings, queue_limit=2) as ledger:
        await ledger.queued(ANN)
        await ledger.queued(BOB)
        with pytest.raises(QueueFull) as refusal:
            await ledger.queued(3)
        assert refusal.value.limit == 2
        assert len(await ledger.store.line()) == 2


async def test_a_user_s_own_limit_counts_what_waits_and_what_runs(make_settings: MakeSettings):
    async with opened(make_settings, user_queue_limit=2) as ledger:
        await ledger.queued(ANN)
        assert await ledger.store.claim_call(1)
        await ledger.queued(ANN)
        with pytest.raises(UserQueueFull):
            await ledger.queued(ANN)
        await ledger.queued(BOB)


async def test_ten_presses_at_once_do_not_pass_a_daily_limit(make_settings: MakeSettings):
    async with opened(make_settings, daily_limit=3, user_queue_limit=50) as ledger:
        outcomes = await asyncio.gather(
            *(ledger.queued(ANN) for _ in range(10)), return_exceptions=True
        )
        refused = [o for o in outcomes if isinstance(o, DailyLimitReached)]
        assert len(refused) == 7
        assert refused[0].free_at == ledger.clock.now + DAY
        await ledger.queued(BOB)
        ledger.clock.advance(DAY)
        await ledger.queued(ANN)


@pytest.mark.parametrize("ending", [State.FAILED, State.CANCELLED, State.INTERRUPTED])
async def test_what_came_to_nothing_gives_the_allowance_back(
    make_settings: MakeSettings, ending: State
):
    async with opened(make_settings, daily_limit=1) as ledger:
        generation = await ledger.queued(ANN)
        if ending is State.CANCELLED:
            assert await ledger.store.cancel(generation.id)
        else:
            assert await ledger.store.claim_call(1)
            if ending is State.FAILED:
                await ledger.store.failed(generation.id, State.FAILED, "timeout")
            else:
                assert await ledger.store.release()
        await ledger.queued(ANN)


async def test_a_press_makes_a_generation_and_a_click(ledger: Ledger, rows):
    grid = await ledger.posted()
    pressed = await ledger.store.press(ledger.click(grid, V3, BOB))
    assert pressed.outcome is Outcome.ACCEPTED
    made = pressed.generation
    assert made is not None
    assert (made.kind, made.tile, made.parent_id, made.prompt, made.user_id) == (
        Kind.VARIATION,
        3,
        grid.id,
        grid.prompt,
        BOB,
    )
    assert made.source_url == "https://fresh"
    assert rows("select user_id, guild_id, generation_id, label, outcome from clicks") == [
        (BOB, GUILD, grid.id, "V3", "accepted")
    ]


async def test_a_press_proves_that_a_result_is_posted(ledger: Ledger):
    generation = await ledger.queued()
    assert await ledger.store.claim_call(1)
    await ledger.store.keep_result(generation.id, RESULT)
    click = replace(ledger.click(generation, REROLL), message_id=99)
    assert (await ledger.store.press(click)).outcome is Outcome.ACCEPTED
    posted = await ledger.store.get(generation.id)
    assert posted is not None
    assert (posted.state, posted.message_id) == (State.POSTED, 99)
    assert (posted.grid_file, posted.source_file) == ("grid.png", "source.webp")


async def test_a_press_on_an_unknown_generation_is_recorded_as_such(ledger: Ledger, rows):
    grid = await ledger.posted()
    lost = replace(grid, id=77)
    assert (await ledger.store.press(ledger.click(lost, U2))).outcome is Outcome.UNKNOWN
    assert (await ledger.store.press(ledger.click(grid, 9))).outcome is Outcome.UNKNOWN
    assert rows("select generation_id, outcome from clicks order by id") == [
        (77, "unknown"),
        (grid.id, "unknown"),
    ]


@pytest.mark.parametrize("place", [{"guild_id": 11}, {"channel_id": 21}, {"guild_id": None}])
async def test_a_press_in_another_place_is_refused(ledger: Ledger, rows, place: dict[str, int]):
    grid = await ledger.posted()
    pressed = await ledger.store.press(replace(ledger.click(grid, V3), **place))
    assert (pressed.outcome, pressed.generation) == (Outcome.REFUSED, None)
    assert rows("select outcome from clicks") == [("refused",)]


async def test_a_press_over_a_limit_is_refused_and_recorded(make_settings: MakeSettings, rows):
    async with opened(make_settings, user_queue_limit=1) as ledger:
        grid = await ledger.posted()
        await ledger.queued()
        pressed = await ledger.store.press(ledger.click(grid, REROLL))
        assert isinstance(pressed.error, UserQueueFull)
        upscale = await ledger.store.press(ledger.click(grid, U2))
        assert upscale.outcome is Outcome.ACCEPTED, "an upscale costs nothing"
    assert rows("select label, outcome from clicks order by id") == [
        ("🔄", "refused"),
        ("U2", "accepted"),
    ]


async def test_the_same_press_by_one_user_at_once_counts_once(ledger: Ledger):
    grid = await ledger.posted()
    pressed = await asyncio.gather(*(ledger.store.press(ledger.click(grid, V3)) for _ in range(8)))
    made = {p.generation.id for p in pressed if p.generation}
    assert sorted(p.outcome for p in pressed) == ["accepted"] + ["repeated"] * 7
    assert len(made) == 1


async def test_two_users_each_get_their_own(ledger: Ledger):
    grid = await ledger.posted()
    pressed = await asyncio.gather(
        ledger.store.press(ledger.click(grid, V3, ANN)),
        ledger.store.press(ledger.click(grid, V3, BOB)),
    )
    assert [p.outcome for p in pressed] == [Outcome.ACCEPTED, Outcome.ACCEPTED]


async def test_a_finished_upscale_is_not_made_again_for_anybody(ledger: Ledger):
    grid = await ledger.posted()
    first = (await ledger.store.press(ledger.click(grid, U2, ANN))).generation
    assert first is not None
    await ledger.store.answered(first.id, 5)
    assert await ledger.store.claim_free()
    await ledger.store.posted(first.id, 99, "tile-2.png", None)
    again = await ledger.store.press(ledger.click(grid, U2, BOB))
    assert again.outcome is Outcome.REPEATED
    assert again.generation is not None
    assert again.generation.message_id == 99
    assert await ledger.store.used_tiles(grid.id) == {2}


async def test_a_variation_can_be_asked_for_again_once_it_is_done(ledger: Ledger):
    grid = await ledger.posted()
    for _ in range(2):
        made = (await ledger.store.press(ledger.click(grid, V3))).generation
        assert made is not None
        await ledger.store.answered(made.id, None)
        assert await ledger.store.claim_call(1)
        await ledger.finish(made)


async def test_only_what_waits_can_be_cancelled(ledger: Ledger):
    generation = await ledger.queued()
    cancelled = await ledger.store.cancel(generation.id)
    assert cancelled is not None
    assert (cancelled.state, cancelled.token) == (State.CANCELLED, cancelled.token)
    assert await ledger.store.cancel(generation.id) is None
    running = await ledger.queued()
    assert await ledger.store.claim_call(1)
    assert await ledger.store.cancel(running.id) is None


async def test_trying_again_makes_one_new_generation_linked_to_the_old(ledger: Ledger):
    old = await ledger.queued()
    assert (await ledger.store.retry(1, old.id, BOB, "t", 9)).outcome is Outcome.UNKNOWN
    assert await ledger.store.claim_call(1)
    await ledger.store.failed(old.id, State.FAILED, "timeout")
    presses = await asyncio.gather(
        *(ledger.store.retry(50 + n, old.id, BOB, "t", 9) for n in range(3))
    )
    assert sorted(p.outcome for p in presses) == ["accepted", "repeated", "repeated"]
    made = {p.generation.id: p.generation for p in presses if p.generation}
    assert len(made) == 1
    (new,) = made.values()
    assert (new.retry_of, new.prompt, new.source_url, new.user_id) == (
        old.id,
        old.prompt,
        old.source_url,
        BOB,
    )


async def test_what_a_dead_worker_ran_is_interrupted_and_never_run_again(
    make_settings: MakeSettings,
):
    async with opened(make_settings, user_queue_limit=9) as ledger:
        grid = await ledger.posted()
        calling = await ledger.queued()
        answered = await ledger.queued()
        upscale = (await ledger.store.press(ledger.click(grid, U2))).generation
        assert upscale is not None
        await ledger.store.answered(upscale.id, 5)
        for _ in range(2):
            assert await ledger.store.claim_call(9)
        assert await ledger.store.claim_free()
        await ledger.store.keep_result(answered.id, RESULT)
        async with Store(make_settings(), clock=ledger.clock, worker="elsewhere/1/2") as other:
            assert (await other.take_orphans()).over == [], "its worker may be alive"
            ledger.clock.advance(LEASE + timedelta(seconds=1))
            orphans = await other.take_orphans()
            assert [g.id for g in orphans.over] == [calling.id]
            assert {g.id for g in orphans.resumed} == {answered.id, upscale.id}
            assert await other.claim_call(9) is None
            await other.posted(answered.id, 9, "grid.png", None)
        ended = [await ledger.store.get(id_) for id_ in (calling.id, answered.id)]
        assert [g and g.state for g in ended] == [State.INTERRUPTED, State.POSTED]
        await ledger.store.posted(calling.id, 9, "grid.png", None)
        late = await ledger.store.get(calling.id)
        assert late is not None
        assert late.state is State.INTERRUPTED, "a worker that lost its lease changes nothing"


async def test_a_card_that_its_worker_left_behind_is_another_s_to_put_right(ledger: Ledger):
    posted = await ledger.queued()
    failed = await ledger.queued(BOB)
    for _ in range(2):
        assert await ledger.store.claim_call(9)
    await ledger.store.keep_result(posted.id, RESULT)
    await ledger.store.posted(posted.id, 9, "grid.png", None)
    await ledger.store.failed(failed.id, State.FAILED, "timeout")
    ledger.clock.advance(LEASE + timedelta(seconds=1))
    left = (await ledger.store.take_orphans()).over
    assert {(g.id, g.state) for g in left} == {
        (posted.id, State.POSTED),
        (failed.id, State.FAILED),
    }
    for generation in left:
        await ledger.store.card_done(generation.id)
    ledger.clock.advance(LEASE + timedelta(seconds=1))
    assert (await ledger.store.take_orphans()).over == []


async def test_a_worker_that_says_that_it_lives_keeps_its_rows(make_settings: MakeSettings):
    async with opened(make_settings) as ledger:
        await ledger.queued()
        assert await ledger.store.claim_call(1)
        for _ in range(3):
            ledger.clock.advance(LEASE / 2)
            await ledger.store.renew_leases()
            orphans = await ledger.store.take_orphans()
            assert (orphans.over, orphans.resumed) == ([], [])


async def test_what_the_api_did_not_take_waits_its_time_in_line(ledger: Ledger):
    generation = await ledger.queued()
    assert await ledger.store.claim_call(1)
    await ledger.store.requeue(generation.id, ledger.clock.now + timedelta(seconds=30))
    assert await ledger.store.claim_call(1) is None
    ledger.clock.advance(timedelta(seconds=30))
    assert await ledger.store.claim_call(1)


async def test_interaction_tokens_are_kept_only_while_they_can_be_used(ledger: Ledger, rows):
    done = await ledger.posted(BOB)
    waiting = await ledger.queued()
    tokens = dict(rows("select id, token from generations"))
    assert tokens == {waiting.id: f"token-{waiting.id}", done.id: None}
    ledger.clock.advance(timedelta(minutes=15, seconds=1))
    await ledger.store.forget_tokens()
    assert set(rows("select token from generations")) == {(None,)}


async def test_the_usual_duration_is_the_median_of_recent_ones(ledger: Ledger):
    assert await ledger.store.typical_duration() is None
    for seconds in (10, 60, 20):
        generation = await ledger.queued()
        assert await ledger.store.claim_call(1)
        ledger.clock.advance(timedelta(seconds=seconds))
        await ledger.finish(generation)
    assert await ledger.store.typical_duration() == timedelta(seconds=20)


async def test_facts_are_remembered(ledger: Ledger):
    assert await ledger.store.fact("commands") is None
    await ledger.store.remember("commands", "one")
    await ledger.store.remember("commands", "two")
    assert await ledger.store.fact("commands") == "two"


async def test_a_locked_database_is_said_to_be_unavailable(ledger: Ledger, tmp_path: Path):
    other = sqlite3.connect(tmp_path / "vary.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(StoreUnavailable):
            await ledger.queued()
    finally:
        other.execute("ROLLBACK")
        other.close()
    await ledger.queued()


async def test_a_file_that_is_no_database_is_said_to_be_unusable(
    make_settings: MakeSettings, tmp_path: Path
):
    (tmp_path / "vary.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(DatabaseUnusable, match="not a database"):
        async with opened(make_settings):
            pass


@pytest.mark.parametrize("claim", ["claim_call", "claim_free"])
async def test_a_claim_costs_the_same_however_long_the_ledger_is(
    make_settings: MakeSettings, tmp_path: Path, claim: str
):
    """Every statement of a claim finds its rows by an index, never by going through the table."""
    async with opened(make_settings) as ledger:
        await ledger.posted()
        seen: list[tuple[str, object]] = []

        def note(_c: object, _cursor: object, statement: str, values: object, *_: object) -> None:
            seen.append((statement, values))

        await ledger.queued()
        engine = ledger.store._engine.sync_engine  # pyright: ignore
        sa.event.listen(engine, "before_cursor_execute", note)
        await (ledger.store.claim_call(9) if claim == "claim_call" else ledger.store.claim_free())
        sa.event.remove(engine, "before_cursor_execute", note)
    connection = sqlite3.connect(tmp_path / "vary.db")
    plans = [
        detail
        for statement, values in seen
        if "generations" in statement
        for *_, detail in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
    ]
    connection.close()
    assert any("USING" in detail and "INDEX" in detail for detail in plans)
    assert [detail for detail in plans if detail.startswith("SCAN generations")] == []
