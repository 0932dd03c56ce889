"""Cards and results: what they show, and that Discord takes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import text
from bot.domain import (
    ErrorCode,
    Generation,
    HostedTile,
    Kind,
    Option,
    Progress,
    Result,
    State,
)
from bot.errors import LimitRule
from bot.prompts import PROMPT_LENGTH
from bot.store.gallery import Page, Selection, Wanted
from bot.store.live import Work
from bot.store.quotas import Allowance
from bot.text.markdown import units
from bot.ui.describe import description_message
from bot.ui.gallery import gallery_page, posted_pictures
from bot.ui.help import help_page
from bot.ui.layouts import (
    Layout,
    end_card,
    grid_message,
    option_rows,
    progress_card,
    tile_message,
)
from bot.ui.live import work_page
from bot.ui.media import Media
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


ORIGIN = f"https://discord.com/channels/{LARGEST}/{LARGEST}/{LARGEST}"


def layouts(prompt: str) -> Iterator[Layout]:
    """Build every layout that there is about a prompt."""
    yield from _layouts(prompt)
    for private in (False, True):
        yield from _layouts(prompt, private=private, answer_only=True, origin=ORIGIN, token_at=NOW)


def _layouts(prompt: str, **values: Any) -> Iterator[Layout]:
    since, now = NOW, NOW + timedelta(hours=2)
    running = Progress(since=since, usual=timedelta(hours=1), now=now, tile=TILE)
    for progress in (
        Progress(),
        Progress(ahead=LARGEST, same_prompt=True),
        running,
        Progress(delayed=True),
    ):
        yield progress_card(generation(prompt, **values), progress)
    for state in (State.CANCELLED, State.INTERRUPTED):
        yield end_card(generation(prompt, **values, state=state))
    for error in (None, *ErrorCode):
        state = State.UNDELIVERED if error is ErrorCode.UNDELIVERED else State.FAILED
        yield end_card(generation(prompt, **values, state=state, error=error), "*" * 300)
    for kind in Kind:
        posted = generation(prompt, **values, kind=kind, state=State.POSTED, result=WORST)
        yield grid_message(posted, "grid.webp", "source.webp", {(Kind.UPSCALE, 1)})
        link = f"https://discord.com/channels/{LARGEST}/{LARGEST}/{LARGEST}"
        yield tile_message(posted, ["tile-3.webp"], "source.webp", link)
        four = [f"tile-{number}.webp" for number in range(1, 5)]
        yield tile_message(replace(posted, tile=0), four, "source.webp", link)
    again = Option(Kind.DESCRIBE, 0, "🔄", 2, "")
    described = Result((), (again,), descriptions=(prompt,) * 4)
    posted = generation("", **values, kind=Kind.DESCRIBE, state=State.POSTED, result=described)
    yield description_message(posted, "source.webp")
    yield from lists(prompt)


def lists(prompt: str) -> Iterator[Layout]:
    """Build every layout that lists generations, as long as can be."""
    made = generation(prompt, state=State.POSTED, message_id=LARGEST, grid_file="grid.webp")
    item = Media(LARGEST, "grid.webp", f"https://cdn.example/{'g' * 1_500}.webp")
    for selection in Selection:
        for count in (0, 8, 9):
            wanted = Wanted(LARGEST, selection, LARGEST, LARGEST)
            page = Page((made,) * 9, LARGEST, newer=True) if count else Page((), None, newer=False)
            own = selection is not Selection.CHANNEL
            yield gallery_page(wanted, page, [(made, item)] * count, own=own)
    yield posted_pictures(LARGEST, [(made, item)] * 9)
    works = [Work(generation(prompt, id=LARGEST - n), 500, NOW) for n in range(30)]
    for number in (0, 1, 9):
        yield work_page(works, number, moderator=True)
    yield work_page((), 0, moderator=False)
    allowances = [Allowance(rule, 10**9, 10**9, NOW, LARGEST) for rule in (None, *LimitRule)]
    yield help_page(None, allowances, welcome=True)


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
    found = [c for c in components(layout) if c["type"] == 2]
    return [(c.get("label") or c["emoji"]["name"], c["style"]) for c in found]


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
            assert part.get("accessory", {}).get("type", 11) in {2, 11}
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


def test_what_waits_shows_how_many_are_ahead_and_can_be_cancelled():
    card = progress_card(generation(), Progress(ahead=4))
    assert "4 ahead of you" in words(card)
    assert "Starting…" in words(progress_card(generation(), Progress(ahead=0)))
    assert buttons(card) == [(text.CANCEL, 2)]


def test_what_runs_can_be_discarded_and_what_is_paid_for_is_posted():
    running = progress_card(generation(), Progress(since=NOW, now=NOW, tile=TILE))
    paid = progress_card(generation(result=RESULT), Progress())
    delayed = progress_card(generation(result=RESULT), Progress(delayed=True))
    assert buttons(running) == [(text.DISCARD, 2)]
    assert buttons(paid) == buttons(delayed) == []
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


@pytest.mark.parametrize(
    ("taken", "shown"),
    [
        (0, "usually about 50 s.\nAbout 0% done ▱"),
        (25, "usually about 50 s.\nAbout 50% done ▰▰▰▰▰▱"),
        (49, "About 98% done ▰▰▰▰▰▰▰▰▰▱"),
        (50, "taking longer than usual (about 50 s)."),
        (5_000, "taking longer than usual (about 50 s)."),
    ],
)
def test_what_runs_shows_what_is_usual_and_never_stands_before_the_end(taken: int, shown: str):
    progress = Progress(since=NOW, usual=timedelta(seconds=50), now=NOW + timedelta(seconds=taken))
    card = words(progress_card(generation(), progress))
    assert shown in card
    assert ("▰" in card or "▱" in card) == (taken < 50)


def test_every_state_of_a_card_has_a_colour_and_words_of_its_own():
    waits = progress_card(generation(), Progress(ahead=1))
    runs = progress_card(generation(), Progress(since=NOW, now=NOW))
    fails = end_card(generation(state=State.FAILED, error=ErrorCode.TIMEOUT))
    stops = end_card(generation(state=State.INTERRUPTED))
    cards = (waits, runs, fails, stops)
    colours = [card.to_components()[0].get("accent_color") for card in cards]
    assert None not in colours
    assert len(set(colours)) == len(cards) == len({words(card) for card in cards})


def test_what_was_tried_again_links_to_what_came_of_it():
    card = end_card(generation(state=State.INTERRUPTED), None, "https://discord.com/channels/1/2/3")
    (link,) = [c for c in components(card) if c["type"] == 2]
    assert link["url"] == "https://discord.com/channels/1/2/3"
    assert link["label"] == text.TRIED_AGAIN


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
    used = {
        (Kind.UPSCALE, 2),
        (Kind.UPSCALE, 0),
        (Kind.VARIATION, 3),
        (Kind.REROLL, 0),
        (Kind.REMIX, 0),
    }
    grid = grid_message(generation(result=RESULT), "grid.png", None, used)
    styles = dict(buttons(grid))
    blue = [label for label, style in styles.items() if style == 1]
    assert blue == ["U2", "🔄", "V3", "All four"]


def test_a_grid_has_the_api_s_options_in_the_api_s_order_then_the_bot_s_own():
    grid = grid_message(generation(result=RESULT), "grid.png", None)
    rows = [c for c in components(grid) if c["type"] == 1]
    assert [len(row["components"]) for row in rows] == [5, 5, 4]
    own = ["Remix", "All four", "⭐", "🗑", "Details"]
    assert [label for label, _ in buttons(grid)] == [*(o.label for o in OPTIONS), *own]


@pytest.mark.parametrize("count", [0, 1, 5, 9])
def test_remix_is_on_every_grid_whatever_options_it_has(count: int):
    result = replace(RESULT, options=OPTIONS[:count])
    labels = [label for label, _ in buttons(grid_message(generation(result=result), "g.png", None))]
    assert labels.index("Remix") == count


def test_a_tile_says_which_it_is_and_leads_on():
    tile = generation(kind=Kind.UPSCALE, tile=2, prompt="a cat")
    shown = tile_message(tile, ["tile-2.png"], "source.png", "https://discord.com/channels/1/2/3")
    assert "Picture 2 of 4" in words(shown)
    assert "a cat" in words(shown)
    assert [label for label, _ in buttons(shown)] == ["Vary", "Remix", "⭐", "🗑", "Its grid"]
    (gallery,) = [c for c in components(shown) if c["type"] == 12]
    assert [i["description"] for i in gallery["items"]] == ["Picture 2 of 4: a cat"]


def test_all_four_are_one_gallery():
    four = generation(kind=Kind.UPSCALE, tile=0, prompt="a cat")
    shown = tile_message(four, [f"tile-{n}.png" for n in range(1, 5)])
    (gallery,) = [c for c in components(shown) if c["type"] == 12]
    names = [f"Picture {n} of 4: a cat" for n in range(1, 5)]
    assert [i["description"] for i in gallery["items"]] == names
    assert [label for label, _ in buttons(shown)] == ["⭐", "🗑"]


def test_a_long_prompt_is_cut_above_a_picture():
    long = generation("word " * 300, kind=Kind.UPSCALE, result=RESULT)
    for shown in (grid_message(long, "grid.png", None), tile_message(long, ["tile-3.png"])):
        assert len(words(shown)) < 400
        assert words(shown).endswith("…")


def test_a_grid_shows_its_picture_described_by_its_prompt_and_its_source():
    grid = grid_message(generation(result=RESULT), "grid.png", "source.png")
    (gallery,) = [c for c in components(grid) if c["type"] == 12]
    (item,) = gallery["items"]
    assert (item["media"]["url"], item["description"]) == (
        "attachment://grid.png",
        "Four pictures: a cat",
    )
    (thumbnail,) = [c for c in components(grid) if c["type"] == 11]
    assert thumbnail["media"]["url"] == "attachment://source.png"
    assert thumbnail["description"] == "The picture it was made from"


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
