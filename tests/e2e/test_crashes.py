"""kill -9 at random moments, again and again, while members go on asking and pressing."""

from __future__ import annotations

import asyncio
import random
from collections import Counter

import pytest

from sandbox.discord_model import Interaction, Message
from tests.e2e.conftest import LABELS, World, labels

KILLS = 100
FINAL = {"posted", "failed", "cancelled", "interrupted", "undelivered"}


class Load:
    """Members who ask, press, cancel and try again without end, as chance has it."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world = world
        self.chance = chance
        self.answered: list[Interaction] = []
        self.clicked: list[Interaction] = []

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            await asyncio.sleep(self.chance.uniform(0.02, 0.25))
            await self._act()

    async def _act(self) -> None:
        discord = self.world.discord
        user = self.chance.choice([discord.alice, discord.bob, discord.moderator])
        grids = [m for m in self._messages() if len(labels(m)) == 9]
        retries = [m for m in self._messages() if labels(m) == ["Try again"]]
        what = self.chance.random()
        if what < 0.35 or not grids:
            prompt = f"crash {len(discord.interactions)}"
            options = {"prompt": prompt, "image": self.world.upload()}
            asked = await discord.slash(user, "vary", options)
        elif what < 0.5 and retries:
            asked = await discord.press(user, self.chance.choice(retries), label="Try again")
        else:
            label = self.chance.choice(LABELS)
            asked = await discord.press(user, self.chance.choice(grids), label=label)
            self.clicked.append(asked)
        asyncio.get_running_loop().create_task(self._watch(asked))

    async def _watch(self, asked: Interaction) -> None:
        try:
            await asked.answered()
        except TimeoutError:
            return
        self.answered.append(asked)

    def _messages(self) -> list[Message]:
        return [m for m in self.world.discord.messages.values() if not m.deleted]


async def settle(world: World) -> None:
    """Wait until nothing waits or runs."""
    async with asyncio.timeout(90):
        while world.sql(  # noqa: ASYNC110
            "select 1 from generations where state in ('queued', 'running')"
        ):
            await asyncio.sleep(0.2)
    await asyncio.sleep(1)


@pytest.mark.timeout(900)
async def test_a_hundred_crashes_lose_nothing_and_charge_nothing_twice(make):
    chance = random.Random(20_260_101)
    async with make(tile=32, USER_QUEUE_LIMIT="40") as world:
        world.genart.delay = 0.3
        load = Load(world, chance)
        members = asyncio.create_task(load.run())
        for _ in range(KILLS):
            await asyncio.sleep(chance.uniform(0, 1))
            await world.bot.kill()
            await world.bot.start()
        members.cancel()
        await settle(world)

        states = dict(world.sql("select id, state from generations"))
        assert set(states.values()) <= FINAL
        assert Counter(states.values())["posted"] > 50

        # Every generation that somebody was told of is there.
        told = [a for a in load.answered if not a.ephemeral]
        assert [a.id for a in told if a.id not in states] == []

        # No call without a press: at most one for each generation with that prompt, and one at
        # least for each that was posted.
        paying = "select prompt, state from generations where kind <> 'upscale'"
        asked = world.sql(paying)
        calls = Counter(call.prompt for call in world.genart.calls)
        most = Counter(prompt for prompt, _ in asked)
        least = Counter(prompt for prompt, state in asked if state == "posted")
        assert {p: n for p, n in calls.items() if n > most[p]} == {}
        assert {p: n for p, n in least.items() if n > calls[p]} == {}

        # Every click that was answered is there, once.
        clicks = Counter(id_ for (id_,) in world.sql("select id from clicks"))
        seen = {a.id for a in load.answered}
        assert [a.id for a in load.clicked if a.id in seen and clicks[a.id] != 1] == []

        # Each result is posted once, and only what is posted is.
        posted: Counter[int] = Counter()
        grids: list[Message] = []
        for message in world.discord.messages.values():
            if len(labels(message)) == 9:
                custom_id = world.discord.buttons_of(message)[0]["custom_id"]
                posted[int(custom_id.split(":")[1])] += 1
                grids.append(message)
        kinds = "select id from generations where kind <> 'upscale' and state = 'posted'"
        assert posted == Counter(id_ for (id_,) in world.sql(kinds))

        # Cards of what is over are gone, or say what became of it.
        for message in world.discord.messages.values():
            assert labels(message) != ["Cancel"]

        # Every message's buttons work.
        for grid in grids:
            pressed = await world.press(grid, chance.choice(LABELS[:4]))
            if not pressed.ephemeral:
                await world.tile(pressed)
        some = chance.sample(grids, 10)
        for grid in some:
            pressed = await world.press(grid, chance.choice(LABELS[4:]))
            assert labels(await world.result(pressed)) == LABELS
