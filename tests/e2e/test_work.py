"""``/queue`` and ``/quota``: what waits, what runs, and what may still be asked for."""

from __future__ import annotations

import re
from typing import Any

from sandbox.discord import LoopbackDiscord, Message, User
from sandbox.genart import hang
from tests.e2e.conftest import World, labels

LINE = re.compile(r"\*\*[^*\n]+\*\* for <@(\d+)>")


async def look(world: World, user: User, name: str = "queue", **more: Any) -> Message:
    """Send a command and return its ephemeral answer."""
    asked = await world.discord.slash(user, name, **more)
    await asked.answered()
    assert asked.message is not None
    assert asked.message.ephemeral
    return asked.message


def whose(page: Message) -> list[int]:
    """Return whose work a page shows, in order."""
    return [int(id_) for id_ in LINE.findall(LoopbackDiscord.text_of(page))]


async def test_members_see_their_own_work_and_moderators_everybody_s(make):
    async with make(GENART_CONCURRENCY="1") as world:
        alice, bob, moderator = world.discord.alice, world.discord.bob, world.discord.moderator
        await world.grid("makes an estimate possible")
        world.genart.behaviours.append(hang())
        running = await world.vary("runs **now**")
        await world.becomes(running, "running")
        waiting = await world.describe(user=bob)
        elsewhere = await world.vary("elsewhere", channel_id=world.discord.other_channel_id)
        page = await look(world, alice)
        assert whose(page) == [alice.id, alice.id]
        said = LoopbackDiscord.text_of(page)
        assert "runs \\*\\*now\\*\\*" in said
        assert re.search(r"Running: started <t:\d+:R>, done about <t:\d+:R>", said)
        assert re.search(r"Waiting: place 2, done about <t:\d+:R>", said)
        assert labels(page) == ["Cancel"]
        assert whose(await look(world, bob)) == [bob.id]
        everything = await look(world, moderator)
        assert whose(everything) == [alice.id, bob.id, alice.id]
        assert labels(everything) == ["Cancel", "Cancel"]
        direct = world.discord.other_guild_id
        nothing = await look(world, moderator, guild_id=direct)
        assert "Nothing of this server" in LoopbackDiscord.text_of(nothing)
        await world.bot.stop()
        await world.bot.start()
        await world.becomes(running, "interrupted")
        assert world.state(waiting) != "cancelled"
        assert elsewhere.message is not None


async def test_what_waits_is_cancelled_from_the_list_wherever_it_was_asked_for(make):
    async with make(GENART_CONCURRENCY="1") as world:
        alice, bob, moderator = world.discord.alice, world.discord.bob, world.discord.moderator
        world.genart.behaviours.append(hang())
        running = await world.vary("runs")
        await world.becomes(running, "running")
        theirs = await world.vary("theirs", user=bob)
        mine = await world.vary("mine", channel_id=world.discord.other_channel_id)
        page = await look(world, alice)
        pressed = await world.press(page, "Cancel")
        assert world.state(mine) == "cancelled"
        assert whose(page) == [alice.id]
        assert pressed.answer is not None
        await world.ends(mine, "Cancelled")
        assert world.clicks(mine.id) == [(alice.id, "Cancel", "accepted")]
        everything = await look(world, moderator)
        assert whose(everything) == [alice.id, bob.id]
        await world.press(everything, "Cancel", moderator)
        assert world.state(theirs) == "cancelled"
        assert whose(everything) == [alice.id]
        assert world.clicks(theirs.id) == [(moderator.id, "Cancel", "accepted")]


async def test_moderators_read_no_private_words(make):
    async with make(GENART_CONCURRENCY="1") as world:
        world.genart.behaviours.append(hang())
        options = {"prompt": "secret words", "image": world.upload(), "private": True}
        asked = await world.discord.slash(world.discord.alice, "vary", options)
        await asked.answered()
        await world.becomes(asked, "running")
        everything = await look(world, world.discord.moderator)
        assert whose(everything) == [world.discord.alice.id]
        assert "secret" not in LoopbackDiscord.text_of(everything)
        own = await look(world, world.discord.alice)
        assert "secret words" in LoopbackDiscord.text_of(own)


