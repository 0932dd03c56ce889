"""The Apps menu of a message, on anybody's."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.discord import Interaction, Message, Upload
from tests.e2e.conftest import LABELS, World, file_of, labels, picture, pixels

VARY, DESCRIBE, DELETE = "Vary this picture", "Describe this picture", "Delete this picture"
DAY = 24 * 3600


async def choose(world: World, name: str, message: Message, user: Any = None) -> Interaction:
    """Choose an entry of a message's menu; return the answered interaction."""
    chosen = await world.discord.menu(user or world.discord.alice, name, message)
    await chosen.answered()
    return chosen


async def submit(world: World, opened: Interaction, **values: Any) -> Interaction:
    """Send a modal with what was typed and chosen."""
    sent = await world.discord.submit(opened, values)
    await sent.answered()
    return sent


def fields(opened: Interaction) -> dict[str, dict[str, Any]]:
    """Return a modal's fields by custom_id."""
    assert opened.modal is not None
    parts = (part["component"] for part in opened.modal["components"])
    return {part["custom_id"]: part for part in parts}


def said(world: World, answered: Interaction) -> str:
    """Return what somebody was told in private."""
    assert answered.ephemeral
    assert answered.message is not None
    return world.discord.text_of(answered.message)


async def test_a_picture_of_anybody_s_message_becomes_new_ones(shared: World):
    data = picture()
    message = await shared.discord.say(shared.discord.bob, "look", Upload("dog.png", data))
    opened = await choose(shared, VARY, message)
    assert list(fields(opened)) == ["prompt"]
    sent = await submit(shared, opened, prompt="a dog in a hat")
    grid = await shared.result(sent)
    assert labels(grid) == LABELS
    assert shared.call_for("a dog in a hat").source == data
    assert file_of(grid, "source") == data
    link = f"https://discord.com/channels/{message.guild_id}/{message.channel_id}/{message.id}"
    assert link in shared.discord.text_of(grid)
    again = await shared.result(await shared.press(grid, "🔄"))
    assert link in shared.discord.text_of(again)
    variation = await shared.result(await shared.press(grid, "V1"))
    assert link not in shared.discord.text_of(variation)


async def test_with_several_pictures_a_name_is_chosen(shared: World):
    pictures = {name: picture() for name in ("one.png", "two.jpg", "three.webp")}
    uploads = [Upload(name, data) for name, data in pictures.items()]
    message = await shared.discord.say(
        shared.discord.bob, "three", *uploads, Upload("notes.txt", b"x", "text/plain")
    )
    opened = await choose(shared, VARY, message)
    options = [option["label"] for option in fields(opened)["picture"]["options"]]
    assert options == ["1. one.png", "2. two.jpg", "3. three.webp"]
    sent = await submit(shared, opened, prompt="the third of three", picture=["2"])
    await shared.result(sent)
    assert shared.call_for("the third of three").source == pictures["three.webp"]
    first = await submit(shared, opened, prompt="the first of three")
    await shared.result(first)
    assert shared.call_for("the first of three").source == pictures["one.png"]


async def test_a_modal_that_is_sent_after_a_restart_is_processed(world: World):
    data = picture()
    message = await world.discord.say(world.discord.bob, "look", Upload("dog.png", data))
    opened = await choose(world, VARY, message)
    await world.bot.kill()
    await world.bot.start()
    await world.result(await submit(world, opened, prompt="still a dog"))
    assert world.call_for("still a dog").source == data


async def test_a_result_s_own_pictures_can_be_picked(shared: World):
    grid = await shared.grid("a garden")
    opened = await choose(shared, VARY, grid, shared.discord.bob)
    options = [option["label"] for option in fields(opened)["picture"]["options"]]
    assert options == ["1. source.png", "2. grid.png"]
    sent = await submit(shared, opened, prompt="all of it", picture=["1"])
    await shared.result(sent)
    assert pixels(shared.call_for("all of it").source) == pixels(file_of(grid, "grid"))


