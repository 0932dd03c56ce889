"""Whatever one channel, one member or the database does, nobody else waits for it."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable

import pytest

from sandbox.discord import Fault, Interaction, Request, User
from tests.e2e.conftest import OPTIONS, World, generation_of

ALLOWANCE = 2.0
"""Seconds that another channel's trouble may cost, at most."""

LIMITED = Fault(429, retry_after=30)
HANGS = Fault(503, delay=45)


def trouble_in(world: World, channel: int, fault: Fault, methods: str) -> None:
    """Let every request that edits, posts or reads in a channel meet a fault; there, also what
    goes through an interaction."""

    def hook(request: Request) -> Fault | None:
        if request.method not in methods.split():
            return None
        place = request.path.startswith(f"/channels/{channel}/")
        tokens = {i.token for i in world.discord.interactions.values() if i.channel_id == channel}
        through = request.path.startswith("/webhooks/") and request.path.split("/")[3] in tokens
        return fault if place or through else None

    world.discord.faults.append(hook)


async def seconds(work: Awaitable[object]) -> float:
    """Return how long something takes."""
    began = time.monotonic()
    await work
    return time.monotonic() - began


@pytest.mark.parametrize(
    ("fault", "methods"),
    [
        (LIMITED, "POST"),
        (LIMITED, "PATCH"),
        (LIMITED, "GET POST PATCH DELETE"),
        (HANGS, "POST PATCH"),
    ],
    ids=["posts are limited", "edits are limited", "all is limited", "uploads hang"],
)
async def test_the_trouble_of_one_channel_delays_no_other(make, fault: Fault, methods: str):
    async with make(GENART_CONCURRENCY="3", USER_QUEUE_LIMIT="20") as world:
        discord, bad = world.discord, world.discord.other_channel_id
        good_grid = await world.grid()
        bad_grid = await world.grid(channel_id=bad)
        alone = await seconds(world.result(await world.press(good_grid, "V1")))
        trouble_in(world, bad, fault, methods)
        presses = [("V1", discord.alice), ("V2", discord.alice), ("V3", discord.bob)]
        presses += [("V4", discord.moderator), ("U1", discord.alice), ("U2", discord.bob)]
        presses += [("🔄", discord.moderator), ("U3", discord.alice), ("U4", discord.moderator)]
        for label, user in presses:
            await world.press(bad_grid, label, user)
        await world.vary(channel_id=bad, user=discord.bob)
        await asyncio.sleep(0.5)
        pressed = await world.press(good_grid, "U1", discord.bob)
        assert await seconds(world.tile(pressed)) < ALLOWANCE
        pressed = await world.press(good_grid, "V2", discord.bob)
        assert await seconds(world.result(pressed)) < alone + ALLOWANCE
        assert await seconds(world.grid(user=discord.moderator)) < alone + ALLOWANCE


async def test_the_trouble_of_several_channels_delays_no_other(make):
    async with make(GENART_CONCURRENCY="3", USER_QUEUE_LIMIT="20") as world:
        discord = world.discord
        bad = [discord.add_channel(discord.guild_id, f"bad-{n}") for n in range(4)]
        good_grid = await world.grid()
        grids = [await world.grid(channel_id=channel) for channel in bad]
        alone = await seconds(world.result(await world.press(good_grid, "V1")))
        for channel in bad:
            trouble_in(world, channel, LIMITED, "GET POST PATCH DELETE")
        for grid in grids:
            for label in ("U1", "U2", "U3", "V1", "🔄"):
                await world.press(grid, label, discord.moderator)
            await world.vary(channel_id=grid.channel_id, user=discord.alice)
        await asyncio.sleep(0.5)
        pressed = await world.press(good_grid, "U1", discord.bob)
        assert await seconds(world.tile(pressed)) < ALLOWANCE
        pressed = await world.press(good_grid, "V2", discord.bob)
        assert await seconds(world.result(pressed)) < alone + ALLOWANCE


async def test_behind_one_member_s_many_tiles_another_s_comes_in_its_turn(make):
    async with make() as world:
        grids = [await world.grid() for _ in range(23)]
        theirs = await world.grid(user=world.discord.bob)
        many = [(grid, f"U{n}") for grid in grids for n in range(1, 5)]
        await asyncio.gather(*(world.press(grid, label) for grid, label in many))
        pressed = await world.press(theirs, "U1", world.discord.bob)
        assert await seconds(world.tile(pressed)) < ALLOWANCE
        made = world.sql("select count(*) from generations where kind = 'upscale'")
        assert made == [(len(many) + 1,)]


async def test_72_presses_on_a_locked_database_are_each_answered_in_time(make):
    async with make(GENART_CONCURRENCY="1", USER_QUEUE_LIMIT="99", QUEUE_LIMIT="999") as world:
        discord = world.discord
        grid = await world.grid()
        world.genart.delay = 60
        waiting = [await world.vary(user=discord.bob) for _ in range(25)]
        lock = sqlite3.connect(world.database, isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        asked: list[Interaction] = []
        try:
            for turn in range(24):
                card = waiting[turn + 1].message
                asked.append(await discord.press(discord.alice, grid, label=OPTIONS[turn % 9]))
                asked.append(await discord.press(discord.bob, card, label="Cancel"))
                options = {"prompt": f"locked {turn}", "image": world.upload()}
                asked.append(await discord.slash(discord.alice, "vary", options))
                await asyncio.sleep(0.2)
            await asyncio.gather(*(one.answered() for one in asked))
        finally:
            lock.execute("ROLLBACK")
            lock.close()
        assert len(asked) == 72
        assert {discord.text_of(one.message)[:200] for one in asked if one.message} != set()
        assert all("Try again later" in discord.text_of(one.message) for one in asked)
        assert max(one.latency or 9 for one in asked) < 3
        assert "Traceback" not in world.bot.log


async def test_an_interaction_that_is_told_twice_counts_once_and_disturbs_nobody(make):
    async with make(USER_QUEUE_LIMIT="99") as world:
        discord = world.discord
        grid = await world.grid()
        members = [User(discord.new_id(), f"member{n}") for n in range(30)]
        presses: list[Interaction] = []
        for member in members:
            presses.append(await discord.press(member, grid, label="U1"))
            discord.tell_bot(discord.events[-1]["d"], discord.guild_id)
        await asyncio.gather(*(press.answered() for press in presses))
        await world.settled()
        clicks = world.clicks(generation_of(grid))
        assert [outcome for *_, outcome in clicks].count("accepted") >= 1
        assert len(clicks) == 30
        assert "Traceback" not in world.bot.log
        assert all("Something went wrong" not in discord.text_of(p.message) for p in presses)


async def test_500_presses_at_once_are_each_answered_in_time(make):
    async with make(USER_QUEUE_LIMIT="99", QUEUE_LIMIT="9999") as world:
        discord = world.discord
        grid = await world.grid()
        world.genart.delay = 60
        presses: list[Interaction] = []
        for number in range(500):
            member = User(discord.new_id(), f"member{number}")
            presses.append(await discord.press(member, grid, label=OPTIONS[5 + number % 4]))
            await asyncio.sleep(0)  # The loopback makes an event of each, and sends it.
        await asyncio.gather(*(press.answered() for press in presses))
        slowest = max(press.latency or 9 for press in presses)
        print(f"The slowest answer took {slowest:.2f} s.")
        assert slowest < 3
        assert len(world.clicks(generation_of(grid))) == 500
