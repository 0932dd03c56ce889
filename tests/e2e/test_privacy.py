"""``/privacy``: a member sees, takes along and deletes what is stored of them."""

from __future__ import annotations

import asyncio
import json
import signal

import pytest

from sandbox.discord import Fault, Interaction, Message
from sandbox.genart import hang
from tests.e2e.conftest import LABELS, World, generation_of, labels

DELETE, DELETE_ALL, KEEP = "Delete my data", "Delete my data and pictures", "Keep everything"


async def ask(world: World, what: str, **more: object) -> Interaction:
    """Send a subcommand of ``/privacy`` and return the interaction once its answer is filled."""
    user = more.pop("user", world.discord.alice)
    asked = await world.discord.slash(user, f"privacy {what}", **more)  # pyright: ignore
    await asked.answered()
    assert asked.message is not None
    message = asked.message
    await world.discord.signal.until(lambda: world.discord.text_of(message), 10)
    assert asked.ephemeral
    return asked


async def told(world: World, message: Message, words: str) -> None:
    """Wait until a message says ``words``."""
    await world.discord.signal.until(lambda: words in world.discord.text_of(message), 10)


async def all_removed(world: World) -> None:
    """Wait until no message is left to be removed."""
    async with asyncio.timeout(30):
        while world.sql("select 1 from removals"):  # noqa: ASYNC110
            await asyncio.sleep(0.1)


def traces(world: World, user_id: int) -> list[str]:
    """Return the tables that hold a user's id in any column."""
    names = [name for (name,) in world.sql("select name from sqlite_master where type = 'table'")]
    return [name for name in names if str(user_id) in str(world.sql(f"select * from {name}"))]  # noqa: S608


@pytest.mark.parametrize("where", ["server", "direct"])
async def test_show_says_what_is_stored_what_is_sent_and_for_how_long(make, where: str):
    async with make(RETENTION_DAYS="90") as world:
        grid = await world.grid()
        await world.press(grid, "V1")
        place = {} if where == "server" else {"guild_id": None}
        words = world.discord.text_of((await ask(world, "show", **place)).message)
        assert "**2** pictures asked for, **1** presses" in words
        assert "90 days" in words
        assert "public" in words
        nothing = world.discord.text_of(
            (await ask(world, "show", user=world.discord.bob, **place)).message
        )
        assert "Nothing at this time" in nothing


async def test_an_export_is_a_file_of_ones_own_rows_alone(world: World):
    grid = await world.grid("a prompt of alice's")
    await world.press(grid, "U1", world.discord.bob)
    asked = await ask(world, "export")
    (file,) = asked.message.attachments
    assert file.filename == "vary-data.json"
    rows = json.loads(file.data)
    assert [row["prompt"] for row in rows["generations"]] == ["a prompt of alice's"]
    assert rows["clicks"] == []
    assert str(world.discord.bob.id) not in file.data.decode()


async def test_nothing_is_deleted_without_a_press(world: World):
    grid = await world.grid()
    asked = await ask(world, "delete")
    assert labels(asked.message) == [DELETE, DELETE_ALL, KEEP]
    await world.press(asked.message, KEEP)
    await told(world, asked.message, "Nothing was deleted")
    assert labels(asked.message) == []
    assert world.sql("select count(*) from generations where user_id != 0") == [(1,)]
    assert labels(await world.result(await world.press(grid, "V1"))) == LABELS


@pytest.mark.parametrize("choice", [DELETE, DELETE_ALL])
async def test_deletion_takes_every_row_and_the_pictures_where_that_is_wished(
    world: World, choice: str
):
    alice, bob = world.discord.alice, world.discord.bob
    grid, others = await world.grid("alice's words"), await world.grid(user=bob)
    await world.tile(await world.press(grid, "U1"))
    consent = await ask(world, "consent")
    await world.press(consent.message, "Nobody else may")
    await world.settled()
    assert {"generations", "clicks", "consents"} <= set(traces(world, alice.id))
    asked = await ask(world, "delete")
    await world.press(asked.message, choice)
    await told(world, asked.message, "is deleted")
    assert traces(world, alice.id) == []
    assert world.sql("select 1 from generations where prompt = ?", "alice's words") == []
    assert world.sql("select count(*) from generations where user_id = 0") == [(2,)]
    if choice == DELETE_ALL:
        await world.discord.signal.until(lambda: grid.deleted, 20)
        await all_removed(world)
        left = [m for m in world.discord.messages.values() if m.author == world.discord.bot]
        assert not any(f"<@{alice.id}>" in world.discord.text_of(m) for m in left)
    else:
        dead = await world.press(grid, "V1", bob)
        assert dead.ephemeral
        assert "don't know this picture" in world.discord.text_of(dead.message)
    assert labels(await world.result(await world.press(others, "V1"))) == LABELS


