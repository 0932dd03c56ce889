"""kill -9 at random moments, a hundred times, while members go on asking and pressing; half of
the times both services fail now and then."""

from __future__ import annotations

import random
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from tests import postgres
from tests.e2e.campaign import (
    SETTINGS,
    Damage,
    Members,
    campaign,
    look_at_the_ledger,
    look_at_the_messages,
)
from tests.e2e.conftest import World

SEEDS, KILLS = range(20_260_101, 20_260_111), 10
SEEDS_ON_POSTGRESQL = range(20_260_201, 20_260_205)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS)
async def test_crashes_lose_nothing_and_charge_nothing_twice(make, seed: int):
    async with make(**SETTINGS) as world:
        report = await campaign(world, seed, KILLS, weather=seed % 2 == 0)
        print(report)
        assert report.damage == Damage()
        assert report.states["posted"] >= KILLS // 3


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS_ON_POSTGRESQL)
async def test_crashes_of_bot_workers_and_server_lose_nothing_and_charge_nothing_twice(
    make, seed: int
):
    """Three processes at one PostgreSQL server: each is killed, the workers are paused, the server
    crashes."""
    with postgres.running() as server:
        more = {**SETTINGS, "workers": 2, "DATABASE_URL": server.database()}
        async with make(**more) as world:
            report = await campaign(world, seed, KILLS, weather=seed % 2 == 0, server=server)
            print(report)
            assert report.damage == Damage()
            assert report.states["posted"] >= KILLS // 3


async def test_what_a_campaign_looks_for_is_found(world: World):
    asked = await world.vary("seen")
    grid = await world.result(asked)
    pressed = await world.press(grid, "U1")
    await world.tile(pressed)
    await world.settled()
    members = Members(world, random.Random(0))
    members.answered += [asked, pressed]
    members.clicked.append(pressed)

    def seen() -> Damage:
        damage = Damage()
        look_at_the_ledger(world, members, damage)
        look_at_the_messages(world, members, damage)
        return damage

    assert seen() == Damage()
    await world.bot.kill()
    world.genart.calls.append(world.genart.calls[0])
    world.discord.messages[0] = replace(grid, id=0)
    assert seen() == Damage(charged_twice=["seen"], lost=["seen"], posted_twice=[asked.id])
    world.genart.calls.clear()
    del world.discord.messages[0]
    card = replace(grid, id=0, components=[{"type": 10, "content": "Started <t:1:R>"}])
    world.discord.messages[0] = card
    with closing(sqlite3.connect(world.database)) as connection, connection:
        connection.execute("delete from clicks")
        connection.execute("delete from generations where kind = 'upscale'")
    found = seen()
    assert found.dead_cards == ["0 [] 'Started <t:1:R>'"]
    assert found.missing_clicks == [pressed.id]
    assert found.posted_without_a_call == ["seen"]
    assert found.lost == [pressed.id]
