"""What a worker does with the queue: claim, call, heartbeat, take over, finish, forget."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain import TOKEN_LIFETIME, Delivered, ErrorCode, Generation, Kind, NewGeneration, State
from bot.errors import NothingToRetry
from bot.store import Store
from bot.store.claiming import LONGEST_DELAY, PREPARE_TIME
from bot.store.workers import LEASE
from tests.conftest import MakeSettings
from tests.unit.ledger import (
    ANN,
    BOB,
    CHANNEL,
    ELSEWHERE,
    RESULT,
    U1,
    U2,
    V3,
    Clock,
    Ledger,
    Rows,
    other_worker,
)

SECOND = timedelta(seconds=1)


async def paid(ledger: Ledger, user_id: int = ANN) -> Generation:
    """Return a generation that runs and whose result is kept, but not posted."""
    generation = await ledger.called(user_id)
    assert await ledger.queue.keep_result(generation.id, RESULT)
    return await ledger.get(generation)


async def undelivered_again(ledger: Ledger, user_id: int) -> Generation:
    """Return a result that is queued to be delivered."""
    generation = await paid(ledger, user_id)
    assert await ledger.queue.requeue(generation.id, ledger.clock.now, attempts=1)
    return generation


# What is claimed, and in which order.


async def test_what_is_prepared_gets_the_next_place_before_what_comes_later(ledger: Ledger):
    first, prepared = await ledger.called(), await ledger.running(BOB)
    ledger.clock.advance(PREPARE_TIME * 3)
    assert not await ledger.queue.start_call(prepared.id, 1), "there is no place"
    await ledger.queued(BOB)
    await ledger.finish(first)
    assert (await ledger.queue.look(1)).calls == 0
    assert await ledger.call(1) is None
    assert await ledger.call(2), "its channel isn't taken for slow"
    assert await ledger.queue.start_call(prepared.id, 1)


async def test_a_claim_by_a_clock_that_is_ahead_takes_a_place(
    make_settings: MakeSettings, ledger: Ledger
):
    await ledger.queued()
    await ledger.queued(BOB)
    ahead = Clock()
    ahead.advance(SECOND)
    async with Store(make_settings(), clock=ahead, worker=ELSEWHERE) as other:
        assert await other.queue.claim_call(1, equal_prompts=True)
        assert await ledger.call(1) is None


async def test_a_look_tells_what_there_is_to_claim(ledger: Ledger):
    grid = await ledger.posted()
    assert await ledger.queue.look(3) == (False, 0, False)
    await ledger.queued()
    assert await ledger.queue.look(3) == (False, 3, False)
    await ledger.answered(await ledger.requests.press(ledger.click(grid, U2)))
    assert await ledger.queue.look(3) == (False, 3, True)
    await ledger.store.account.pause(True)
    assert (await ledger.queue.look(3)).paused


async def test_a_look_tells_how_many_places_are_free(ledger: Ledger):
    await ledger.called()
    await ledger.called(BOB)
    await ledger.queued()
    assert (await ledger.queue.look(3)).calls == 1
    assert (await ledger.queue.look(2)).calls == 0
    assert (await ledger.queue.look(0)).calls <= 0, "the breaker has taken places away"


async def test_what_is_owned_is_told_as_it_is_by_now(ledger: Ledger):
    generation = await ledger.called()
    click = ledger.click(generation, U1)
    await ledger.requests.discard(click)
    kept = await ledger.queue.keep_result(generation.id, RESULT)
    assert kept is not None
    assert kept.discarded
    owned = await ledger.queue.owned(generation.id)
    assert owned == await ledger.get(generation)


async def test_a_generation_comes_back_as_it_was_kept(ledger: Ledger):
    generation = await ledger.posted()
    assert generation.result == RESULT
    assert generation.created_at == ledger.clock.now
    assert (generation.message_id, generation.grid_file) == (generation.id + 2, "grid.png")
    assert await ledger.queue.get(77) is None


async def test_no_more_run_than_may(ledger: Ledger):
    for _ in range(4):
        await ledger.queued()
    claimed = [await ledger.call(2) for _ in range(3)]
    assert [id_ is not None for id_ in claimed] == [True, True, False]
    assert await ledger.queue.keep_result(claimed[0] or 0, RESULT)
    assert await ledger.call(2), "a result that is being delivered holds no place"


async def test_nothing_is_called_while_no_call_may_be_made(ledger: Ledger):
    await ledger.queued()
    assert await ledger.call(0) is None


async def test_equal_prompts_never_run_at_once(ledger: Ledger):
    first = await ledger.queued(ANN, "a cat")
    second = await ledger.queued(BOB, "a cat")
    other = await ledger.queued(BOB, "a dog")
    assert [await ledger.call() for _ in range(3)] == [first.id, other.id, None]
    await ledger.finish(first)
    assert await ledger.call() == second.id


async def test_equal_prompts_run_at_once_where_the_api_tells_them_apart(ledger: Ledger):
    for user_id in (ANN, BOB):
        await ledger.queued(user_id, "a cat")
        assert await ledger.queue.claim_call(9, equal_prompts=True)


async def test_what_waits_for_an_equal_prompt_is_known(ledger: Ledger):
    first = await ledger.queued(ANN, "the same")
    second = await ledger.queued(BOB, "the same")
    await ledger.queued(BOB, "another")
    assert await ledger.queue.held_up() == set()
    assert await ledger.call() == first.id
    assert await ledger.queue.held_up() == {second.id}
    await ledger.queue.keep_result(first.id, RESULT)
    assert await ledger.queue.held_up() == set()


async def test_users_take_turns_and_each_one_s_oldest_goes_first(ledger: Ledger):
    anns = [(await ledger.queued(ANN)).id for _ in range(4)]
    bobs = [(await ledger.queued(BOB)).id for _ in range(2)]
    expected = [anns[0], bobs[0], anns[1], bobs[1], anns[2], anns[3]]
    assert [g.id for g in await ledger.queue.waiting()] == expected
    served: list[int] = []
    while (id_ := await ledger.call(1)) is not None:
        served.append(id_)
        ledger.clock.advance(SECOND)
        claimed = await ledger.queue.get(id_)
        assert claimed is not None
        await ledger.finish(claimed)
    assert served == expected


async def test_who_was_served_least_recently_comes_first(ledger: Ledger):
    for user_id in (ANN, BOB):
        await ledger.posted(user_id)
        ledger.clock.advance(SECOND)
    for user_id in (BOB, ANN, 3):
        await ledger.queued(user_id)
    assert [g.user_id for g in await ledger.queue.waiting()] == [3, ANN, BOB]


async def test_users_take_turns_for_work_without_a_call(ledger: Ledger):
    grids = [await ledger.posted() for _ in range(3)]
    tiles = [
        await ledger.answered(await ledger.requests.press(ledger.click(grid, option, ANN)))
        for grid in grids
        for option in (U1, U2)
    ]
    bobs = await ledger.answered(await ledger.requests.press(ledger.click(grids[0], 2, BOB)))
    third = await undelivered_again(ledger, 3)
    assert await ledger.others(3) == sorted([tiles[0].id, bobs.id, third.id])
    ledger.clock.advance(SECOND)
    late = await ledger.answered(await ledger.requests.press(ledger.click(grids[0], 3, 4)))
    assert await ledger.others(2) == sorted([tiles[1].id, late.id])


async def test_what_belongs_to_a_busy_channel_is_passed_over(ledger: Ledger):
    grid = await ledger.posted()
    here = await ledger.answered(await ledger.requests.press(ledger.click(grid, U1)))
    assert await ledger.queue.claim_others([grid.channel_id], 9) == []
    assert [g.id for g in await ledger.queue.claim_others([77], 9)] == [here.id]


async def test_a_tile_is_no_call_and_a_call_no_tile(ledger: Ledger):
    grid = await ledger.posted()
    tile = await ledger.answered(await ledger.requests.press(ledger.click(grid, U2)))
    variation = await ledger.answered(await ledger.requests.press(ledger.click(grid, V3)))
    assert [g.id for g in await ledger.queue.waiting()] == [variation.id]
    assert await ledger.others() == [tile.id]
    assert await ledger.others() == []
    assert await ledger.call() == variation.id


async def test_two_workers_never_claim_the_same(make_settings: MakeSettings, ledger: Ledger):
    ids = {(await ledger.queued(user)).id for user in range(6)}
    async with other_worker(make_settings, ledger) as other:
        claimed = await asyncio.gather(*(w.call() for w in (ledger, other) * 3))
    assert set(claimed) == ids


# Places at the API.


async def test_a_preparation_that_hangs_frees_its_place_at_the_api(ledger: Ledger):
    stuck, next_there = await ledger.queued(ANN), await ledger.queued(3)
    quick = await ledger.queued(BOB, channel_id=CHANNEL + 1)
    assert await ledger.call(1) == stuck.id
    assert await ledger.call(1) is None
    ledger.clock.advance(PREPARE_TIME)
    assert await ledger.call(1) == quick.id, "its channel may be in trouble"
    assert await ledger.queue.start_call(quick.id, 1)
    assert not await ledger.queue.start_call(stuck.id, 1), "its place was given away"
    ledger.clock.advance(PREPARE_TIME * 10)
    assert await ledger.call(1) is None, "a call holds its place as long as it takes"
    await ledger.finish(quick)
    assert await ledger.queue.start_call(stuck.id, 1)
    await ledger.finish(stuck)
    assert await ledger.call(1) == next_there.id


async def test_a_clock_that_is_set_back_holds_up_nothing(ledger: Ledger):
    later, preparing = await ledger.called(), await ledger.running(BOB)
    due = ledger.clock.now + LONGEST_DELAY
    assert await ledger.queue.requeue(later.id, due, attempts=1)
    ledger.clock.advance(-timedelta(hours=1))
    assert await ledger.call(1) == later.id, "nothing waits for the hour to pass"
    assert await ledger.queue.start_call(preparing.id, 1)


async def test_calls_of_all_workers_together_honour_the_concurrency(
    make_settings: MakeSettings, ledger: Ledger
):
    async with other_worker(make_settings, ledger) as other:
        mine, theirs = await ledger.running(ANN), await other.running(BOB)
        started = await asyncio.gather(
            ledger.queue.start_call(mine.id, 1), other.queue.start_call(theirs.id, 1)
        )
        assert sorted(started) == [False, True]
    called = [(await ledger.get(g)).called_at for g in (mine, theirs)]
    assert called.count(ledger.clock.now) == 1
    assert called.count(None) == 1


async def test_a_call_that_was_begun_unnoticed_can_be_begun_again(ledger: Ledger):
    """The database committed it, but the connection broke before it could say so."""
    generation = await ledger.running()
    assert await ledger.queue.start_call(generation.id, 1)
    assert await ledger.queue.start_call(generation.id, 1)


async def test_what_was_claimed_unnoticed_is_given_back(ledger: Ledger):
    known, lost = await ledger.called(), await ledger.running(BOB)
    await ledger.queue.give_back([known.id])
    assert await ledger.states(known, lost) == [State.RUNNING, State.QUEUED]
    assert await ledger.call() == lost.id


async def test_what_another_worker_owns_is_not_called(make_settings: MakeSettings, ledger: Ledger):
    generation = await ledger.running()
    async with other_worker(make_settings, ledger) as other:
        assert not await other.queue.start_call(generation.id, 9)
    assert (await ledger.get(generation)).called_at is None


async def test_what_the_api_did_not_take_waits_its_time_in_the_queue(ledger: Ledger):
    generation = await ledger.called()
    later = ledger.clock.now + 30 * SECOND
    assert await ledger.queue.requeue(generation.id, later, attempts=0)
    assert await ledger.call(1) is None
    ledger.clock.advance(30 * SECOND)
    assert await ledger.call(1) == generation.id
    assert (await ledger.get(generation)).called_at is None


async def test_what_is_put_off_twice_by_one_failure_keeps_what_began_since(ledger: Ledger):
    """The database may commit without saying so: the worker's next try must change nothing."""
    generation = await ledger.called()
    later = ledger.clock.now + SECOND
    assert await ledger.queue.requeue(generation.id, later, attempts=1)
    ledger.clock.advance(SECOND)
    assert await ledger.call(1) == generation.id
    assert await ledger.queue.start_call(generation.id, 1)
    assert not await ledger.queue.requeue(generation.id, later, attempts=1)
    again = await ledger.get(generation)
    assert again.state is State.RUNNING
    assert again.called_at is not None


