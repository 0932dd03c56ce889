"""Fronts and workers as processes of their own, over one SQLite file on one machine."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
from collections import Counter

import pytest

from sandbox.bot_process import BotProcess
from tests.e2e.conftest import LABELS, OPTIONS, labels
from tests.e2e.roles import company


async def test_a_gateway_and_a_worker_share_the_work(tmp_path):
    async with company(tmp_path) as ready:
        await asyncio.gather(ready.start("gateway"), ready.start("worker"))
        gateway, worker = ready.processes
        grid = await ready.world.grid("a cat")
        assert labels(grid) == LABELS
        assert (await ready.world.tile(await ready.world.press(grid, "U1"))).attachments
        assert ready.discord.gateway.identifies == 1
        assert [await process.stop() for process in (gateway, worker)] == [0, 0]


async def test_a_front_answers_while_there_is_no_worker(tmp_path):
    async with company(tmp_path) as ready:
        await ready.start("gateway")
        asked = await ready.world.vary("a cat")
        await asyncio.sleep(1)
        assert ready.world.state(asked) == "queued"
        await ready.start("worker")
        await ready.world.result(asked)


async def test_two_gateways_divide_the_shards_and_identify_in_turn(tmp_path):
    async with company(tmp_path) as ready:
        discord = ready.discord
        discord.shards, discord.max_concurrency = 2, 1
        first = await ready.launch("gateway", SHARD_COUNT="2", SHARD_IDS="0")
        second = await ready.launch("gateway", SHARD_COUNT="2", SHARD_IDS="1")
        await asyncio.gather(*(process.says("Ready as user") for process in (first, second)))
        assert {session.shard for session in discord.gateway.connected} == {(0, 2), (1, 2)}
        earlier, later = discord.gateway.identified_at
        assert later - earlier >= 5
        await ready.start("worker")
        guild = next(id_ for id_ in itertools.count(1 << 22, 1 << 22) if (id_ >> 22) % 2 == 1)
        discord.guild_ids.append(guild)
        other = discord.add_channel(guild, "on the other shard")
        for place in (discord.channel_id, other):
            assert labels(await ready.world.grid(channel_id=place)) == LABELS


async def test_shards_that_do_not_exist_are_refused(tmp_path):
    async with company(tmp_path) as ready:
        process = await ready.launch("gateway", SHARD_COUNT="2", SHARD_IDS="0,2")
        assert await process.wait() == os.EX_CONFIG
        assert process.log.startswith("SHARD_IDS must be below SHARD_COUNT")


@pytest.mark.parametrize("role", ["gateway", "endpoint", "worker"])
async def test_each_role_ends_at_sigterm(tmp_path, role: str):
    async with company(tmp_path) as ready:
        process = await ready.start(role)
        process.signal(signal.SIGTERM)
        assert await process.wait(10) == 0
        assert process.log.endswith("bot: Stopped.\n")


async def test_a_worker_finishes_what_runs_when_it_is_told_to_stop(tmp_path):
    async with company(tmp_path) as ready:
        ready.genart.delay = 1.5
        await ready.start("gateway")
        worker = await ready.start("worker")
        asked = await ready.world.vary("a cat")
        await ready.world.becomes(asked, "running")
        assert await worker.stop() == 0
        assert ready.world.state(asked) == "posted"


@pytest.mark.parametrize("arguments", [("-m", "bot"), ("-m", "bot", "gateway")])
async def test_what_a_gateway_has_received_is_answered_before_it_ends(tmp_path, arguments):
    async with company(tmp_path) as ready:
        bot = ready.world.bot
        bot.arguments = arguments
        await bot.start()
        await ready.world.vary()
        asked = []
        for _ in range(5):
            options = {"prompt": f"{len(asked)}", "image": ready.world.upload()}
            asked.append(await ready.discord.slash(ready.discord.alice, "vary", options))
        while not ready.world.sql("select 1 from generations limit 1 offset 1"):  # noqa: ASYNC110
            await asyncio.sleep(0.002)
        assert await bot.stop() == 0
        stored = {id_ for (id_,) in ready.world.sql("select id from generations")}
        assert all(interaction.answer for interaction in asked if interaction.id in stored)


async def test_endpoints_are_replaced_without_a_gap(tmp_path):
    async with company(tmp_path, USER_QUEUE_LIMIT="500") as ready:
        asked = []

        async def ask() -> None:
            while True:
                options = {"prompt": f"{len(asked)}", "image": ready.world.upload()}
                asked.append(await ready.discord.slash(ready.discord.alice, "vary", options))
                await asyncio.sleep(0.1)

        old = [await ready.start("endpoint"), await ready.start("endpoint")]
        asking = asyncio.create_task(ask())
        for endpoint in old:
            await ready.start("endpoint")
            assert await endpoint.stop() == 0
        asking.cancel()
        await asyncio.gather(*(interaction.answered() for interaction in asked))
        assert len(asked) > 10
        assert {reply.status for reply in ready.discord.endpoint.replies} == {202}


async def test_a_gateway_that_is_killed_leaves_everything_as_it_was(tmp_path):
    async with company(tmp_path) as ready:
        gateway, _ = [await ready.start("gateway"), await ready.start("worker")]
        grid = await ready.world.grid()
        ready.genart.delay = 1
        asked = await ready.world.vary()
        await gateway.kill()
        await ready.world.result(asked)
        await gateway.launch()
        await ready.discord.connected(2)
        assert (await ready.world.tile(await ready.world.press(grid, "U1"))).attachments


@pytest.mark.timeout(180)
async def test_kill_9_of_any_process_loses_and_repeats_nothing(tmp_path):
    chance = random.Random(20_261_125)
    async with company(tmp_path, USER_QUEUE_LIMIT="50") as ready:
        roles = {"endpoint": 2, "worker": 2}
        ready.genart.delay = 0.1
        alive: list[tuple[str, BotProcess]] = []
        for role, number in roles.items():
            for _ in range(number):
                alive.append((role, await ready.start(role)))
        asked = []
        for _ in range(6):
            for _ in range(4):
                user = chance.choice([ready.discord.alice, ready.discord.bob])
                options = {"prompt": f"{len(asked)}", "image": ready.world.upload()}
                asked.append(await ready.discord.slash(user, "vary", options))
                await asyncio.sleep(0.1)
            role, process = alive.pop(chance.randrange(len(alive)))
            await ready.kill(process)
            alive.append((role, await ready.start(role)))
        await ready.world.settled(60)
        answered = [interaction for interaction in asked if interaction.answer]
        states = Counter(ready.world.state(interaction) for interaction in answered)
        print(states)
        assert set(states) <= {"posted", "interrupted"}
        assert states["posted"] >= len(asked) // 2
        calls = Counter(call.prompt for call in ready.genart.calls)
        assert max(calls.values()) == 1
        prefixes = Counter(
            button["custom_id"].split(":")[1]
            for message in ready.discord.messages.values()
            for button in ready.discord.buttons_of(message)
            if not message.deleted and button.get("custom_id", "").startswith("v:")
        )
        assert set(prefixes.values()) == {len(OPTIONS)}
