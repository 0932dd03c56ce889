"""Equal prompts: at once where the API tells them apart, else one after the other."""

from __future__ import annotations

import asyncio

from sandbox.genart import change, hang
from tests.e2e.conftest import World, generation_of

REASON = "waits until the same prompt is done"


async def press_all(world: World) -> int:
    """Press V1 to V3 of a new grid; return how many calls were under way at the same time."""
    grid = await world.grid()
    world.genart.delay, world.genart.peak_in_flight = 1, 0
    pressed = await asyncio.gather(*(world.press(grid, f"V{n}") for n in (1, 2, 3)))
    for press in pressed:
        await world.result(press)
    world.genart.delay = 0.05
    return world.genart.peak_in_flight


async def test_variations_of_one_grid_run_at_once_where_answers_are_marked(world: World):
    await world.grid()
    assert await press_all(world) == 3
    await world.bot.kill()
    await world.bot.start()
    await asyncio.sleep(1)
    assert await press_all(world) == 3


async def test_variations_of_one_grid_run_one_by_one_where_answers_are_not(world: World):
    world.genart.marked = False
    await world.grid()
    assert await press_all(world) == 1


async def test_an_answer_that_is_another_s_is_never_posted_and_brings_the_rule_back(world: World):
    await world.grid()
    grid = await world.grid("a cat")
    world.genart.behaviours.append(change(content="[77] <https://s.mj.run/x> a dog"))
    pressed = await world.press(grid, "V1")
    await world.ends(pressed, "makes no sense")
    await world.becomes(pressed, "failed")
    assert world.sql("select error, result from generations where id = ?", pressed.id) == [
        ("nonsense", None)
    ]
    assert "another prompt" in world.bot.log
    shown = [
        message
        for message in world.discord.messages.values()
        if any(
            button.get("custom_id", "").startswith(f"v:{pressed.id}:")
            for button in world.discord.buttons_of(message)
        )
    ]
    assert shown == []
    assert await press_all(world) == 1
    assert generation_of(grid) != pressed.id


async def test_a_card_says_that_it_waits_for_the_same_prompt(world: World):
    world.genart.marked = False
    world.genart.behaviours.append(hang())
    await world.vary("the same")
    await world.genart.signal.until(lambda: world.genart.calls, 5)
    same = await world.vary("the same", user=world.discord.bob)
    await world.ends(same, REASON)
    other = await world.vary("another")
    grid = await world.result(other)
    assert REASON not in world.discord.text_of(grid)
