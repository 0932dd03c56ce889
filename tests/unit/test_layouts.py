"""Cards and results: what they show, and that Discord takes them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import text
from bot.domain import (
    ErrorCode,
    Generation,
    Kind,
    Option,
    Result,
    State,
)
from bot.prompts import PROMPT_LENGTH
from bot.text.markdown import units
from bot.ui.layouts import (
    Layout,
    end_card,
    grid_message,
    option_rows,
    progress_card,
    tile_message,
)
from bot.worker.publisher import HostedTile, Progress
from tests.unit.ledger import OPTIONS, RESULT

LARGEST = 2**63 - 1
NOW = datetime(2026, 1, 1, tzinfo=UTC)
TILE = HostedTile(1, "tile-3.png", 2, "https://cdn.example/tile-3.png")
PROMPTS = [
    "a cat",
    "a" * PROMPT_LENGTH,
    "*" * PROMPT_LENGTH,
    "😀" * PROMPT_LENGTH,
    "👩\u200d🚀" * (PROMPT_LENGTH // 3),
    "<@1>" * (PROMPT_LENGTH // 4),
    "a\n" * (PROMPT_LENGTH // 2),
]
WORST = Result(
    RESULT.image_urls,
    tuple(Option(o.kind, o.tile, "W" * 80, o.style, o.custom) for o in OPTIONS),
)


def generation(prompt: str = "a cat", **values: Any) -> Generation:
    """Return a generation whose ids are as long as can be."""
    required: dict[str, Any] = {
        "id": LARGEST,
        "kind": Kind.VARIATION,
        "state": State.QUEUED,
        "user_id": LARGEST,
        "guild_id": LARGEST,
        "channel_id": LARGEST,
        "interaction_id": LARGEST,
        "prompt": prompt,
        "created_at": NOW,
        "upload_limit": 1_000_000,
        "tile": 3,
    }
    return Generation(**required | values)


def layouts(prompt: str) -> Iterator[Layout]:
    """Build every layout that there is about a prompt."""
    since, now = NOW, NOW + timedelta(hours=2)
    running = Progress(since=since, usual=timedelta(hours=1), now=now, tile=TILE)
    for progress in (
        Progress(),
        Progress(place=LARGEST, same_prompt=True),
        running,
        Progress(delayed=True),
    ):
        yield progress_card(generation(prompt), progress)
    for state in (State.CANCELLED, State.INTERRUPTED):
        yield end_card(generation(prompt, state=state))
    for error in (None, *ErrorCode):
        state = State.UNDELIVERED if error is ErrorCode.UNDELIVERED else State.FAILED
        yield end_card(generation(prompt, state=state, error=error), "*" * 300)
    for kind in Kind:
        posted = generation(prompt, kind=kind, state=State.POSTED, result=WORST)
        yield grid_message(posted, "grid.webp", "source.webp", {1, 2, 3, 4})
        yield tile_message(posted, "tile-3.webp")


def components(layout: Layout) -> list[dict[str, Any]]:
    """Return a layout's components as they are sent, each one nested or not."""
    found: list[dict[str, Any]] = []
    left: list[Any] = list(layout.to_components())
    while left:
        component = left.pop(0)
        found.append(component)
        left += component.get("components", [])
        if accessory := component.get("accessory"):
            left.append(accessory)
    return found


def words(layout: Layout) -> str:
    """Return all text that a layout shows."""
    return "\n".join(c["content"] for c in components(layout) if c["type"] == 10)


def buttons(layout: Layout) -> list[tuple[str, int]]:
    """Return the labels and styles of a layout's buttons."""
    return [(c["label"], c["style"]) for c in components(layout) if c["type"] == 2]


# Discord's limits.


@pytest.mark.parametrize("prompt", PROMPTS, ids=range(len(PROMPTS)))
def test_discord_takes_every_layout_whatever_the_prompt(prompt: str):
    for layout in layouts(prompt):
        parts = components(layout)
        assert len(parts) <= 40
        assert units(words(layout)) <= 4_000
        assert words(layout)
        for part in parts:
            assert part["type"] != 1 or 1 <= len(part["components"]) <= 5
            assert len(part.get("custom_id", "")) <= 100
            assert 1 <= len(part.get("label", "-")) <= 80
            assert part.get("accessory", {}).get("type", 11) == 11
            for item in part.get("items", []):
                assert 1 <= units(item["description"]) <= 1_024
        ids = [part["custom_id"] for part in parts if "custom_id" in part]
        assert len(ids) == len(set(ids))