async def test_what_waits_is_cancelled_and_what_runs_is_dropped(make):
    async with make(GENART_CONCURRENCY="1") as world:
        world.genart.delay = 4
        running = await world.vary("one that runs")
        await world.genart.signal.until(lambda: world.genart.calls, 10)
        waiting = await world.vary("one that waits")
        after = await world.vary("one of bob's", user=world.discord.bob)
        asked = await ask(world, "delete")
        await world.press(asked.message, DELETE)
        await told(world, asked.message, "is deleted")
        assert traces(world, world.discord.alice.id) == []
        assert world.state(waiting) == "cancelled"
        await world.result(after)
        await world.becomes(running, "cancelled")
        assert [call.prompt for call in world.genart.calls] == ["one that runs", "one of bob's"]
        assert world.genart.peak_in_flight == 1
        for card in (running.message, waiting.message):
            await world.discord.signal.until(lambda card=card: card.deleted, 20)
        texts = [world.discord.text_of(m) for m in world.discord.messages.values()]
        assert not any("one that" in text for text in texts)
        assert traces(world, world.discord.alice.id) == []


async def test_a_restart_in_the_middle_of_the_removal_stops_nothing(world: World):
    grids = [await world.grid() for _ in range(4)]
    await world.settled()
    asked = await ask(world, "delete")
    await world.press(asked.message, DELETE_ALL)
    await world.discord.signal.until(lambda: any(grid.deleted for grid in grids), 20)
    world.bot.signal(signal.SIGKILL)
    await world.bot.wait()
    gone = sum(grid.deleted for grid in grids)
    assert 0 < gone < 4
    await world.bot.start()
    for grid in grids:
        await world.discord.signal.until(lambda grid=grid: grid.deleted, 40)
    await all_removed(world)


async def test_a_panel_from_before_a_restart_still_deletes(world: World):
    await world.grid()
    asked = await ask(world, "delete")
    await world.bot.stop()
    await world.bot.start()
    await world.press(asked.message, DELETE)
    await told(world, asked.message, "is deleted")
    assert traces(world, world.discord.alice.id) == []


async def test_a_forged_press_deletes_nobody_elses_data(world: World):
    await world.grid()
    asked = await ask(world, "delete")
    press = await world.discord.press(
        world.discord.bob, asked.message, custom_id="erase:1", forge=True
    )
    await press.answered()
    assert traces(world, world.discord.alice.id) != []
    forged = await world.discord.press(
        world.discord.bob, await world.grid(), custom_id="erase:1", forge=True
    )
    await forged.answered()
    assert forged.ephemeral
    assert world.sql("select count(*) from generations where user_id = 0") == [(0,)]


async def test_messages_that_discord_refuses_to_delete_hold_up_no_others(world: World):
    grids = [await world.grid() for _ in range(2)]
    await world.settled()
    world.discord.fail("DELETE", f"/channels/*/messages/{grids[0].id}", Fault(403, 50013, "no"), 9)
    asked = await ask(world, "delete")
    await world.press(asked.message, DELETE_ALL)
    await world.discord.signal.until(lambda: grids[1].deleted, 20)
    await all_removed(world)


async def test_consent_is_kept_and_shown(world: World):
    asked = await ask(world, "consent")
    assert "**may** vary" in world.discord.text_of(asked.message)
    await world.press(asked.message, "Nobody else may")
    await told(world, asked.message, "Nobody else may vary")
    assert world.sql("select user_id, others_may_vary from consents") == [
        (world.discord.alice.id, 0)
    ]
    again = await ask(world, "consent", guild_id=None)
    assert "Nobody else may vary" in world.discord.text_of(again.message)
    await world.press(again.message, "Others may vary my pictures")
    await told(world, again.message, "**may** vary")


async def test_a_hanging_call_of_a_deleted_member_is_nameless_after_a_restart(make):
    async with make(SHUTDOWN_GRACE="1") as world:
        world.genart.behaviours.append(hang())
        asked = await world.vary("secret words")
        await world.genart.signal.until(lambda: world.genart.calls, 10)
        panel = await ask(world, "delete")
        await world.press(panel.message, DELETE)
        await told(world, panel.message, "is deleted")
        await world.bot.kill()
        await world.bot.start()
        await world.becomes(asked, "interrupted")
        assert traces(world, world.discord.alice.id) == []
        assert generation_of(await world.grid()) != asked.id


async def test_every_command_says_where_it_can_be_used(world: World):
    for command in world.discord.commands:
        assert command["contexts"], command["name"]
        assert command["integration_types"], command["name"]
    everywhere = ([0, 1, 2], [0, 1])
    where = {c["name"]: (c["contexts"], c["integration_types"]) for c in world.discord.commands}
    assert where["privacy"] == where["stats"] == where["account"] == everywhere
