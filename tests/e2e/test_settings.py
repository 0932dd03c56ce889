"""What a server's owners choose holds for everybody, forged clients included."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from sandbox.discord import Fault, Interaction, Message, User
from sandbox.discord.components import walk
from sandbox.discord.permissions import ADMINISTRATOR, MANAGE_GUILD, MEMBER
from sandbox.genart import hang
from tests.e2e.conftest import World, labels


def owner_of(world: World) -> User:
    """Return a member with the permission Manage Server."""
    return User(world.discord.new_id(), "owner", MEMBER | MANAGE_GUILD)


class Panel:
    """The panel of ``/settings`` as its owner uses it."""

    def __init__(self, world: World, user: User, message: Message) -> None:
        self.world = world
        self.user = user
        self.message = message

    @classmethod
    async def open(cls, world: World, user: User | None = None) -> Panel:
        user = user or owner_of(world)
        opened = await world.discord.slash(user, "settings")
        await opened.answered()
        assert opened.ephemeral
        assert opened.message is not None
        return cls(world, user, opened.message)

    @property
    def words(self) -> str:
        return self.world.discord.text_of(self.message)

    async def turn(self, page: str) -> None:
        """Show another page."""
        menu = self._menu("sp")
        (number,) = (o["value"] for o in menu["options"] if o["label"] == page)
        await self._done(await self._select([number], "sp"))
        assert f"Settings: {page}" in self.words

    async def choose(self, number: int, *values: Any) -> None:
        """Choose values in a select menu."""
        await self._done(await self._select(list(values), f"sc:{number}"))

    async def press(self, label: str) -> None:
        """Press a button that saves."""
        await self._done(await self.world.press(self.message, label, self.user))

    async def write(self, label: str, **values: Any) -> Interaction:
        """Open a modal and send it."""
        opened = await self.world.press(self.message, label, self.user)
        sent = await self.world.discord.submit(opened, values)
        await sent.answered()
        return sent

    def chosen(self, custom_id: str) -> list[str]:
        """Return what a select menu shows as chosen."""
        menu = self._menu(custom_id)
        options = [o["value"] for o in menu.get("options", []) if o.get("default")]
        return options + [str(value["id"]) for value in menu.get("default_values", [])]

    def _menu(self, custom_id: str) -> dict[str, Any]:
        (menu,) = (c for c in walk(self.message.components) if c.get("custom_id") == custom_id)
        return menu

    async def _select(self, values: list[Any], custom_id: str) -> Interaction:
        interaction = await self.world.discord.select(
            self.user, self.message, values, custom_id=custom_id
        )
        await interaction.answered()
        return interaction

    async def _done(self, interaction: Interaction) -> None:
        assert interaction.message is self.message, self.world.discord.text_of(interaction.message)


def said(world: World, interaction: Interaction) -> str:
    """Return what an ephemeral answer says."""
    assert interaction.message is not None
    assert interaction.ephemeral
    return world.discord.text_of(interaction.message)


async def refused(world: World, user: User, words: str, **more: Any) -> None:
    """Check that ``/vary`` is refused with some words."""
    assert words in said(world, await world.vary(user=user, **more))


async def test_words_typed_in_a_modal_are_given_back_wherever_they_are_refused(make):
    async with make() as world:
        opened = await world.press(await world.grid(), "Remix")
        panel = await Panel.open(world)
        artist = world.discord.add_role(world.discord.guild_id, "artist")
        await panel.choose(2, artist)
        sent = await world.discord.submit(opened, {"prompt": "a *long* prompt", "start": ["0"]})
        await sent.answered()
        assert f"<@&{artist.id}>" in said(world, sent)
        assert "a *long* prompt" in said(world, sent)
        assert world.state(sent) is None


async def test_where_and_who(make):
    async with make() as world:
        discord = world.discord
        grid = await world.grid()
        panel = await Panel.open(world)
        other = discord.channel(discord.other_channel_id)
        await panel.choose(1, other)
        assert panel.chosen("sc:1") == [str(other.id)]
        await refused(world, discord.alice, f"<#{other.id}>")
        await refused(world, panel.user, f"<#{other.id}>")
        pressed = await world.press(grid, "V1")
        assert "can't be used in this channel" in said(world, pressed)
        await world.vary(channel_id=other.id)
        thread = discord.add_thread(other.id)
        assert not (await world.vary(channel_id=thread)).ephemeral
        await panel.choose(1)

        artist = discord.add_role(discord.guild_id, "artist")
        await panel.choose(2, artist)
        await refused(world, discord.alice, f"<@&{artist.id}>")
        discord.alice.roles.append(artist.id)
        assert not (await world.vary()).ephemeral
        await panel.choose(2)

        await panel.choose(5, discord.bob)
        await refused(world, discord.bob, "turned that off")
        assert "turned that off" in said(world, await world.press(grid, "U1", discord.bob))
        await panel.choose(5)
        assert not (await world.vary(user=discord.bob)).ephemeral

        await panel.choose(3, "asker")
        assert "only the one who asked" in said(world, await world.press(grid, "V2", discord.bob))
        assert not (await world.press(grid, "V2", discord.alice)).ephemeral
        await panel.choose(3, "role")
        await panel.choose(4, artist)
        discord.alice.roles.clear()
        discord.bob.roles.append(artist.id)
        await world.tile(await world.press(grid, "U2", discord.bob))
        outcomes = [outcome for _, _, outcome in world.clicks(grid_id(grid))]
        assert outcomes.count("refused") == 3
        await world.settled()


def grid_id(grid: Message) -> int:
    button = next(c for c in walk(grid.components) if c["type"] == 2)
    return int(button["custom_id"].split(":")[1])


async def test_limits_of_members_roles_and_the_server(make):
    async with make(DAILY_LIMIT="5", USER_QUEUE_LIMIT="50") as world:
        discord = world.discord
        panel = await Panel.open(world)
        await panel.turn("Limits")
        assert "operator allows 5" in panel.words
        answer = await panel.write("Change these limits", member="6")
        assert "0 to 5" in said(world, answer)
        answer = await panel.write("Change these limits", member="many")
        assert "many" in said(world, answer)
        await panel.write("Change these limits", member="1", server="4")
        assert "1 pictures" in panel.words
        await world.grid()
        told = said(world, await world.vary())
        assert "You've used all 1 of today's pictures in this server" in told
        assert re.search(r"<t:\d+:t> \(<t:\d+:R>\)", told)
        rich = discord.add_role(discord.guild_id, "rich")
        free = discord.add_role(discord.guild_id, "free")
        await panel.write("Set a role's limit", roles=[rich], limit="2")
        assert f"<@&{rich.id}>: 2" in panel.words
        discord.alice.roles.append(rich.id)
        await world.grid()
        await refused(world, discord.alice, f"<@&{rich.id}>")
        await panel.choose(6, free)
        discord.bob.roles.append(free.id)
        await world.grid(user=discord.bob)
        await world.grid(user=discord.bob)
        await refused(world, discord.bob, "This server has used all 4 of today's pictures")
        await panel.write("Set a role's limit", roles=[rich], limit="")
        assert f"<@&{rich.id}>" not in panel.words


async def test_ten_presses_at_once_never_pass_three(make):
    async with make(SERVER_DAILY_LIMIT="4", USER_QUEUE_LIMIT="50") as world:
        grid = await world.grid()
        people = [User(world.discord.new_id(), f"member{n}") for n in range(10)]
        pressed = await asyncio.gather(*(world.press(grid, "V1", user) for user in people))
        accepted = [p for p in pressed if not p.ephemeral]
        assert len(accepted) == 3
        for press in accepted:
            await world.result(press)


async def test_the_operator_s_places(make):
    async with make(DM_ALLOWED="false", TOTAL_DAILY_LIMIT="1") as world:
        other = world.discord.other_guild_id
        await world.grid()
        elsewhere = next(c.id for c in world.discord.channels.values() if c.guild_id == other)
        answer = await world.vary(guild_id=other, channel_id=elsewhere)
        assert "All of the pictures" in said(world, answer)
        world.bot.settings |= {"BLOCKED_GUILDS": str(other), "TOTAL_DAILY_LIMIT": "0"}
        await world.bot.stop()
        await world.bot.start()
        answer = await world.vary(guild_id=other, channel_id=elsewhere)
        assert "don't work in this server" in said(world, answer)
        assert not (await world.vary()).ephemeral
        await world.settled()


async def test_content(make):
    async with make() as world:
        panel = await Panel.open(world)
        await panel.turn("Content")
        await panel.write("Edit the words", words="blood*\nnew york\n\n")
        assert "blood\\*, new york" in panel.words
        await refused(world, world.discord.alice, "blood\\*", prompt="a BLOODY cat")
        assert not (await world.vary("a renew yorker")).ephemeral
        await panel.choose(7, "always")
        grid = await world.grid()
        assert spoilers(grid) == [True, True]
        tile = await world.tile(await world.press(grid, "U1"))
        assert spoilers(tile) == [True, True]
        here = world.discord.channel(world.discord.channel_id)
        await panel.write("Set channels apart", channels=[here], spoilers="never")
        assert f"<#{here.id}>: never" in panel.words
        assert spoilers(await world.grid()) == [False, False]
        await panel.write("Set channels apart", channels=[here], spoilers="as_server")
        assert f"<#{here.id}>" not in panel.words
        await panel.press("Forbid other members' pictures")
        assert "forbidden" in panel.words
        await panel.press("Allow other members' pictures")
        assert "allowed" in panel.words


def spoilers(message: Message) -> list[bool]:
    """Return of each picture of a message whether it is hidden."""
    found: list[bool] = []
    for component in walk(message.components):
        for item in [component] if component["type"] == 11 else component.get("items", []):
            found.append(item.get("spoiler", False))
    return found


async def test_a_pause_stops_what_is_new_and_cancels_what_waits_if_chosen(make):
    async with make(GENART_CONCURRENCY="1") as world:
        grid = await world.grid()
        world.genart.behaviours.append(hang())
        await world.vary()
        await world.genart.signal.until(lambda: len(world.genart.calls) == 2, 5)
        waiting = await world.vary()
        panel = await Panel.open(world)
        await panel.turn("Pause")
        await panel.press("Pause; what waits is still made")
        await refused(world, world.discord.alice, "paused")
        assert "paused" in said(world, await world.press(grid, "U1"))
        assert world.state(waiting) == "queued"
        await panel.press("Resume")
        await panel.press("Pause and cancel what waits")
        await world.becomes(waiting, "cancelled")
        await world.ends(waiting, "Cancelled")
        await panel.press("Resume")
        await world.tile(await world.press(grid, "U1"))


async def test_a_member_who_is_shut_out_can_still_cancel(make):
    async with make(GENART_CONCURRENCY="1") as world:
        world.genart.behaviours.append(hang())
        await world.vary()
        await world.genart.signal.until(lambda: world.genart.calls, 5)
        waiting = await world.vary()
        panel = await Panel.open(world)
        await panel.choose(5, world.discord.alice)
        await world.press(waiting.message, "Cancel", world.discord.alice)
        await world.becomes(waiting, "cancelled")


async def test_who_may_press_holds_for_every_way_on_and_what_is_refused_is_recorded(make):
    async with make() as world:
        bob = world.discord.bob
        grid = await world.grid()
        panel = await Panel.open(world)
        opened = await world.press(grid, "Remix", bob)
        await panel.choose(3, "asker")
        sent = await world.discord.submit(opened)
        await sent.answered()
        assert "only the one who asked" in said(world, sent)
        assert "only the one who asked" in said(world, await world.press(grid, "All four", bob))
        await panel.choose(5, bob)
        assert "turned that off" in said(world, await world.press(grid, "⭐", bob))
        recorded = [(label, outcome) for _, label, outcome in world.clicks(grid_id(grid))]
        assert ("All four", "refused") in recorded
        assert ("⭐", "refused") in recorded
        await panel.choose(5, world.discord.alice)
        asked = await world.press(grid, "🗑")
        await world.press(asked.message, "Delete")
        await world.discord.signal.until(lambda: grid.deleted, 10)


async def test_the_panel_works_after_a_restart_and_keeps_what_was_chosen(make):
    async with make() as world:
        panel = await Panel.open(world)
        await panel.turn("Limits")
        opened = await world.press(panel.message, "Change these limits", panel.user)
        await world.bot.kill()
        await world.bot.start()
        sent = await world.discord.submit(opened, {"member": "7"})
        await sent.answered()
        assert "7 pictures" in panel.words
        await panel.turn("Where and who")
        await panel.choose(5, world.discord.bob)
        await world.bot.kill()
        await world.bot.start()
        await refused(world, world.discord.bob, "turned that off")
        again = await Panel.open(world)
        assert again.chosen("sc:5") == [str(world.discord.bob.id)]


@pytest.mark.parametrize("who", ["alice", "moderator"])
async def test_only_who_manages_the_server_changes_its_settings(shared: World, who: str):
    member: User = getattr(shared.discord, who)
    with pytest.raises(PermissionError):
        await shared.discord.slash(member, "settings")
    forged = await shared.discord.slash(member, "settings", check=False)
    await forged.answered()
    assert "Manage Server" in said(shared, forged)
    panel = await Panel.open(shared)
    for custom_id in ("sp", "sc:5", "ss:11:2", "sa:1", "sf:4"):
        pressed = await shared.discord.press(member, panel.message, custom_id=custom_id, forge=True)
        await pressed.answered()
        assert shared.discord.text_of(pressed.message)
        assert pressed.ephemeral
    await panel.turn("Content")
    opened = await shared.press(panel.message, "Edit the words", panel.user)
    demoted = {"member": panel.user.member() | {"permissions": str(MEMBER)}}
    sent = await shared.discord.submit(opened, {"words": "cat"}, overrides=demoted)
    await sent.answered()
    assert "Manage Server" in said(shared, sent)
    menu = await shared.discord.select(
        panel.user, panel.message, ["always"], custom_id="sc:7", overrides=demoted
    )
    await menu.answered()
    assert "Manage Server" in said(shared, menu)
    assert shared.sql("select * from guild_settings") == []


async def test_an_administrator_manages_the_server(shared: World):
    admin = User(shared.discord.new_id(), "admin", MEMBER | MANAGE_GUILD | ADMINISTRATOR)
    panel = await Panel.open(shared, admin)
    lesser = admin.member() | {"permissions": str(MEMBER | ADMINISTRATOR)}
    menu = await shared.discord.select(
        admin, panel.message, ["3"], custom_id="sp", overrides={"member": lesser}
    )
    await menu.answered()
    assert "Settings: Log" in panel.words


@pytest.mark.parametrize(
    ("custom_id", "values"),
    [
        ("sp", ["99"]),
        ("sp", []),
        ("sc:1", ["not an id"]),
        ("sc:1", ["1"] * 26),
        ("sc:3", ["nobody"]),
        ("sc:11", ["1"]),
        ("sc:99", ["1"]),
        ("ss:1:1", []),
        ("ss:11:9", []),
        ("sa:99", []),
    ],
)
async def test_what_no_client_sends_is_refused(shared: World, custom_id: str, values: list[str]):
    panel = await Panel.open(shared)
    await panel.turn("Pause")
    shown = panel.message.payload
    # As if the panel had such a control.
    control = {"type": 3, "id": 901, "custom_id": custom_id, "min_values": 1, "max_values": 1}
    control["options"] = [{"label": "A choice", "value": "1"}]
    shown["components"].append({"type": 1, "id": 900, "components": [control]})
    data = {"custom_id": custom_id, "component_type": 3, "id": 901, "values": values}
    sent = await shared.discord.press(
        panel.user,
        panel.message,
        custom_id=custom_id,
        forge=True,
        overrides={"data": data, "message": shown},
    )
    await sent.answered()
    assert "isn't possible" in said(shared, sent)
    assert shared.sql("select * from guild_settings") == []


async def test_the_panel_s_buttons_are_labelled(shared: World):
    panel = await Panel.open(shared)
    for page in ("Limits", "Content", "Log", "Showcase", "Pause"):
        await panel.turn(page)
        assert all(labels(panel.message)) or page == "Log"


# The log and the showcase.


async def in_channel(world: World, channel_id: int, words: str) -> Message:
    """Wait for a message of the bot's in a channel."""

    def is_it(message: Message) -> bool:
        return message.channel_id == channel_id and words in world.discord.text_of(message)

    return await world.discord.wait_for(is_it, 15)