async def test_what_is_paid_for_keeps_the_time_of_its_call_while_it_waits(ledger: Ledger):
    generation = await paid(ledger)
    at = ledger.clock.now
    assert await ledger.queue.postponed() == []
    ledger.clock.advance(SECOND)
    later = ledger.clock.now + 30 * SECOND
    assert await ledger.queue.requeue(generation.id, later, attempts=3)
    assert [(g.id, g.attempts) for g in await ledger.queue.postponed()] == [(generation.id, 3)]
    assert await ledger.others() == []
    ledger.clock.advance(30 * SECOND)
    assert await ledger.others() == [generation.id]
    again = await ledger.get(generation)
    assert (again.called_at, again.started_at) == (at, at)


# What is owned.


async def test_only_what_was_asked_of_the_api_is_interrupted_when_its_worker_dies(
    make_settings: MakeSettings, ledger: Ledger
):
    grid = await ledger.posted()
    calling = await ledger.called()
    prepared = await ledger.running()
    answered = await paid(ledger)
    tile = await ledger.answered(await ledger.requests.press(ledger.click(grid, U2)))
    assert await ledger.others() == [tile.id]
    running = (calling, prepared, answered, tile)
    async with other_worker(make_settings, ledger) as other:
        assert not await other.queue.take_over(), "its worker may be alive"
        assert await other.states(*running) == [State.RUNNING] * 4
        ledger.clock.advance(LEASE + SECOND)
        assert await other.queue.take_over()
        assert await other.states(*running) == [State.INTERRUPTED, *[State.QUEUED] * 3]
        assert not await other.queue.take_over()
        assert [g.id for g in await other.queue.cards_due()] == [calling.id]
        assert await other.call() == prepared.id
        assert await other.call() is None, "what may be charged for is never run again by itself"
        assert await other.others() == sorted([answered.id, tile.id])
        assert (await other.get(answered)).attempts == 1, "it may have been posted already"
        assert await other.queue.posted(answered.id, Delivered(9, "grid.png"))
    assert not await ledger.queue.posted(calling.id, Delivered(9, "grid.png"))
    assert not await ledger.queue.failed(tile.id, State.FAILED, ErrorCode.TIMEOUT)
    assert not await ledger.queue.requeue(prepared.id, ledger.clock.now, attempts=1)
    ends = [State.INTERRUPTED, State.RUNNING, State.POSTED, State.RUNNING]
    assert await ledger.states(*running) == ends, "a worker that lost its lease changes nothing"