async def test_a_picture_is_described_at_once_or_after_a_choice(shared: World):
    data = picture()
    one = await shared.discord.say(shared.discord.bob, "look", Upload("dog.png", data))
    asked = await choose(shared, DESCRIBE, one)
    assert asked.message is not None
    await shared.becomes(asked, "posted")
    ((described,),) = shared.sql("select message_id from generations where id = ?", asked.id)
    assert str(one.id) in shared.discord.text_of(shared.discord.messages[described])
    two = await shared.discord.say(
        shared.discord.bob, "look", Upload("dog.png", data), Upload("cat.png", picture())
    )
    opened = await choose(shared, DESCRIBE, two)
    assert list(fields(opened)) == ["picture"]
    sent = await submit(shared, opened, picture=["1"])
    await shared.becomes(sent, "posted")


async def test_a_refusal_gives_the_words_back(shared: World):
    message = await shared.discord.say(shared.discord.bob, "x", Upload("dog.png", picture()))
    opened = await choose(shared, VARY, message)
    refused = await submit(shared, opened, prompt="a dog --turbo")
    assert "--turbo" in said(shared, refused)
    assert "a dog --turbo" in said(shared, refused)


@pytest.mark.parametrize("name", [VARY, DESCRIBE])
async def test_a_message_without_pictures_is_said_to_have_none(shared: World, name: str):
    message = await shared.discord.say(
        shared.discord.bob, "words", Upload("notes.txt", b"x", "text/plain")
    )
    assert "no picture" in said(shared, await choose(shared, name, message))


async def test_only_results_can_be_deleted(shared: World):
    message = await shared.discord.say(shared.discord.bob, "x", Upload("dog.png", picture()))
    assert "only pictures that I posted" in said(shared, await choose(shared, DELETE, message))


async def test_a_result_is_deleted_after_a_question(shared: World):
    grid = await shared.grid("short-lived")
    another = await shared.grid("another")
    await shared.settled()
    refused = await choose(shared, DELETE, grid, shared.discord.bob)
    assert refused.ephemeral
    asked = await choose(shared, DELETE, grid)
    assert asked.ephemeral
    assert asked.message is not None
    await shared.press(asked.message, labels(asked.message)[0])
    await shared.discord.signal.until(lambda: grid.deleted, 10)
    again = await choose(shared, DELETE, another, shared.discord.moderator)
    assert again.message is not None
    assert "elete" in labels(again.message)[0]


async def test_a_modal_is_its_own_member_s_and_lives_for_a_day(world: World):
    message = await world.discord.say(world.discord.bob, "x", Upload("dog.png", picture()))
    opened = await choose(world, VARY, message)
    bob = world.discord.bob.payload()
    member = {**world.discord.bob.member(), "user": bob}
    forged = await world.discord.submit(opened, {"prompt": "mine"}, overrides={"member": member})
    await forged.answered()
    assert "don't know any more" in said(world, forged)
    world.sql_write("update picked_messages set id = id - ?", (DAY * 1000 + 60_000) << 22)
    await choose(world, VARY, message)
    assert world.sql("select count(*) from picked_messages") == [(1,)]
    late = await submit(world, opened, prompt="too late")
    assert "don't know any more" in said(world, late)
    assert world.genart.calls == []


async def test_a_member_may_keep_their_pictures_to_themselves(shared: World):
    bob = shared.discord.bob
    message = await shared.discord.say(bob, "mine", Upload("dog.png", picture()))
    opened = await choose(shared, VARY, message)
    asked = await shared.discord.slash(bob, "privacy consent")
    await asked.answered()
    assert asked.message is not None
    allow, forbid = labels(asked.message)
    await shared.press(asked.message, forbid, bob)
    for name in (VARY, DESCRIBE):
        assert "doesn't let others" in said(shared, await choose(shared, name, message))
    assert "doesn't let others" in said(shared, await submit(shared, opened, prompt="a dog"))
    own = await choose(shared, VARY, message, bob)
    assert own.modal is not None
    await shared.press(asked.message, allow, bob)
    await shared.result(await submit(shared, opened, prompt="a dog after all"))