async def test_nobody_cancels_what_is_anothers(make):
    async with make(GENART_CONCURRENCY="1") as world:
        alice, bob, moderator = world.discord.alice, world.discord.bob, world.discord.moderator
        world.genart.behaviours.append(hang())
        await world.becomes(await world.vary("runs"), "running")
        theirs = await world.vary("theirs", user=bob)
        await world.vary("mine")
        page = await look(world, alice)
        (own,) = LoopbackDiscord.buttons_of(page)
        forged = own["custom_id"].split(":")
        forged[1] = str(theirs.id)
        pressed = await world.discord.press(alice, page, custom_id=":".join(forged), forge=True)
        await pressed.answered()
        assert world.state(theirs) == "queued"
        far = await look(world, moderator, guild_id=world.discord.other_guild_id)
        forged = "qc:" + str(theirs.id) + ":0"
        pressed = await world.discord.press(moderator, far, custom_id=forged, forge=True)
        await pressed.answered()
        assert world.state(theirs) == "queued"


async def test_what_began_meanwhile_is_not_cancelled(make):
    async with make(GENART_CONCURRENCY="1") as world:
        world.genart.behaviours.append(hang())
        await world.becomes(await world.vary("runs"), "running")
        waiting = await world.vary("waits")
        page = await look(world, world.discord.alice)
        world.sql_write("update generations set state = 'running' where id = ?", waiting.id)
        pressed = await world.press(page, "Cancel")
        assert "begun" in LoopbackDiscord.text_of(pressed.message)
        assert world.clicks(waiting.id) == [(world.discord.alice.id, "Cancel", "refused")]


async def test_long_lists_have_pages_that_work_after_a_restart(make):
    async with make(GENART_CONCURRENCY="1", USER_QUEUE_LIMIT="50") as world:
        alice = world.discord.alice
        world.genart.behaviours.extend([hang(), hang()])
        await world.becomes(await world.vary("runs"), "running")
        for number in range(11):
            await world.vary(f"waits {number}")
        page = await look(world, alice)
        assert labels(page) == ["Cancel"] * 9 + ["▶"]
        assert "10 of 12" in LoopbackDiscord.text_of(page)
        await world.bot.kill()
        await world.bot.start()
        await world.press(page, "▶")
        said = LoopbackDiscord.text_of(page)
        assert "of 1" in said
        assert "◀" in labels(page)
        await world.press(page, "◀")
        assert "▶" in labels(page)
        rows = world.sql("select label, outcome from clicks order by id")
        assert rows == [("▶", "accepted"), ("◀", "accepted")]


async def test_who_has_nothing_waiting_is_told_so(shared: World):
    page = await look(shared, shared.discord.bob)
    assert "Nothing of yours" in LoopbackDiscord.text_of(page)


async def test_the_quota_says_what_is_used_left_and_when_there_is_more(make):
    async with make(DAILY_LIMIT="3", GENART_CONCURRENCY="1") as world:
        alice = world.discord.alice
        await world.grid("used")
        world.genart.behaviours.append(hang())
        await world.becomes(await world.vary("runs"), "running")
        said = LoopbackDiscord.text_of(await look(world, alice, "quota"))
        assert "**In 24 hours:** 2 used, 1 left of 3" in said
        assert re.search(r"free again <t:\d+:R>", said)
        assert "1 used, 4 left of 5 (the operator's limit for each user)" in said
        theirs = LoopbackDiscord.text_of(await look(world, world.discord.bob, "quota"))
        assert "**In 24 hours:** 0 used, 3 left of 3" in theirs


async def test_where_there_is_no_limit_the_quota_says_so(shared: World):
    said = LoopbackDiscord.text_of(await look(shared, shared.discord.bob, "quota", guild_id=None))
    assert "**In 24 hours:** 0 used, no limit" in said