async def test_a_worker_knows_that_it_owns_nothing_any_more_after_a_takeover(
    make_settings: MakeSettings, ledger: Ledger
):
    generation = await paid(ledger)
    assert await ledger.queue.owned(generation.id)
    assert not await ledger.queue.owned(77)
    async with other_worker(make_settings, ledger) as other:
        assert not await other.queue.owned(generation.id)
        ledger.clock.advance(LEASE + SECOND)
        await other.queue.take_over()
        assert not await ledger.queue.owned(generation.id)
        assert await other.others() == [generation.id]
        assert not await ledger.queue.owned(generation.id)
        assert await other.queue.owned(generation.id)


async def test_a_worker_that_checks_what_it_owns_keeps_it_for_a_lease(
    make_settings: MakeSettings, ledger: Ledger
):
    generation = await paid(ledger)
    ledger.clock.advance(LEASE - SECOND)
    assert await ledger.queue.owned(generation.id)
    ledger.clock.advance(LEASE - SECOND)
    async with other_worker(make_settings, ledger) as other:
        assert not await other.queue.take_over()


async def test_a_worker_that_says_that_it_lives_keeps_its_rows(
    make_settings: MakeSettings, ledger: Ledger
):
    running, ended = await ledger.called(), await ledger.called(BOB)
    await ledger.queue.failed(ended.id, State.FAILED, ErrorCode.TIMEOUT)
    async with other_worker(make_settings, ledger) as other:
        for _ in range(3):
            ledger.clock.advance(LEASE / 2)
            await ledger.store.workers.heartbeat()
            assert not await other.queue.take_over()
    assert await ledger.states(running) == [State.RUNNING]
    assert [g.id for g in await ledger.queue.cards_due()] == [ended.id]


