"""kill -9 at random moments while results are private, go where the bot is no member, and start
from a message's picture."""

from __future__ import annotations

import random

import pytest

from sandbox.discord import Interaction, Message, Upload
from tests.e2e.campaign import (
    SETTINGS,
    Damage,
    Members,
    kill_again_and_again,
    look_at_the_ledger,
    look_at_the_messages,
)
from tests.e2e.conftest import LABELS, OPTIONS, World, labels, picture

KILLS = 6


class Wanderer(Members):
    """Alice, who asks in private, abroad and from other members' pictures."""

    def __init__(self, world: World, chance: random.Random, message: Message) -> None:
        super().__init__(world, chance)
        self.message = message
        self.sent = 0

    async def _act(self) -> Interaction:
        world, alice = self.world.discord, self.world.discord.alice
        grids = [m for m in world.messages.values() if labels(m) == LABELS]
        what = self.chance.random()
        if what < 0.2:
            opened = await world.menu(alice, "Vary this picture", self.message)
            try:
                await opened.answered()
            except TimeoutError:
                return opened
            self.sent += 1
            return await world.submit(opened, {"prompt": f"picked {self.sent}"})
        if what < 0.6 or not grids:
            options = {"prompt": f"asked {len(world.interactions)}", "image": self.world.upload()}
            place = self.chance.choice([world.channel_id, world.foreign_channel_id])
            private = place == world.channel_id or self.chance.random() < 0.5
            return await world.slash(
                alice, "vary", options | {"private": private}, channel_id=place
            )
        pressed = await world.press(
            alice, self.chance.choice(grids), label=self.chance.choice(OPTIONS)
        )
        self.clicked.append(pressed)
        return pressed


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", [20_260_301, 20_260_302])
async def test_no_crash_loses_or_doubles_what_only_answers_carry(make, seed: int):
    async with make(**SETTINGS) as world:
        world.genart.delay = 0.3
        world.discord.user_installs.add(world.discord.alice.id)
        message = await world.discord.say(world.discord.bob, "x", Upload("dog.png", picture()))
        wanderer = Wanderer(world, random.Random(seed), message)
        async with wanderer.busy():
            await kill_again_and_again(world, KILLS, wanderer.chance, None)
        await world.settled(120)
        damage = Damage()
        look_at_the_ledger(world, wanderer, damage)
        look_at_the_messages(world, wanderer, damage)
        assert damage == Damage()
        assert "Traceback" not in world.bot.log
        posted = world.sql(
            "select private, origin is not null, guild_id, count(*) from generations "
            "where state = 'posted' group by 1, 2, 3"
        )
        print(posted)
        shown = [m for m in world.discord.messages.values() if labels(m) == LABELS]
        here = [m for m in shown if m.channel_id == world.discord.channel_id]
        assert all(m.ephemeral or "this message" in world.discord.text_of(m) for m in here)
