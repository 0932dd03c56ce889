"""What the front writes: enqueue, press, retry, cancel, fetch, and who may."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from bot.domain import (
    Click,
    Delivered,
    ErrorCode,
    Generation,
    Kind,
    NewGeneration,
    Option,
    Result,
    State,
)
from bot.errors import (
    DailyLimitReached,
    Elsewhere,
    NothingToFetch,
    NothingToRetry,
    NotYours,
    PermissionsMissing,
    QueueFull,
    Refused,
    TooLate,
    UnknownPicture,
    UserQueueFull,
)
from bot.store.admission import DAY
from bot.store.asked import EnqueueResult
from bot.store.recording import ANSWER_TIME
from bot.store.sqlite import SqliteDatabase
from tests.conftest import MakeSettings
from tests.unit.ledger import (
    ANN,
    BOB,
    CHANNEL,
    GUILD,
    MODERATOR,
    REROLL,
    RESULT,
    U1,
    U2,
    V3,
    Ledger,
    Rows,
    opened,
)


@contextmanager
def transactions(ledger: Ledger) -> Iterator[list[sa.Connection]]:
    """Collect the writing transactions that are committed to SQLite meanwhile."""
    committed: list[sa.Connection] = []
    if not isinstance(ledger.store.database, SqliteDatabase):
        yield committed
        return
    engine: Any = ledger.store.database._writer._engine  # pyright: ignore[reportPrivateUsage]
    note = committed.append
    event.listen(engine, "commit", note)
    try:
        yield committed
    finally:
        event.remove(engine, "commit", note)


def repeated(results: list[Any]) -> list[bool]:
    """Tell which results are of what there was already."""
    assert all(isinstance(result, EnqueueResult) for result in results), results
    return [result.repeated for result in results]


# Joining the queue.


async def test_one_interaction_is_stored_once_though_discord_tells_of_it_twice(
    ledger: Ledger, rows: Rows
):
    new, other = ledger.new(), ledger.new(BOB)
    first = await ledger.requests.enqueue(new)
    again, another = await asyncio.gather(
        ledger.requests.enqueue(new), ledger.requests.enqueue(other)
    )
    assert repeated([first, again, another]) == [False, True, False]
    assert again.generation == first.generation
    assert len(await ledger.queue.waiting()) == 2
    click = ledger.click(await ledger.posted(3), V3)
    assert repeated([await ledger.requests.press(click) for _ in range(2)]) == [False, True]
    assert rows("select outcome from clicks") == [("accepted",)]


async def test_one_interaction_that_is_told_twice_within_a_batch_is_stored_once(
    ledger: Ledger, rows: Rows
):
    click = ledger.click(await ledger.posted(), V3)
    new = ledger.new(BOB)
    pressed = await asyncio.gather(*(ledger.requests.press(click) for _ in range(3)))
    asked = await asyncio.gather(*(ledger.requests.enqueue(new) for _ in range(3)))
    assert repeated(pressed) == repeated(asked) == [False, True, True]
    assert len({result.generation.id for result in pressed}) == 1
    assert len(await ledger.queue.waiting()) == 2
    assert rows("select outcome from clicks") == [("accepted",)]


async def test_each_of_a_batch_is_told_its_own_place(ledger: Ledger):
    results = await asyncio.gather(
        *(ledger.requests.enqueue(ledger.new(user)) for user in (ANN, ANN, BOB))
    )
    assert [result.ahead for result in results] == [0, 0, 0], "the API has room for all"
    grid = await ledger.finish(await ledger.called(3))
    tile = await ledger.requests.press(ledger.click(grid, U2))
    assert tile.ahead is None, "a tile waits for no call"


async def test_a_full_queue_refuses_without_storing(make_settings: MakeSettings):
    async with opened(make_settings, queue_limit=2) as ledger:
        await ledger.queued(ANN)
        await ledger.queued(BOB)
        with pytest.raises(QueueFull) as refusal:
            await ledger.queued(3)
        assert refusal.value.limit == 2
        assert len(await ledger.queue.waiting()) == 2


async def test_a_full_queue_is_not_passed_by_a_batch(make_settings: MakeSettings):
    async with opened(make_settings, queue_limit=2) as ledger:
        results = await asyncio.gather(
            *(ledger.requests.enqueue(ledger.new(user)) for user in range(5)),
            return_exceptions=True,
        )
        assert [isinstance(result, QueueFull) for result in results] == [False] * 2 + [True] * 3
        assert len(await ledger.queue.waiting()) == 2


async def test_a_user_s_own_limit_counts_what_waits_and_what_runs(make_settings: MakeSettings):
    async with opened(make_settings, user_queue_limit=2) as ledger:
        await ledger.running(ANN)
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
        if ending is State.CANCELLED:
            generation = await ledger.queued()
            await ledger.requests.cancel(ledger.asker(), generation.id)
        elif ending is State.FAILED:
            generation = await ledger.failed()
        else:
            generation = await ledger.called()
            await ledger.queue.release()
        assert await ledger.states(generation) == [ending]
        await ledger.queued()


# Answers.


async def test_nothing_runs_before_its_asker_has_been_answered(ledger: Ledger):
    generation = (await ledger.requests.enqueue(ledger.new())).generation
    assert await ledger.call() is None
    await ledger.requests.answered(generation.id, 5)
    assert await ledger.call() == generation.id
    claimed = await ledger.get(generation)
    assert (claimed.state, claimed.card_id) == (State.RUNNING, 5)


async def test_what_was_accepted_runs_even_if_the_answer_was_lost_in_a_crash(ledger: Ledger):
    generation = (await ledger.requests.enqueue(ledger.new())).generation
    ledger.clock.advance(ANSWER_TIME)
    assert await ledger.call() == generation.id


async def test_an_answer_wakes_the_worker(ledger: Ledger):
    result = await ledger.requests.enqueue(ledger.new())
    ledger.store.changed.clear()
    await ledger.answered(result)
    assert ledger.store.changed.is_set()


async def test_what_nobody_was_told_of_is_not_done(ledger: Ledger):
    grid = await ledger.posted()
    asked = (await ledger.requests.enqueue(ledger.new())).generation
    tile = (await ledger.requests.press(ledger.click(grid, U2))).generation
    await asyncio.gather(*(ledger.requests.unanswered(g.id) for g in (asked, tile)))
    ledger.clock.advance(ANSWER_TIME)
    assert (await ledger.call(), await ledger.others()) == (None, [])
    assert await ledger.states(asked, tile) == [State.CANCELLED] * 2


async def test_what_runs_already_is_not_stopped_because_its_asker_was_not_told(ledger: Ledger):
    running = await ledger.running()
    await ledger.requests.unanswered(running.id)
    assert await ledger.states(running) == [State.RUNNING]


async def test_a_fetched_result_whose_asker_was_not_told_can_be_fetched_again(ledger: Ledger):
    result = await ledger.failed(state=State.UNDELIVERED)
    await ledger.requests.fetch_undelivered(ledger.asker())
    await ledger.requests.unanswered(result.id)
    assert await ledger.states(result) == [State.UNDELIVERED]
    again = await ledger.requests.fetch_undelivered(ledger.asker())
    assert again.generation.id == result.id


# Presses.


async def test_a_press_makes_a_generation_and_a_click(ledger: Ledger, rows: Rows):
    grid = await ledger.posted()
    made = (await ledger.requests.press(ledger.click(grid, V3, BOB))).generation
    assert (made.kind, made.tile, made.parent_id, made.prompt, made.user_id) == (
        Kind.VARIATION,
        3,
        grid.id,
        grid.prompt,
        BOB,
    )
    assert made.source_url == "https://fresh"
    assert await ledger.get(made) == made
    assert rows("select user_id, guild_id, generation_id, label, outcome from clicks") == [
        (BOB, GUILD, grid.id, "V3", "accepted")
    ]


@pytest.mark.parametrize("paid", [State.RUNNING, State.UNDELIVERED])
async def test_a_press_proves_that_a_result_is_posted(ledger: Ledger, paid: State):
    if paid is State.RUNNING:
        generation = await ledger.called()
        await ledger.queue.keep_result(generation.id, RESULT)
    else:
        generation = await ledger.failed(state=State.UNDELIVERED)
    clicks = [replace(ledger.click(generation, option), message_id=99) for option in (REROLL, V3)]
    results = await asyncio.gather(*map(ledger.requests.press, clicks))
    assert repeated(results) == [False, False]
    assert [r.generation.source_url for r in results] == ["https://fresher", "https://fresh"]
    posted = await ledger.get(generation)
    assert (posted.state, posted.message_id) == (State.POSTED, 99)
    assert (posted.grid_file, posted.source_file) == ("grid.png", "source.webp")


@pytest.mark.parametrize("option", [9, -2, 10**18])
async def test_a_press_on_an_unknown_option_is_recorded_as_such(
    ledger: Ledger, rows: Rows, option: int
):
    grid = await ledger.posted()
    for unknown in (ledger.click(replace(grid, id=77), U2), ledger.click(grid, option)):
        with pytest.raises(UnknownPicture):
            await ledger.requests.press(unknown)
    assert rows("select generation_id, outcome from clicks order by id") == [
        (77, "unknown"),
        (grid.id, "unknown"),
    ]


async def test_a_press_on_what_has_no_result_yet_is_unknown(ledger: Ledger, rows: Rows):
    generation = await ledger.running()
    with pytest.raises(UnknownPicture):
        await ledger.requests.press(ledger.click(generation, U2))
    assert await ledger.states(generation) == [State.RUNNING]
    assert rows("select outcome from clicks") == [("unknown",)]


@pytest.mark.parametrize("place", [{"guild_id": 11}, {"channel_id": 21}, {"guild_id": None}])
async def test_a_press_in_another_place_is_refused(
    ledger: Ledger, rows: Rows, place: dict[str, Any]
):
    grid = await ledger.posted()
    with pytest.raises(Elsewhere):
        await ledger.requests.press(ledger.click(grid, V3, **place))
    assert rows("select outcome from clicks") == [("refused",)]


async def test_a_press_over_a_limit_is_refused_and_recorded(
    make_settings: MakeSettings, rows: Rows
):
    async with opened(make_settings, user_queue_limit=1) as ledger:
        grid = await ledger.posted()
        await ledger.queued()
        with pytest.raises(UserQueueFull):
            await ledger.requests.press(ledger.click(grid, REROLL))
        upscale = await ledger.requests.press(ledger.click(grid, U2))
        assert not upscale.repeated, "an upscale costs nothing"
    assert rows("select label, outcome from clicks order by id") == [
        ("🔄", "refused"),
        ("U2", "accepted"),
    ]


async def test_a_press_on_another_button_is_recorded_with_what_it_does(ledger: Ledger, rows: Rows):
    grid = await ledger.posted()
    click = replace(ledger.click(grid, U1), option=None, label="Details")

    def spend(connection: sa.Connection, generation: Generation) -> str:
        insert = sa.text("INSERT INTO key_values VALUES ('pressed', :prompt)")
        connection.execute(insert, {"prompt": generation.prompt})
        return generation.prompt

    assert await ledger.requests.act(click, spend) == grid.prompt
    assert await ledger.store.values.get("pressed") == grid.prompt
    assert rows("SELECT label, outcome FROM clicks") == [("Details", "accepted")]


async def test_what_another_button_refuses_is_recorded_too(ledger: Ledger, rows: Rows):
    grid = await ledger.posted()
    there = replace(ledger.click(grid, U1, channel_id=CHANNEL + 1), option=None)
    stranger = replace(ledger.click(grid, U1, user_id=BOB), option=None)

    def only_for_the_asker(_: sa.Connection, generation: Generation) -> None:
        if generation.user_id != BOB:
            raise NotYours

    with pytest.raises(Elsewhere):
        await ledger.requests.act(there)
    with pytest.raises(NotYours):
        await ledger.requests.act(stranger, only_for_the_asker)
    assert rows("SELECT outcome FROM clicks") == [("refused",), ("refused",)]


async def test_the_same_press_by_one_user_at_once_counts_once(ledger: Ledger, rows: Rows):
    grid = await ledger.posted()
    pressed = await asyncio.gather(
        *(ledger.requests.press(ledger.click(grid, V3)) for _ in range(8))
    )
    assert sorted(repeated(pressed)) == [False] + [True] * 7
    assert len({result.generation.id for result in pressed}) == 1
    assert rows("select outcome, count(*) from clicks group by outcome order by outcome") == [
        ("accepted", 1),
        ("repeated", 7),
    ]


async def test_two_users_each_get_their_own(ledger: Ledger):
    grid = await ledger.posted()
    pressed = await asyncio.gather(
        *(ledger.requests.press(ledger.click(grid, V3, user)) for user in (ANN, BOB))
    )
    assert repeated(pressed) == [False, False]


async def test_a_finished_upscale_is_not_made_again_for_anybody(ledger: Ledger, rows: Rows):
    grid = await ledger.posted()
    tile = await ledger.upscale(grid, U2, ANN)
    again = await ledger.requests.press(ledger.click(grid, U2, BOB))
    assert again.repeated
    assert again.generation == tile
    assert await ledger.queue.used(grid.id) == {(Kind.UPSCALE, 2)}
    assert rows("select outcome from clicks order by id") == [("accepted",), ("repeated",)]


async def test_a_variation_can_be_asked_for_again_once_it_is_done(ledger: Ledger):
    grid = await ledger.posted()
    for _ in range(2):
        made = await ledger.answered(await ledger.requests.press(ledger.click(grid, V3)))
        assert await ledger.call() == made.id
        await ledger.finish(made)


# Remaking.


async def test_a_tile_whose_message_was_deleted_is_made_anew(ledger: Ledger, rows: Rows):
    grid = await ledger.posted()
    tile = await ledger.upscale(grid, U2)
    click = ledger.click(grid, U2, BOB)
    told = await ledger.requests.press(click)
    assert (told.repeated, told.generation) == (True, tile)
    made = await ledger.answered(await ledger.requests.remake(click, tile.id))
    assert (made.kind, made.tile, made.parent_id, made.user_id) == (Kind.UPSCALE, 2, grid.id, BOB)
    assert rows("select outcome from clicks order by id") == [("accepted",), ("accepted",)]
    assert (await ledger.get(tile)).message_id is None
    assert await ledger.others() == [made.id]
    assert await ledger.queue.posted(made.id, Delivered(5, "tile-2.png"))
    again = await ledger.requests.press(ledger.click(grid, U2))
    assert again.generation.id == made.id


async def test_a_tile_is_made_anew_once_for_one_user_who_presses_twice(ledger: Ledger):
    grid = await ledger.posted()
    tile = await ledger.upscale(grid, U2)
    clicks = [ledger.click(grid, U2, BOB) for _ in range(2)]
    for click in clicks:
        await ledger.requests.press(click)
    made = await asyncio.gather(*(ledger.requests.remake(click, tile.id) for click in clicks))
    assert len({result.generation.id for result in made}) == 1


# Cancelling.


async def test_only_what_waits_can_be_cancelled(ledger: Ledger):
    generation = await ledger.queued()
    cancelled = await ledger.requests.cancel(ledger.asker(), generation.id)
    assert (cancelled.id, cancelled.state) == (generation.id, State.CANCELLED)
    assert cancelled.token == generation.token
    with pytest.raises(TooLate):
        await ledger.requests.cancel(ledger.asker(), generation.id)
    running = await ledger.running()
    with pytest.raises(TooLate):
        await ledger.requests.cancel(ledger.asker(), running.id)
    assert await ledger.states(running) == [State.RUNNING]


async def test_what_is_paid_for_cannot_be_cancelled(ledger: Ledger):
    generation = await ledger.called()
    await ledger.queue.keep_result(generation.id, RESULT)
    await ledger.queue.requeue(generation.id, ledger.clock.now, attempts=1)
    with pytest.raises(TooLate):
        await ledger.requests.cancel(ledger.asker(**MODERATOR), generation.id)


async def test_only_what_is_asked_of_the_api_can_be_discarded(ledger: Ledger):
    running, queued = await ledger.running(), await ledger.queued()

    async def discard(generation: Generation, user: int, **more: int) -> Generation:
        click = replace(ledger.click(generation, U1, user, **more), option=None, label="Discard")
        return await ledger.requests.discard(click)

    with pytest.raises(NotYours):
        await discard(running, BOB)
    with pytest.raises(TooLate):
        await discard(queued, ANN)
    assert (await discard(running, BOB, **MODERATOR)).discarded
    assert await ledger.queue.start_call(running.id, 9)
    assert await ledger.queue.keep_result(running.id, RESULT)
    assert await ledger.queue.unseen(running.id)
    assert await ledger.states(running) == [State.UNDELIVERED]
    with pytest.raises(TooLate):
        await discard(running, ANN)


async def test_only_the_asker_and_moderators_may_cancel(ledger: Ledger):
    generation = await ledger.queued(ANN)
    with pytest.raises(NotYours):
        await ledger.requests.cancel(ledger.asker(BOB), generation.id)
    for elsewhere in ({"channel_id": 21}, {"guild_id": 11}):
        asker = ledger.asker(ANN, **MODERATOR, **elsewhere)
        with pytest.raises(Elsewhere):
            await ledger.requests.cancel(asker, generation.id)
    with pytest.raises(UnknownPicture):
        await ledger.requests.cancel(ledger.asker(**MODERATOR), 77)
    assert await ledger.states(generation) == [State.QUEUED]
    cancelled = await ledger.requests.cancel(ledger.asker(BOB, **MODERATOR), generation.id)
    assert cancelled.state is State.CANCELLED


async def test_the_card_of_what_was_cancelled_is_a_worker_s_if_the_front_does_not_show_it(
    ledger: Ledger,
):
    shown, left = await ledger.queued(), await ledger.queued()
    for generation in (shown, left):
        await ledger.requests.cancel(ledger.asker(), generation.id)
    await ledger.queue.card_done([shown.id])
    assert await ledger.queue.cards_due() == []
    await ledger.queue.take_over()
    assert await ledger.queue.cards_due() == [], "the front may still show it"
    ledger.clock.advance(ANSWER_TIME * 1.1)
    assert await ledger.queue.take_over()
    assert [g.id for g in await ledger.queue.cards_due()] == [left.id]


# Trying again.


async def test_trying_again_makes_one_new_generation_linked_to_the_old(ledger: Ledger):
    old = await ledger.queued()
    with pytest.raises(NothingToRetry):
        await ledger.requests.retry(ledger.asker(BOB), old.id)
    assert await ledger.call() == old.id
    await ledger.queue.failed(old.id, State.FAILED, ErrorCode.TIMEOUT)
    presses = await asyncio.gather(
        *(ledger.requests.retry(ledger.asker(BOB), old.id) for _ in range(3))
    )
    presses.append(await ledger.requests.retry(ledger.asker(ANN), old.id))
    assert repeated(presses) == [False, True, True, True]
    (id_,) = {result.generation.id for result in presses}
    new = await ledger.queue.get(id_)
    assert new is not None
    assert (new.retry_of, new.prompt, new.source_url, new.user_id, new.kind) == (
        old.id,
        old.prompt,
        old.source_url,
        BOB,
        Kind.VARY,
    )


async def test_what_came_to_nothing_again_can_be_tried_again(ledger: Ledger):
    old = await ledger.failed()
    first = await ledger.answered(await ledger.requests.retry(ledger.asker(), old.id))
    await ledger.requests.cancel(ledger.asker(), first.id)
    second = await ledger.requests.retry(ledger.asker(), old.id)
    assert not second.repeated


@pytest.mark.parametrize("error", [ErrorCode.BAD_REQUEST, ErrorCode.SOURCE_GONE])
async def test_what_cannot_succeed_is_not_tried_again(ledger: Ledger, error: ErrorCode):
    old = await ledger.running()
    await ledger.queue.failed(old.id, State.FAILED, error)
    with pytest.raises(NothingToRetry):
        await ledger.requests.retry(ledger.asker(), old.id)


async def test_trying_again_is_refused_where_the_card_is_not(ledger: Ledger):
    old = await ledger.failed()
    refusals: list[tuple[type[Refused], dict[str, Any], int]] = [
        (Elsewhere, {"channel_id": 21}, old.id),
        (Elsewhere, {"guild_id": None}, old.id),
        (UnknownPicture, {}, 77),
    ]
    for refusal, place, id_ in refusals:
        with pytest.raises(refusal):
            await ledger.requests.retry(ledger.asker(**place), id_)
    assert await ledger.queue.waiting() == []


async def test_trying_again_what_is_paid_for_needs_no_call_and_passes_no_limit(
    make_settings: MakeSettings,
):
    async with opened(make_settings, user_queue_limit=1, queue_limit=1, daily_limit=1) as ledger:
        paid = await ledger.called()
        await ledger.queue.keep_result(paid.id, RESULT)
        await ledger.queue.failed(paid.id, State.FAILED, ErrorCode.PICTURE_UNREACHABLE)
        unpaid = await ledger.failed()
        await ledger.queued(ANN)
        again = await ledger.answered(await ledger.requests.retry(ledger.asker(), paid.id))
        assert (again.result, again.needs_call) == (RESULT, False)
        assert [g.id for g in await ledger.queue.waiting()] != [again.id]
        assert await ledger.others() == [again.id]
        with pytest.raises(UserQueueFull):
            await ledger.requests.retry(ledger.asker(), unpaid.id)


# Fetching.


async def test_fetching_posts_the_oldest_undelivered_result_where_it_is_asked_for(
    ledger: Ledger,
):
    first = await ledger.failed(state=State.UNDELIVERED)
    second = await ledger.failed(state=State.UNDELIVERED)
    asker = replace(ledger.asker(), channel_id=21, upload_limit=77, app_permissions=5, token="new")
    fetched = (await ledger.requests.fetch_undelivered(asker)).generation
    assert fetched.id == first.id
    assert (fetched.state, fetched.result, fetched.error) == (State.QUEUED, RESULT, None)
    assert (fetched.channel_id, fetched.interaction_id) == (21, asker.interaction_id)
    assert (fetched.token, fetched.token_at) == ("new", ledger.clock.now)
    assert (fetched.upload_limit, fetched.app_permissions) == (77, 5)
    assert (fetched.card_id, fetched.attempts, fetched.finished_at) == (None, 0, None)
    assert await ledger.others() == [], "its asker hasn't been answered yet"
    await ledger.requests.answered(fetched.id, 9)
    assert await ledger.others() == [first.id]
    next_one = await ledger.requests.fetch_undelivered(ledger.asker())
    assert next_one.generation.id == second.id


async def test_two_fetches_at_once_get_a_result_each(ledger: Ledger):
    results = [await ledger.failed(state=State.UNDELIVERED) for _ in range(2)]
    fetched = await asyncio.gather(
        *(ledger.requests.fetch_undelivered(ledger.asker()) for _ in range(3)),
        return_exceptions=True,
    )
    assert [r.generation.id for r in fetched if isinstance(r, EnqueueResult)] == [
        result.id for result in results
    ]
    assert isinstance(fetched[2], NothingToFetch)


async def test_a_fetch_that_is_told_twice_takes_one_result(ledger: Ledger):
    for _ in range(2):
        await ledger.failed(state=State.UNDELIVERED)
    asker = ledger.asker()
    first, again = [await ledger.requests.fetch_undelivered(asker) for _ in range(2)]
    assert again.repeated
    assert again.generation.id == first.generation.id
    assert (await ledger.requests.fetch_undelivered(ledger.asker())).generation != first.generation


async def test_only_one_s_own_results_of_this_server_are_fetched(ledger: Ledger):
    await ledger.failed(state=State.UNDELIVERED)
    await ledger.failed(state=State.FAILED)
    askers = (ledger.asker(BOB), ledger.asker(guild_id=11), ledger.asker(guild_id=None))
    for asker in askers:
        with pytest.raises(NothingToFetch):
            await ledger.requests.fetch_undelivered(asker)


async def test_a_result_of_a_direct_message_is_fetched_there(ledger: Ledger):
    generation = await ledger.queued(guild_id=None, channel_id=30)
    assert await ledger.call() == generation.id
    await ledger.queue.keep_result(generation.id, RESULT)
    await ledger.queue.failed(generation.id, State.UNDELIVERED, ErrorCode.UNDELIVERED)
    asker = ledger.asker(guild_id=None, channel_id=30)
    assert (await ledger.requests.fetch_undelivered(asker)).generation.id == generation.id


# Batches.


async def test_all_kinds_of_requests_at_once_each_get_their_own_answer(ledger: Ledger):
    grid, failed = await ledger.posted(), await ledger.failed()
    undelivered = await ledger.failed(BOB, State.UNDELIVERED)
    waiting = await ledger.queued(3)
    results: list[Any] = await asyncio.gather(
        ledger.requests.enqueue(ledger.new(4)),
        ledger.requests.press(ledger.click(grid, U1)),
        ledger.requests.press(ledger.click(grid, 9)),
        ledger.requests.retry(ledger.asker(), failed.id),
        ledger.requests.cancel(ledger.asker(3), waiting.id),
        ledger.requests.fetch_undelivered(ledger.asker(BOB)),
        ledger.requests.fetch_undelivered(ledger.asker(5)),
        ledger.requests.answered(undelivered.id, 5),
        return_exceptions=True,
    )
    kinds = [EnqueueResult, EnqueueResult, UnknownPicture, EnqueueResult, Generation]
    assert [type(result) for result in results] == [
        *kinds,
        EnqueueResult,
        NothingToFetch,
        type(None),
    ]


@pytest.mark.parametrize("bad", [{"prompt": "\ud800"}, {"channel_id": 2**70}])
async def test_a_request_that_cannot_be_stored_spoils_nobody_else_s(
    ledger: Ledger, bad: dict[str, Any]
):
    results = await asyncio.gather(
        ledger.requests.enqueue(ledger.new(ANN)),
        ledger.requests.enqueue(ledger.new(BOB, **bad)),
        ledger.requests.enqueue(ledger.new(3)),
        return_exceptions=True,
    )
    assert [isinstance(result, EnqueueResult) for result in results] == [True, False, True]
    assert sorted(g.user_id for g in await ledger.queue.waiting()) == [ANN, 3]


async def test_many_presses_cost_few_transactions(ledger: Ledger, rows: Rows, database_url: str):
    grid = await ledger.posted()
    users = range(10, 460)
    with transactions(ledger) as written:
        results = await asyncio.gather(
            *(ledger.requests.press(ledger.click(grid, V3, user)) for user in users)
        )
    if not written:
        assert database_url.startswith("postgres")
        written = rows("select distinct xmin::text from clicks")
    assert 0 < len(written) <= 5
    assert repeated(results) == [False] * len(users)
    assert [result.ahead for result in results] == [0, 0, 0, *range(3, len(users))]


LACKING = {"app_permissions": 1 << 10}


@pytest.mark.parametrize(
    ("call_time", "ahead", "refused"),
    [(600, 0, False), (600, 2, False), (600, 3, True), (841, 0, True), (200, 9, False)],
)
async def test_where_the_bot_may_not_post_a_result_must_come_in_time(
    make_settings: MakeSettings, call_time: int, ahead: int, refused: bool
):
    more = {"genart_timeout": call_time, "genart_concurrency": 3, "user_queue_limit": 50}
    async with opened(make_settings, **more) as ledger:
        for _ in range(ahead):
            await ledger.queued(BOB)
        if ahead:
            await ledger.call()
        if not refused:
            await ledger.queued(ANN, **LACKING)
            return
        with pytest.raises(PermissionsMissing):
            await ledger.queued(ANN, **LACKING)
        await ledger.queued(ANN)


async def test_the_usual_duration_tells_how_long_the_line_takes(make_settings: MakeSettings):
    async with opened(make_settings, genart_timeout=600, user_queue_limit=50) as ledger:
        called = await ledger.called()
        ledger.clock.advance(timedelta(seconds=60))
        await ledger.finish(called)
        for _ in range(9):
            await ledger.queued(BOB)
        await ledger.queued(ANN, **LACKING)
        for _ in range(5):
            await ledger.queued(BOB)
        with pytest.raises(PermissionsMissing):
            await ledger.queued(ANN, **LACKING)


async def test_a_tile_and_what_is_paid_for_are_never_refused_for_permissions(
    make_settings: MakeSettings,
):
    async with opened(make_settings, genart_timeout=3_600) as ledger:
        grid = await ledger.posted()
        await ledger.requests.press(ledger.click(grid, U1, **LACKING))
        with pytest.raises(PermissionsMissing):
            await ledger.requests.press(ledger.click(grid, V3, **LACKING))


async def test_descriptions_are_recognized_as_posted_by_a_press(ledger: Ledger):
    new = NewGeneration(ledger.asker(), Kind.DESCRIBE, source_url="https://cdn.example/cat.png")
    described = await ledger.answered(await ledger.requests.enqueue(new))
    assert await ledger.call() == described.id
    again = Option(Kind.DESCRIBE, 0, "🔄", 2, "")
    result = Result((), (again,), descriptions=("a cat",))

    def click() -> Click:
        links = {"source.png": "https://fresh"}
        return replace(ledger.click(described, 0), message_id=77, links=links)

    with pytest.raises(UnknownPicture):
        await ledger.requests.act(click(), posted=True)
    assert await ledger.queue.keep_result(described.id, result)
    seen = await ledger.requests.act(click(), posted=True)
    assert (seen.state, seen.message_id, seen.source_file) == (State.POSTED, 77, "source.png")
    made = await ledger.requests.press(click())
    assert (made.generation.kind, made.generation.source_url) == (Kind.DESCRIBE, "https://fresh")
