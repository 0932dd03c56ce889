"""What custom_ids say, and what a message says of its buttons."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import discord
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import Generation, Kind, Progress, State
from bot.ui.buttons import (
    ALL_FOUR,
    CANCEL,
    DELETE,
    DELETE_NOW,
    DETAILS,
    OPTION,
    REMIX,
    RETRY,
    STAR,
    VARY_TILE,
    Template,
    custom_ids,
    pressed_label,
    shown_generation,
)
from bot.ui.layouts import grid_message, progress_card, tile_message
from tests.unit.ledger import OPTIONS, RESULT

LARGEST = 2**63 - 1
"""The largest id that the ledger can hold."""

IDS = st.integers(0, LARGEST)


@given(IDS, IDS)
def test_a_custom_id_says_what_it_was_made_of(generation: int, option: int):
    for template, numbers in (
        (OPTION, (generation, option)),
        (CANCEL, (generation,)),
        (RETRY, (generation,)),
        (Template("all", 0), ()),
    ):
        custom_id = template.custom_id(*numbers)
        assert template.match(custom_id) == numbers
        assert len(custom_id) <= 100, "Discord's limit"


def test_the_custom_ids_that_were_ever_posted_are_read_still():
    assert OPTION.match("v:123456789012345678:8") == (123456789012345678, 8)
    assert CANCEL.match("c:123456789012345678") == (123456789012345678,)
    assert RETRY.match("r:123456789012345678") == (123456789012345678,)
    for prefix, template in {
        "remix": REMIX,
        "vary-tile": VARY_TILE,
        "all-four": ALL_FOUR,
        "star": STAR,
        "delete": DELETE,
        "details": DETAILS,
    }.items():
        assert template.match(f"{prefix}:123456789012345678") == (123456789012345678,)
    assert DELETE_NOW.match("delete-now:123456789012345678:1") == (123456789012345678, 1)


@given(IDS)
def test_a_custom_id_is_of_one_template_only(generation: int):
    on_results = (REMIX, VARY_TILE, ALL_FOUR, STAR, DELETE, DETAILS)
    templates = (OPTION, CANCEL, RETRY, *on_results, DELETE_NOW)
    for template in templates:
        custom_id = template.custom_id(*[generation] * template.numbers)
        assert [t for t in templates if t.match(custom_id)] == [template]


@pytest.mark.parametrize(
    "custom_id",
    [
        "",
        "v",
        "v:",
        "v::",
        "v:1",
        "v:1:",
        "v:1:2:3",
        "v:1:2:",
        "V:1:2",
        " v:1:2",
        "v:1:2 ",
        "v:1:2\n",
        "v:-1:2",
        "v:+1:2",
        "v:1_0:2",
        "v:0x1:2",
        "v:1.0:2",
        "v:1e3:2",
        "v:\u0661:2",
        "v:\uff11:2",
        "v:²:2",
        "v:None:2",
        "v:1:2\x00",
        f"v:{LARGEST + 1}:2",
        f"v:1:{LARGEST + 1}",
        f"v:{'9' * 90}:2",
        "vv:1:2",
        "c:1:2",
        "MJ::JOB::upsample::1::f7289898-c3ff-48f8-89df-bcec5d44a3ea",
    ],
)
def test_a_custom_id_that_is_not_ours_is_nobody_s(custom_id: str):
    assert OPTION.match(custom_id) is None


@given(st.text(max_size=100) | st.from_regex(r"[vcr](:[0-9-]{0,25}){0,4}\n?", fullmatch=True))
def test_no_custom_id_breaks_the_reader(custom_id: str):
    for template in (OPTION, CANCEL, RETRY):
        numbers = template.match(custom_id)
        if numbers is not None:
            assert len(numbers) == template.numbers
            assert all(0 <= number <= LARGEST for number in numbers)


# What a message says.


def generation(**values: Any) -> Generation:
    """Return a generation."""
    required: dict[str, Any] = {
        "id": 1,
        "kind": Kind.VARY,
        "state": State.QUEUED,
        "user_id": 2,
        "guild_id": 10,
        "channel_id": 20,
        "interaction_id": 1,
        "prompt": "a cat",
        "created_at": datetime(2026, 1, 1, tzinfo=UTC),
        "upload_limit": 1_000_000,
    }
    return Generation(**required | values)


async def message(components: list[Any]) -> discord.Message:
    """Return a message as Discord sends it."""
    client = discord.Client(intents=discord.Intents.none())
    data: Any = {
        "id": "5",
        "channel_id": "20",
        "type": 0,
        "content": "",
        "attachments": [],
        "embeds": [],
        "edited_timestamp": None,
        "pinned": False,
        "mention_everyone": False,
        "tts": False,
        "author": {"id": "9", "username": "vary", "discriminator": "0", "avatar": None},
        "mentions": [],
        "mention_roles": [],
        "components": components,
    }
    channel: Any = client.get_partial_messageable(20)
    return discord.Message(state=client._connection, channel=channel, data=data)  # pyright: ignore


def pressed(custom_id: str, on: discord.Message | None) -> Any:
    """Return what is known of a press of a component of a message."""
    return SimpleNamespace(data={"custom_id": custom_id}, message=on)


async def test_every_button_of_a_grid_is_found_and_says_its_label():
    layout = grid_message(generation(result=RESULT, state=State.POSTED), "grid.png", "source.png")
    posted = await message(layout.to_components())
    ids = [OPTION.custom_id(1, position) for position in range(len(OPTIONS))]
    own = [t.custom_id(1) for t in (REMIX, ALL_FOUR, STAR, DELETE, DETAILS)]
    assert custom_ids(posted) == [*ids, *own]
    assert [pressed_label(pressed(id_, posted)) for id_ in [*ids, *own]] == [
        *(o.label for o in OPTIONS),
        *("Remix", "All four", "⭐", "🗑", "Details"),
    ]
    assert shown_generation(posted) == 1


async def test_a_tile_is_told_by_its_buttons_and_a_card_is_no_result():
    tile = tile_message(generation(kind=Kind.UPSCALE, tile=2), ["tile-2.png"])
    assert shown_generation(await message(tile.to_components())) == 1
    card = progress_card(generation(), Progress(ahead=1))
    assert shown_generation(await message(card.to_components())) is None


async def test_a_button_inside_a_container_is_found():
    posted = await message(progress_card(generation(), Progress(ahead=1)).to_components())
    assert custom_ids(posted) == [CANCEL.custom_id(1)]
    assert pressed_label(pressed(CANCEL.custom_id(1), posted)) == "Cancel"


async def test_a_button_beside_a_text_and_one_with_an_emoji_alone_are_found():
    section = {
        "type": 9,
        "id": 1,
        "components": [{"type": 10, "id": 2, "content": "text"}],
        "accessory": {
            "type": 2,
            "id": 3,
            "style": 2,
            "custom_id": "v:1:2",
            "emoji": {"id": None, "name": "⭐"},
        },
    }
    posted = await message([section])
    assert custom_ids(posted) == ["v:1:2"]
    assert pressed_label(pressed("v:1:2", posted)) == "⭐"


async def test_a_component_that_the_message_does_not_have_says_nothing():
    posted = await message(progress_card(generation(), Progress()).to_components())
    for press in (pressed("v:1:2", posted), pressed("c:1", None)):
        assert pressed_label(press) is None
    assert custom_ids(await message([])) == []
