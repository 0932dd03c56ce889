"""``/gallery``: what a member made, found again, with links that work."""

from __future__ import annotations

import pytest

from sandbox.discord import Fault, Interaction, LoopbackDiscord, Message, Request, User
from tests.e2e.conftest import World, generation_of, labels

DAY = 24 * 3600


async def gallery(world: World, user: User | None = None, **options: object) -> Message:
    """Send ``/gallery`` and return its answer once it shows something."""
    place = {key: options.pop(key) for key in ("guild_id", "channel_id") if key in options}
    user = user or world.discord.alice
    asked = await world.discord.slash(user, "gallery", options, **place)  # pyright: ignore
    await asked.answered()
    return await shown(world, asked)


async def shown(world: World, asked: Interaction) -> Message:
    """Return the answer to a command once it shows something."""
    message = asked.message
    assert message is not None
    assert message.ephemeral
    await world.discord.wait_for(lambda m: m.id == message.id and bool(m.components))
    return message


async def turn(world: World, page: Message, label: str, user: User | None = None) -> Message:
    """Press a button of a gallery, and wait until the page has changed."""
    before = page.components
    await world.press(page, label, user)
    await world.discord.wait_for(lambda m: m.id == page.id and m.components != before)
    return page


async def choose(world: World, page: Message, name: str) -> Message:
    """Choose which pictures are shown, and wait until the page has changed."""
    before = page.components
    rows = [row["components"] for row in page.components if row["type"] == 1]
    (menu,) = (component for row in rows for component in row if component["type"] == 3)
    (value,) = (o["value"] for o in menu["options"] if o["label"] == name)
    chosen = await world.discord.select(world.discord.alice, page, [value])
    await chosen.answered()
    await world.discord.wait_for(lambda m: m.id == page.id and m.components != before)
    return page


def pictures(page: Message) -> list[dict[str, object]]:
    """Return the items of a page's media gallery."""
    return [item for part in page.components if part["type"] == 12 for item in part["items"]]


def files(page: Message) -> list[str]:
    """Return the links of a page's pictures without their signatures."""
    return [item["media"]["url"].split("?")[0] for item in pictures(page)]  # pyright: ignore


def file_link(grid: Message, stem: str = "grid") -> str:
    """Return the link of a message's attachment without its signature."""
    (found,) = (a.url for a in grid.attachments if a.filename.startswith(f"{stem}."))
    return found.split("?")[0]


def fetched(requests: list[Request]) -> list[str]:
    """Return which messages were fetched."""
    paths = [r.path for r in requests if r.method == "GET" and "/messages/" in r.path]
    return [path for path in paths if path.startswith("/channels/")]


async def test_pages_turn_and_a_request_is_made_for_each_picture_shown(make):
    async with make(USER_QUEUE_LIMIT="50") as world:
        grids = [await world.grid(f"grid {n}") for n in range(11)]
        await world.settled()
        before = len(world.discord.requests)
        page = await gallery(world)
        assert len(fetched(world.discord.requests[before:])) == 9
        assert files(page) == [file_link(grid) for grid in grids[:1:-1]]
        assert labels(page) == ["▶", "Post here"]
        said = LoopbackDiscord.text_of(page)
        assert f"{world.discord.channel_id}/{grids[-1].id}" in said
        assert "grid 10" in said
        assert pictures(page)[0]["description"] == "grid 10"
        await turn(world, page, "▶")
        assert files(page) == [file_link(grid) for grid in (grids[1], grids[0])]
        assert labels(page) == ["◀", "Post here"]
        world.discord.advance(2 * DAY)
        await world.bot.stop()
        await world.bot.start()
        await turn(world, page, "◀")
        assert files(page) == [file_link(grid) for grid in grids[:1:-1]]
        rows = world.sql("select label, outcome from clicks order by id")
        assert rows == [("▶", "accepted"), ("◀", "accepted")]


async def test_one_chooses_which_pictures_are_shown(make):
    async with make(USER_QUEUE_LIMIT="50") as world:
        alice, bob = world.discord.alice, world.discord.bob
        mine = await world.grid("mine")
        pressed = await world.press(mine, "U2")
        tile = await world.tile(pressed)
        other_channel = next(
            c.id
            for c in world.discord.channels.values()
            if c.guild_id == world.discord.other_guild_id
        )
        elsewhere = await world.grid(
            "elsewhere", guild_id=world.discord.other_guild_id, channel_id=other_channel
        )
        theirs = await world.grid("theirs", user=bob)
        await world.settled()
        world.sql_write(
            "insert into favourites values (?, ?, '2026-01-01 00:00:00.000000')",
            alice.id,
            generation_of(theirs),
        )
        page = await gallery(world)
        assert files(page) == [file_link(elsewhere), file_link(tile, "tile-2"), file_link(mine)]
        await choose(world, page, "Tiles only")
        assert files(page) == [file_link(tile, "tile-2")]
        await choose(world, page, "This server")
        assert files(page) == [file_link(tile, "tile-2"), file_link(mine)]
        await choose(world, page, "Favourites")
        assert files(page) == [file_link(theirs)]
        await choose(world, page, "All")
        assert len(files(page)) == 3
        rows = world.sql("select label, outcome from clicks order by id")
        assert rows == [
            ("U2", "accepted"),
            *((name, "accepted") for name in ("Tiles only", "This server", "Favourites", "All")),
        ]