def lines_in(world: World, channel_id: int) -> list[str]:
    """Return the lines of a log."""
    found = [m for m in world.discord.messages.values() if m.channel_id == channel_id]
    return [line for m in found for line in world.discord.text_of(m).splitlines()]


async def test_the_log_has_a_line_for_each_thing_with_its_link_and_pings_nobody(make):
    async with make(rate_limits=True) as world:
        channel_id = world.discord.other_channel_id
        panel = await Panel.open(world)
        await panel.turn("Log")
        await panel.choose(9, world.discord.channel(channel_id))
        grid = await world.grid("a <@1> cat")
        tile = await world.tile(await world.press(grid, "U1"))
        asked = await world.press(tile, "🗑", world.discord.moderator)
        await world.press(asked.message, "Delete", world.discord.moderator)
        await in_channel(world, channel_id, "deleted")
        lines = lines_in(world, channel_id)
        assert len(lines) == 4
        assert all(line.startswith("<t:") for line in lines)
        assert f"<@{panel.user.id}>: changed the settings: log" in lines[0]
        place = f"https://discord.com/channels/{grid.guild_id}/{grid.channel_id}"
        assert f"<@{world.discord.alice.id}>: a grid “a \\<\\@1\\> cat”: made" in lines[1]
        assert lines[1].endswith(f"{place}/{grid.id}")
        assert lines[2].endswith(f"{place}/{tile.id}")
        deleted = (
            f"<@{world.discord.moderator.id}>: picture 1 of <@{world.discord.alice.id}>: deleted"
        )
        assert deleted in lines[3]
        messages = [m for m in world.discord.messages.values() if m.channel_id == channel_id]
        assert [ping for message in messages for ping in message.pings] == []


