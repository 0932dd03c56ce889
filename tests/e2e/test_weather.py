"""What Discord's gateway sends may make no sense: the bot connects again and says so."""

from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest

from sandbox.discord import Message
from tests.e2e.conftest import LABELS, World, labels

CONNECTS_AGAIN = "The connection to Discord broke; connecting again"


async def pressable(world: World, grid: Message) -> Message:
    """Press until the bot is there again; return what came of it."""
    async with asyncio.timeout(60):
        while True:
            pressed = await world.discord.press(world.discord.alice, grid, label="🔄")
            try:
                await pressed.answered()
            except TimeoutError:
                continue
            return await world.result(pressed)


@pytest.mark.parametrize(
    "frame",
    ["{", "[]", "null", '{"op": 0, "t": "READY", "s": 1, "d": null}', b"\x00 no zlib", "{}", '"x"'],
    ids=str,
)
async def test_a_frame_that_cannot_be_read_does_not_end_it(world: World, frame: str | bytes):
    grid = await world.grid()
    (session,) = world.discord.gateway.connected
    assert session.connection is not None
    if isinstance(frame, bytes):
        await session.connection.ws.send_bytes(frame)
    else:
        await session.connection.ws.send_str(frame)
    assert labels(await pressable(world, grid)) == LABELS
    assert world.bot.returncode is None


def interaction(world: World, **changes: Any) -> dict[str, Any]:
    """Return the last interaction that the bot was told of, with other fields."""
    told = [e["d"] for e in world.discord.events if e["t"] == "INTERACTION_CREATE"]
    return copy.deepcopy(told[-1]) | {"id": str(world.discord.new_id())} | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"data": None},
        {"member": None},
        {"token": None},
        {"id": None},
        {"channel": None},
        {"app_permissions": None},
        {"entitlements": None},
        {"type": None},
        {"attachment_size_limit": None},
    ],
    ids=str,
)
async def test_a_null_where_discord_requires_a_value_does_not_end_it(
    world: World, changes: dict[str, Any]
):
    grid = await world.grid()
    (session,) = world.discord.gateway.connected
    session.dispatch("INTERACTION_CREATE", interaction(world, **changes))
    assert labels(await pressable(world, grid)) == LABELS
    assert world.bot.returncode is None


async def test_it_ends_when_told_to_while_its_connection_is_made_anew(world: World):
    gateway = world.discord.gateway
    gateway.silent = True
    gateway.tell(7)
    await world.discord.signal.until(lambda: gateway.ignored > 0, 10)
    assert await world.bot.stop(10) == 0


async def test_what_runs_goes_on_while_the_gateway_is_connected_again(world: World):
    world.genart.delay = 2
    grid = await world.grid()
    asked = await world.press(grid, "V1")
    await world.genart.signal.until(lambda: len(world.genart.calls) == 2, 5)
    (session,) = world.discord.gateway.connected
    session.dispatch("READY", None)
    assert labels(await world.result(asked)) == LABELS
    assert CONNECTS_AGAIN in world.bot.log
    assert labels(await pressable(world, grid)) == LABELS