async def test_of_others_only_what_they_made_in_this_channel_is_shown(world: World):
    alice, bob = world.discord.alice, world.discord.bob
    here = await world.grid("here", user=bob)
    await world.grid("there", user=bob, channel_id=world.discord.other_channel_id)
    await world.settled()
    page = await gallery(world, member=bob)
    assert files(page) == [file_link(here)]
    assert labels(page) == []
    own = await gallery(world, user=bob)
    assert len(files(own)) == 2
    (post,) = (b for b in LoopbackDiscord.buttons_of(own) if b["label"] == "Post here")
    forged = post["custom_id"].replace("gp:", "go:")
    pressed = await world.discord.press(alice, page, custom_id=forged, forge=True)
    await pressed.answered()
    assert files(page) == [file_link(here)]


async def test_what_is_private_is_in_nobody_s_gallery_and_keeps_its_buttons(shared: World):
    """Its message can't be fetched, which doesn't mean that it was deleted."""
    private = await shared.discord.slash(
        shared.discord.bob, "vary", {"prompt": "mine", "image": shared.upload(), "private": True}
    )
    await private.answered()
    grid = await shared.result(private)
    await shared.settled()
    assert grid.ephemeral
    assert files(await gallery(shared, member=shared.discord.bob)) == []
    assert file_link(grid) not in files(await gallery(shared, user=shared.discord.bob))
    pressed = await shared.press(grid, "U1", shared.discord.bob)
    await shared.tile(pressed)


async def test_what_was_deleted_is_left_out_and_not_asked_for_again(world: World):
    kept, gone = await world.grid("kept"), await world.grid("gone")
    await world.settled()
    world.discord.remove(gone)
    page = await gallery(world)
    assert files(page) == [file_link(kept)]
    assert "left out" in LoopbackDiscord.text_of(page)
    before = len(world.discord.requests)
    page = await gallery(world)
    assert len(fetched(world.discord.requests[before:])) == 1
    assert "left out" not in LoopbackDiscord.text_of(page)


async def test_what_cannot_be_fetched_now_is_shown_later(world: World):
    grid = await world.grid("hidden")
    await world.settled()
    path = f"/channels/*/messages/{grid.id}"
    world.discord.fail("GET", path, Fault(403, 50001))
    page = await gallery(world)
    assert files(page) == []
    assert "can't see" in LoopbackDiscord.text_of(page)
    assert files(await gallery(world)) == [file_link(grid)]


async def test_a_page_is_posted_for_everybody(world: World):
    grid = await world.grid("for all <@1> **bold**")
    await world.settled()
    page = await gallery(world)
    pressed = await world.press(page, "Post here")
    posted = await world.discord.wait_for(
        lambda m: (
            not m.ephemeral
            and m.id > grid.id
            and bool(pictures(m))
            and "chose" in LoopbackDiscord.text_of(m)
        )
    )
    assert files(posted) == [file_link(grid)]
    assert posted.pings == []
    assert posted in pressed.followups
    assert world.clicks(generation_of(grid)) == [(world.discord.alice.id, "Post here", "accepted")]


async def test_everything_works_after_a_kill(world: World):
    grid = await world.grid("still here")
    await world.settled()
    page = await gallery(world)
    await world.bot.kill()
    await world.bot.start()
    await choose(world, page, "Tiles only")
    assert files(page) == []
    await choose(world, page, "All")
    await world.bot.kill()
    await world.bot.start()
    pressed = await world.press(page, "Post here")
    await world.discord.wait_for(lambda m: m in pressed.followups and bool(pictures(m)))
    assert files(page) == [file_link(grid)]


async def test_a_page_of_deleted_pictures_is_not_posted(world: World):
    grid = await world.grid()
    await world.settled()
    page = await gallery(world)
    world.discord.remove(grid)
    pressed = await world.press(page, "Post here")
    await world.discord.wait_for(lambda m: m in pressed.followups)
    (said,) = pressed.followups
    assert said.ephemeral
    assert "nothing to post" in LoopbackDiscord.text_of(said)


async def test_who_made_nothing_is_told_how_to(shared: World):
    page = await gallery(shared, user=shared.discord.moderator)
    assert "Use /vary" in LoopbackDiscord.text_of(page)
    assert labels(page) == []


@pytest.mark.parametrize("spoiler", [True, False])
async def test_what_is_hidden_stays_hidden(shared: World, spoiler: bool):
    grid = await shared.grid()
    await shared.settled()
    for part in grid.components:
        for item in part.get("items", []):
            item["spoiler"] = spoiler
    page = await gallery(shared)
    assert pictures(page)[0]["spoiler"] is spoiler


async def test_descriptions_are_in_no_gallery(shared: World):
    result = await shared.result(await shared.describe(user=shared.discord.bob))
    await shared.settled()
    page = await gallery(shared, user=shared.discord.bob)
    assert files(page) == []
    assert generation_of(result)
