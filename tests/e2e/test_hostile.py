"""Forged, malformed and misplaced presses, and payloads that a future Discord might send."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.conftest import LABELS, World, generation_of, labels

FORGED = [
    "v:{id}:99",
    "v:{id}:-1",
    "v:{id}:0:0",
    "v:99999999999999999999999999:1",
    "v:1:1",
    "c:1",
    "r:1",
    "c:{id}",
    "r:{id}",
    "v:{id}",
    "V:{id}:1",
    "v:{id}:1 ",
    "MJ::JOB::upsample::1::f7289898-c3ff-48f8-89df-bcec5d44a3ea",
    "'; drop table generations; --",
    "\u202e",
    "x" * 100,
]


@pytest.mark.parametrize("custom_id", FORGED)
async def test_a_forged_custom_id_is_answered_and_does_nothing(shared: World, custom_id: str):
    grid = await shared.grid()
    forged = custom_id.replace("{id}", str(generation_of(grid)))
    before = shared.sql("select count(*) from generations")
    pressed = await shared.discord.press(shared.discord.bob, grid, custom_id=forged, forge=True)
    await pressed.answered()
    assert pressed.ephemeral
    assert shared.sql("select count(*) from generations") == before


@pytest.mark.parametrize("where", ["channel", "server", "direct messages"])
@pytest.mark.parametrize("label", ["U1", "V1", "🔄"])
async def test_a_press_in_another_place_is_refused_and_recorded(
    shared: World, where: str, label: str
):
    grid = await shared.grid()
    other: dict[str, Any] = {
        "channel": {"channel": shared.discord.channel_payload(shared.discord.other_channel_id)},
        "server": {
            "guild_id": str(shared.discord.other_guild_id),
            "guild": {"id": str(shared.discord.other_guild_id), "features": []},
        },
        "direct messages": {"guild_id": None, "user": shared.discord.alice.payload()},
    }[where]
    pressed = await shared.press(grid, label, overrides=other)
    assert pressed.ephemeral
    assert shared.clicks(generation_of(grid)) == [(shared.discord.alice.id, label, "refused")]


@pytest.mark.parametrize(
    "overrides",
    [
        {"entitlements": None},
        {"new_field": {"deep": [1, 2]}},
        {"locale": "xx-YY"},
        {"context": 99},
        {"app_permissions": "0"},
        {"authorizing_integration_owners": {}},
    ],
    ids=lambda overrides: next(iter(overrides)),
)
async def test_payloads_with_other_fields_are_understood(shared: World, overrides: dict[str, Any]):
    if overrides == {"entitlements": None}:
        overrides = {"entitlements": []}
    grid = await shared.grid()
    pressed = await shared.press(grid, "V1", overrides=overrides)
    assert labels(await shared.result(pressed)) == LABELS


@pytest.mark.parametrize(
    "prompt",
    ["a\x00cat", "a cat \ud800", "\ud83d\udc08 cat", "x" * 1800, "👩‍🚀" * 150, "a\nb\tc\r\nd"],
    ids=["NUL", "lone surrogate", "pair", "long", "emoji", "lines"],
)
async def test_prompts_with_strange_characters_go_through(shared: World, prompt: str):
    asked = await shared.vary(prompt)
    assert not asked.ephemeral
    grid = await shared.result(asked)
    sent = shared.genart.calls[-1].prompt
    sent.encode()
    assert "\x00" not in sent
    assert all(len(a.description or "") <= 1024 for a in grid.attachments)
    assert labels(await shared.result(await shared.press(grid, "V2"))) == LABELS


async def test_a_command_without_its_options_is_answered(shared: World):
    discord = shared.discord
    bare = await discord.slash(discord.alice, "vary", {}, check=False)
    await bare.answered()
    assert bare.ephemeral


async def test_an_upload_that_is_not_resolved_is_answered(shared: World):
    discord = shared.discord
    (command,) = (c for c in discord.commands if c["name"] == "vary")
    options = [
        {"name": "prompt", "type": 3, "value": "a cat"},
        {"name": "image", "type": 11, "value": "12345"},
    ]
    data = {"id": command["id"], "name": "vary", "type": 1, "options": options}
    broken = await discord.slash(discord.alice, "vary", {}, check=False, overrides={"data": data})
    await broken.answered()
    assert broken.ephemeral