@given(st.text(alphabet=st.characters(codec="utf-8"), min_size=1, max_size=PROMPT_LENGTH))
def test_discord_takes_a_card_and_a_grid_whatever_is_typed(prompt: str):
    ended = generation(prompt, state=State.FAILED, error=ErrorCode.BAD_REQUEST)
    posted = generation(prompt, state=State.POSTED, result=RESULT)
    for layout in (end_card(ended, prompt[:300]), grid_message(posted, "grid.png", None)):
        assert units(words(layout)) <= 4_000


async def test_discord_py_keeps_no_layout_in_memory():
    assert Layout().is_finished()
    for layout in layouts("a cat"):
        assert layout.is_finished(), "a view that isn't finished is kept when it is sent"


# Cards.


def test_what_waits_shows_its_place_and_can_be_cancelled():
    card = progress_card(generation(), Progress(place=4))
    assert text.waiting(4) in words(card)
    assert buttons(card) == [(text.CANCEL, 2)]


def test_what_runs_or_is_paid_for_cannot_be_cancelled():
    running = progress_card(generation(), Progress(since=NOW, now=NOW, tile=TILE))
    paid = progress_card(generation(result=RESULT), Progress())
    delayed = progress_card(generation(result=RESULT), Progress(delayed=True))
    assert buttons(running) == buttons(paid) == buttons(delayed) == []
    assert text.DELAYED in words(delayed)
    (thumbnail,) = [c for c in components(running) if c["type"] == 11]
    assert thumbnail["media"]["url"] == f"attachment://{TILE.file}"


@pytest.mark.parametrize(
    ("state", "error", "retryable"),
    [
        (State.FAILED, ErrorCode.TIMEOUT, True),
        (State.INTERRUPTED, None, True),
        (State.FAILED, ErrorCode.BAD_REQUEST, False),
        (State.CANCELLED, None, False),
        (State.UNDELIVERED, ErrorCode.BLOCKED, False),
        (State.FAILED, ErrorCode.BLOCKED, False),
    ],
)
def test_what_came_to_nothing_can_be_tried_again_where_that_may_help(
    state: State, error: ErrorCode | None, retryable: bool
):
    card = end_card(generation(state=state, error=error))
    assert buttons(card) == ([(text.TRY_AGAIN, 1)] if retryable else [])


@pytest.mark.parametrize("state", [State.FAILED, State.UNDELIVERED])
def test_a_prompt_that_discord_blocks_is_not_shown_again(state: State):
    card = words(end_card(generation(state=state, error=ErrorCode.BLOCKED, prompt="rude")))
    assert "rude" not in card
    assert "AutoMod" in card
    assert ("/fetch" in card) == (state is State.UNDELIVERED)


def test_what_was_not_started_is_not_said_to_be_ready():
    failed = words(end_card(generation(state=State.FAILED, error=ErrorCode.UNDELIVERED)))
    assert "ready" not in failed


def test_what_the_api_says_is_shown_as_it_is():
    ended = generation(state=State.FAILED, error=ErrorCode.BAD_REQUEST)
    assert r"\*\*no\*\*" in words(end_card(ended, "**no**"))


# Results.


def test_the_buttons_of_tiles_that_were_used_are_blue():
    grid = grid_message(generation(result=RESULT), "grid.png", None, {2, 3})
    styles = dict(buttons(grid))
    assert [label for label, style in styles.items() if style == 1] == ["U2", "U3"]
    assert list(styles) == [o.label for o in OPTIONS], "the API's labels in the API's order"


def test_a_grid_shows_its_picture_described_by_its_prompt_and_its_source():
    grid = grid_message(generation(result=RESULT), "grid.png", "source.png")
    (gallery,) = [c for c in components(grid) if c["type"] == 12]
    (item,) = gallery["items"]
    assert (item["media"]["url"], item["description"]) == ("attachment://grid.png", "a cat")
    (thumbnail,) = [c for c in components(grid) if c["type"] == 11]
    assert thumbnail["media"]["url"] == "attachment://source.png"


# Rows of buttons.


def test_the_documented_options_are_laid_out_as_five_over_four():
    rows = option_rows(OPTIONS)
    assert [[o.label for _, o in row] for row in rows] == [
        ["U1", "U2", "U3", "U4", "🔄"],
        ["V1", "V2", "V3", "V4"],
    ]
    assert [position for row in rows for position, _ in row] == list(range(9))


@given(st.lists(st.sampled_from(OPTIONS), unique=True))
def test_however_the_options_come_they_fit_a_message(options: list[Option]):
    rows = option_rows(options)
    assert [o for row in rows for _, o in row] == options
    assert [position for row in rows for position, _ in row] == list(range(len(options)))
    assert all(1 <= len(row) <= 5 for row in rows)
    assert len(rows) <= 5