async def test_a_burst_costs_the_log_few_messages_and_a_crash_loses_and_doubles_none(make):
    async with make(USER_QUEUE_LIMIT="50") as world:
        channel_id = world.discord.other_channel_id
        panel = await Panel.open(world)
        await panel.turn("Log")
        await panel.choose(9, world.discord.channel(channel_id))
        path = f"/channels/{channel_id}/messages"
        world.discord.fail("POST", path, Fault(drop="after"), times=100)
        asked = [await world.vary() for _ in range(12)]
        for each in asked:
            await world.result(each)
        await world.discord.signal.until(
            lambda: any(r.path == path for r in world.discord.requests), 10
        )
        await world.bot.kill()
        world.discord.faults.clear()
        world.sql_write("update log_lines set lease_until = null")
        await world.bot.start()
        async with asyncio.timeout(20):
            while world.sql("select * from log_lines"):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        lines = lines_in(world, channel_id)
        assert len(lines) == len(set(lines)) == 13
        posted = [m for m in world.discord.messages.values() if m.channel_id == channel_id]
        assert len(posted) <= 4


async def star(world: World, message: Message, *users: User) -> None:
    """Let members have a result among their favourites."""
    for user in users:
        await world.press(message, "⭐", user)


async def test_a_result_with_enough_stars_is_shown_once_and_goes_with_its_original(make):
    async with make() as world:
        discord = world.discord
        channel_id = discord.other_channel_id
        panel = await Panel.open(world)
        await panel.turn("Showcase")
        await panel.choose(10, discord.channel(channel_id))
        answer = await panel.write("Change the number of ⭐", stars="0")
        assert "1 to" in said(world, answer)
        await panel.write("Change the number of ⭐", stars="2")
        assert "A picture needs 2 ⭐" in panel.words
        grid, other = await world.grid(), await world.grid()
        await star(world, grid, discord.alice, discord.bob)
        await star(world, other, discord.alice)
        forwarded = await discord.wait_for(lambda m: m.channel_id == channel_id, 15)
        assert forwarded.forwarded is not None
        assert forwarded.forwarded.id == grid.id
        await star(world, grid, discord.moderator)
        await asyncio.sleep(4)
        shown = [m for m in discord.messages.values() if m.channel_id == channel_id]
        assert shown == [forwarded]
        asked = await world.press(grid, "🗑", discord.moderator)
        await world.press(asked.message, "Delete", discord.moderator)
        await discord.signal.until(lambda: grid.deleted and forwarded.deleted, 10)


async def test_where_a_result_cannot_be_forwarded_a_copy_is_shown(make):
    async with make() as world:
        discord = world.discord
        channel_id = discord.other_channel_id
        panel = await Panel.open(world)
        await panel.turn("Showcase")
        await panel.choose(10, discord.channel(channel_id))
        await panel.write("Change the number of ⭐", stars="1")
        grid = await world.grid()
        path = f"/channels/{channel_id}/messages"
        discord.fail("POST", path, Fault(400, 160007, "Cannot forward"))
        await star(world, grid, discord.alice)
        copy = await in_channel(world, channel_id, str(grid.id))
        assert copy.forwarded is None
        assert copy.pings == []
        assert [c["type"] for c in walk(copy.components)] == [10, 12]