async def test_a_worker_whose_process_has_ended_is_taken_over_at_once(
    make_settings: MakeSettings, ledger: Ledger
):
    """A process id of this machine that is free, or was given to this process anew."""
    node, pid, _ = ledger.store.workers.name.rsplit("/", 2)
    for name in (f"{node}/{2**22 + 1}/x", f"{node}/{pid}/earlier"):
        async with Store(make_settings(), clock=ledger.clock, worker=name) as store:
            generation = await ledger.queued()
            claimed = await store.queue.claim_call(9, equal_prompts=False)
            assert claimed is not None
        assert await ledger.queue.take_over()
        assert await ledger.states(generation) == [State.QUEUED]
        await ledger.requests.cancel(ledger.asker(), generation.id)


async def test_a_card_that_its_worker_left_behind_is_another_s_to_correct(
    make_settings: MakeSettings, ledger: Ledger
):
    posted, failed = await paid(ledger), await ledger.called(BOB)
    await ledger.queue.posted(posted.id, Delivered(9, "grid.png"))
    await ledger.queue.failed(failed.id, State.FAILED, ErrorCode.TIMEOUT)
    async with other_worker(make_settings, ledger) as other:
        ledger.clock.advance(LEASE + SECOND)
        assert await other.queue.take_over()
        left = await other.queue.cards_due()
        assert {(g.id, g.state) for g in left} == {
            (posted.id, State.POSTED),
            (failed.id, State.FAILED),
        }
        assert await ledger.queue.cards_due() == []
        await other.queue.card_done(g.id for g in left)
        ledger.clock.advance(LEASE + SECOND)
        assert not await other.queue.take_over()
        assert await other.queue.cards_due() == []