async def test_a_private_picture_makes_private_ones(shared: World):
    options = {"prompt": "a secret", "image": shared.upload(), "private": True}
    asked = await shared.discord.slash(shared.discord.alice, "vary", options)
    grid = await shared.result(asked)
    opened = await choose(shared, VARY, grid)
    sent = await submit(shared, opened, prompt="another secret", picture=["1"])
    assert sent.ephemeral
    assert (await shared.result(sent)).ephemeral


async def test_the_menu_works_where_the_bot_is_no_member(shared: World):
    alice = shared.discord.alice
    shared.discord.user_installs.add(alice.id)
    for place in (shared.discord.foreign_channel_id, shared.discord.private_channel_id):
        data = picture()
        message = await shared.discord.say(
            shared.discord.bob, "x", Upload("dog.png", data), channel_id=place
        )
        sent = await submit(shared, await choose(shared, VARY, message), prompt=f"abroad {place}")
        grid = await shared.result(sent)
        assert sent.message is not None
        assert grid.id == sent.message.id
        assert shared.call_for(f"abroad {place}").source == data


async def choose_changed(world: World, message: Message, **changes: Any) -> Interaction:
    """Choose "Vary this picture" on a message that Discord tells otherwise."""
    (command,) = (c for c in world.discord.commands if c["name"] == VARY)
    told = message.payload | changes
    data = {"id": command["id"], "name": VARY, "type": 3, "target_id": told["id"]}
    data["resolved"] = {"messages": {told["id"]: told}}
    chosen = await world.discord.menu(world.discord.alice, VARY, message, overrides={"data": data})
    await chosen.answered()
    return chosen


def embed(url: str, proxy_url: str | None, **more: Any) -> dict[str, Any]:
    """Return an embed with an image as Discord tells it."""
    image = {"url": url, "width": 9, "height": 9} | ({"proxy_url": proxy_url} if proxy_url else {})
    return {"id": "1", "type": "rich", "image": image, **more}


async def test_embeds_come_through_discord_s_own_hosts(shared: World):
    data = picture()
    message = await shared.discord.say(shared.discord.bob, "x", Upload("dog.png", data))
    proxied = message.payload["attachments"][0]["url"]
    opened = await choose_changed(
        shared,
        message,
        attachments=[],
        embeds=[
            embed("https://elsewhere.example/secret.png", None),
            embed("https://elsewhere.example/video.png", proxied, type="video"),
            embed("https://elsewhere.example/a.png", proxied, title="A dog"),
            embed("https://a.example/b.png", "https://images-ext-1.discordapp.net/external/b.png"),
        ],
    )
    options = [option["label"] for option in fields(opened)["picture"]["options"]]
    assert options == ["1. A dog", "2. b.png"]
    await shared.result(await submit(shared, opened, prompt="through a proxy"))
    call = shared.call_for("through a proxy")
    assert (call.source, call.image_url) == (data, proxied)


async def test_stickers_that_are_pictures_and_forwards_are_found(shared: World):
    message = await shared.discord.say(shared.discord.bob, "x", Upload("dog.png", picture()))
    told = message.payload
    kept = ("type", "content", "embeds", "attachments", "timestamp", "edited_timestamp")
    kept += ("flags", "mentions", "mention_roles", "components")
    snapshot = {key: told[key] for key in kept}
    opened = await choose_changed(
        shared,
        message,
        attachments=[],
        sticker_items=[
            {"id": str(number), "name": name, "format_type": number}
            for number, name in enumerate(("still", "moving", "drawn", "gif"), 1)
        ],
        message_snapshots=[{"message": snapshot}],
    )
    options = [option["label"] for option in fields(opened)["picture"]["options"]]
    assert options == [
        "1. Sticker: still",
        "2. Sticker: moving",
        "3. Sticker: gif",
        "4. dog.png",
    ]
