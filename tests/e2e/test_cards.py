"""What a card offers while work runs and after it failed."""

from __future__ import annotations

from sandbox.discord import Interaction
from sandbox.genart import answer, hang
from tests.e2e.conftest import LABELS, World, labels


async def _running(world: World) -> Interaction:
    """Ask for a picture; return once the API has been called and the card says so."""
    calls = len(world.genart.calls)
    asked = await world.vary()
    await world.genart.signal.until(lambda: len(world.genart.calls) > calls, 5)
    await world.ends(asked, "Started <t:")
    return asked


def _age(world: World, asked: Interaction, seconds: int) -> None:
    """Have a generation been asked for some seconds earlier."""
    world.sql_write(
        "update generations set created_at = datetime(created_at, ?) where id = ?",
        f"-{seconds} seconds",
        asked.id,
    )


async def test_what_is_discarded_is_kept_to_be_fetched_and_never_posted(world: World):
    world.genart.delay = 2
    asked = await _running(world)
    card = asked.message
    assert card is not None
    no = await world.press(card, "Discard", world.discord.bob)
    assert no.ephemeral
    await world.press(card, "Discard")
    await world.ends(asked, "Discarded. It may still be made")
    assert labels(card) == []
    await world.becomes(asked, "undelivered")
    await world.ends(asked, "The picture is kept for you")
    assert not [m for m in world.discord.messages.values() if labels(m) == LABELS]
    assert [click[1:] for click in world.clicks(asked.id)] == [
        ("Discard", "refused"),
        ("Discard", "accepted"),
    ]
    fetched = await world.discord.slash(world.discord.alice, "fetch")
    await fetched.answered()
    assert labels(await world.result(asked)) == LABELS
    assert len(world.genart.calls) == 1


async def test_the_card_of_what_was_tried_again_links_to_what_came_of_it(world: World):
    world.genart.behaviours.append(answer(500, ""))
    failed = await world.vary()
    await world.ends(failed, "had an error")
    card = failed.message
    assert card is not None
    again = await world.press(card, "Try again")
    grid = await world.result(again)
    await world.discord.wait_for(
        lambda m: m.id == card.id and labels(m) == ["Tried again: see what came of it"]
    )
    (link,) = world.discord.buttons_of(card)
    assert link["url"].endswith(f"/{grid.channel_id}/{grid.id}")


async def test_who_waited_long_for_a_failure_is_called_once_by_a_reply(world: World):
    world.genart.behaviours += [hang(), hang()]
    late, soon = await _running(world), await _running(world)
    _age(world, late, 90)
    await world.bot.kill()
    await world.bot.start()
    await world.ends(late, "I was restarted while making this")
    await world.ends(soon, "I was restarted while making this")
    call = await world.discord.wait_for(lambda m: "didn't work out" in m.content)
    assert late.message is not None
    assert call.reply_to == late.message.id
    assert call.mentions == [world.discord.alice]
    await world.settled()
    calls = [m for m in world.discord.messages.values() if "didn't work out" in m.content]
    assert calls == [call]


async def test_a_private_failure_calls_its_asker_in_private(make):
    async with make() as world:
        world.genart.default = hang()
        options = {"prompt": "a secret", "image": world.upload(), "private": True}
        asked = await world.discord.slash(world.discord.alice, "vary", options)
        await world.genart.signal.until(lambda: world.genart.in_flight, 10)
        _age(world, asked, 90)
        await world.bot.kill()
        world.genart.default = None
        await world.bot.start()
        await world.ends(asked, "I was restarted while making this")
        alice = str(world.discord.alice.id)
        await world.discord.signal.until(lambda: [m for m in asked.followups if m.content], 10)
        assert [m.ephemeral for m in asked.followups if alice in m.content] == [True]
        bot = world.discord.bot
        assert all(m.ephemeral for m in world.discord.messages.values() if m.author == bot)