async def test_a_worker_that_stops_leaves_its_work_to_others(
    make_settings: MakeSettings, ledger: Ledger
):
    calling, prepared, answered = (
        await ledger.called(),
        await ledger.running(),
        await paid(ledger),
    )
    await ledger.queue.release()
    assert await ledger.states(calling, prepared, answered) == [
        State.INTERRUPTED,
        State.QUEUED,
        State.QUEUED,
    ]
    assert [g.id for g in await ledger.queue.cards_due()] == [calling.id]
    async with other_worker(make_settings, ledger) as other:
        assert await other.call() == prepared.id
        assert await other.others() == [answered.id]


# What came of it.


async def test_a_late_answer_of_the_api_is_delivered_though_its_row_was_interrupted(
    make_settings: MakeSettings, ledger: Ledger
):
    generation = await ledger.called()
    async with other_worker(make_settings, ledger) as other:
        ledger.clock.advance(LEASE + SECOND)
        await other.queue.take_over()
        assert not await ledger.queue.keep_result(generation.id, RESULT)
        revived = await ledger.get(generation)
        assert (revived.state, revived.result) == (State.QUEUED, RESULT)
        assert await other.queue.cards_due() == []
        with pytest.raises(NothingToRetry):
            await ledger.requests.retry(ledger.asker(), generation.id)
        assert await other.others() == [generation.id]


