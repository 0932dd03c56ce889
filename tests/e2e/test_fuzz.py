"""Interactions of every odd kind that Discord could send: each is answered, and none breaks."""

from __future__ import annotations

import asyncio
import os
import random
from typing import Any

from sandbox.discord import Interaction, Message, Upload
from tests.e2e.conftest import LABELS, World, picture

COUNT = int(os.environ.get("FUZZ", "300"))
"""Interactions in a run; more by hand: FUZZ=10000."""

_AT_ONCE = 25
_SIGNS = "abz 019\n\t*_~`|>#@<:/[](){}\\-,.\u200b\u202e\u0301🎨👩‍🚀日ﷺ"


def words(chance: random.Random, most: int) -> str:
    return "".join(chance.choice(_SIGNS) for _ in range(chance.randint(1, most)))


def custom_id(chance: random.Random, message: Message) -> str:
    """Return a custom_id that may be one of ours, nearly one, or none."""
    number = chance.choice([0, 1, message.id, 2**63 - 1, 2**63, 10**30, chance.getrandbits(63)])
    return chance.choice(
        [
            f"v:{number}:{chance.randint(0, 99)}",
            f"{chance.choice('vcrx')}:{number}",
            f"v:{number}:{chance.randint(0, 9)}:{words(chance, 9)}",
            f"v:-{number}:1",
            words(chance, 100).strip() or "x",
        ]
    )


def overrides(chance: random.Random) -> dict[str, Any]:
    """Return fields of an interaction as other clients, places and versions have them."""
    odd: dict[str, list[Any]] = {
        "app_permissions": ["0", str(2**53), str(2**40 - 1)],
        "attachment_size_limit": [0, 1, 10 * 2**20, 500 * 2**20],
        "locale": ["de", "zh-CN", "xx"],
        "channel_id": [str(chance.getrandbits(60))],
        "a_field_of_tomorrow": [None, {"deep": [[]]}, "x" * 1_000],
        "entitlements": [[]],
    }
    return {key: chance.choice(odd[key]) for key in chance.sample(list(odd), chance.randint(0, 3))}


async def interact(world: World, chance: random.Random, grid: Message) -> Interaction:
    """Send one interaction."""
    discord = world.discord
    user = chance.choice([discord.alice, discord.bob, discord.moderator])
    if chance.random() < 0.5:
        upload = Upload(
            words(chance, 20).strip() or "x",
            chance.choice([picture(), b"", b"no picture", picture()[:40]]),
            chance.choice(["image/png", "text/html", "", "image/svg+xml"]),
        )
        options = {"prompt": words(chance, chance.choice([5, 300, 1_700])), "image": upload}
        return await discord.slash(user, "vary", options, overrides=overrides(chance))
    if chance.random() < 0.5:
        return await discord.press(
            user, grid, label=chance.choice(LABELS), overrides=overrides(chance)
        )
    return await discord.press(
        user, grid, custom_id=custom_id(chance, grid), forge=True, overrides=overrides(chance)
    )


async def test_every_odd_interaction_is_answered(make: Any):
    chance = random.Random(20_261_125)
    limits = {"USER_QUEUE_LIMIT": "100000", "QUEUE_LIMIT": "100000", "GENART_CONCURRENCY": "9"}
    async with make(**limits) as world:
        grid = await world.grid()
        for _ in range(0, COUNT, _AT_ONCE):
            asked = [await interact(world, chance, grid) for _ in range(_AT_ONCE)]
            await asyncio.gather(*(one.answered(5) for one in asked))
        assert "Traceback" not in world.bot.log
        assert "Incident" not in world.bot.log
        assert world.bot.returncode is None