async def test_a_late_answer_is_left_where_somebody_tried_again(
    make_settings: MakeSettings, ledger: Ledger
):
    generation = await ledger.called()
    async with other_worker(make_settings, ledger) as other:
        ledger.clock.advance(LEASE + SECOND)
        await other.queue.take_over()
        retry = (await ledger.requests.retry(ledger.asker(), generation.id)).generation
        assert not await ledger.queue.keep_result(generation.id, RESULT)
    assert await ledger.states(generation, retry) == [State.INTERRUPTED, State.QUEUED]


async def test_a_late_answer_changes_nothing_that_is_over_otherwise(ledger: Ledger):
    posted, failed = await ledger.posted(), await ledger.failed(BOB)
    other_result = replace(RESULT, api_id="2")
    for generation in (posted, failed):
        assert not await ledger.queue.keep_result(generation.id, other_result)
        assert await ledger.get(generation) == generation


async def test_tiles_count_as_used_once_they_are_posted(ledger: Ledger):
    grid, another = await ledger.posted(), await ledger.posted()
    assert await ledger.queue.used(grid.id) == set()
    await ledger.upscale(grid, U2)
    await ledger.answered(await ledger.requests.press(ledger.click(grid, U1)))
    await ledger.upscale(another, 3)
    assert await ledger.queue.used(grid.id) == {(Kind.UPSCALE, 2)}


async def test_the_usual_duration_is_the_median_of_recent_ones(ledger: Ledger):
    assert await ledger.queue.typical_duration() is None
    for seconds in (10, 60, 20):
        generation = await ledger.called()
        ledger.clock.advance(timedelta(seconds=seconds))
        grid = await ledger.finish(generation)
    await ledger.upscale(grid, U2)
    assert await ledger.queue.typical_duration() == timedelta(seconds=20)
    for _ in range(21):
        generation = await ledger.called()
        ledger.clock.advance(5 * SECOND)
        await ledger.finish(generation)
    assert await ledger.queue.typical_duration() == timedelta(seconds=5)


async def test_a_card_that_moved_is_found_where_it_is_now(ledger: Ledger):
    generation = await ledger.running()
    await ledger.queue.card_moved(generation.id, 77)
    assert (await ledger.get(generation)).card_id == 77


# What is forgotten.


async def test_interaction_tokens_are_kept_only_while_they_can_be_used(ledger: Ledger, rows: Rows):
    done = await ledger.posted(BOB)
    ended, waiting = await ledger.called(BOB), await ledger.queued()
    await ledger.queue.failed(ended.id, State.FAILED, ErrorCode.TIMEOUT)
    assert dict(rows("select id, token from generations")) == {
        done.id: None,
        waiting.id: waiting.token,
        ended.id: ended.token,
    }
    ledger.clock.advance(TOKEN_LIFETIME)
    await ledger.queue.forget_tokens()
    assert len(rows("select id from generations where token is not null")) == 2
    ledger.clock.advance(SECOND)
    await ledger.queue.forget_tokens()
    assert set(rows("select token from generations")) == {(None,)}


async def test_descriptions_wait_for_no_prompt(ledger: Ledger):
    """They have none, and the API tells them apart by their pictures."""
    for user_id in (ANN, BOB):
        new = NewGeneration(ledger.asker(user_id), Kind.DESCRIBE, source_url="https://cdn.example")
        await ledger.answered(await ledger.requests.enqueue(new))
    assert await ledger.queue.held_up() == set()
    assert await ledger.call() is not None
    assert await ledger.queue.held_up() == set()
    assert await ledger.call() is not None
