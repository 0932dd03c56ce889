"""Who may do what where: permissions, threads, installations and contexts."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.discord import User
from sandbox.discord.model import VOICE
from sandbox.discord.permissions import (
    ATTACH_FILES,
    BOT,
    CONNECT,
    DIRECT,
    EMBED_LINKS,
    EXTERNAL_EMOJIS,
    MANAGE_MESSAGES,
    MEMBER,
    READ_HISTORY,
    SEND_MESSAGES,
    USE_COMMANDS,
    USE_EXTERNAL_APPS,
    VIEW_CHANNEL,
)
from tests.sandbox.conftest import Client

OTHER = {"content": "x"}


@pytest.mark.parametrize(
    ("without", "method", "suffix", "body", "files", "code"),
    [
        (VIEW_CHANNEL, "POST", "", OTHER, (), 50001),
        (VIEW_CHANNEL, "GET", "", None, (), 50001),
        (SEND_MESSAGES, "POST", "", OTHER, (), 50013),
        (ATTACH_FILES, "POST", "", OTHER, (b"x",), 50013),
        (EMBED_LINKS, "POST", "", {"embeds": [{"description": "x"}]}, (), 50013),
        (READ_HISTORY, "POST", "", OTHER | {"message_reference": {"message_id": "1"}}, (), 50013),
        (READ_HISTORY, "GET", "/own", None, (), 50013),
        (SEND_MESSAGES, "PATCH", "/own", OTHER, (), 0),
        (ATTACH_FILES, "PATCH", "/own", OTHER, (b"x",), 50013),
        (MANAGE_MESSAGES, "DELETE", "/own", None, (), 0),
        (MANAGE_MESSAGES, "DELETE", "/another", None, (), 50013),
        (0, "PATCH", "/another", OTHER, (), 50005),
    ],
)
async def test_the_bot_needs_permissions(
    client: Client, without: int, method: str, suffix: str, body: Any, files: Any, code: int
) -> None:
    loopback = client.loopback
    own = (await client.post(OTHER))["id"]
    another = (await loopback.say(loopback.alice, "hello")).id
    loopback.channels[loopback.channel_id].app_permissions = (BOT | MANAGE_MESSAGES) & ~without
    path = f"/channels/{loopback.channel_id}/messages"
    suffix = suffix.replace("own", own).replace("another", str(another))
    await client.send(method, path + suffix, body, files)
    assert client.code == code
    elsewhere = f"/channels/{loopback.other_channel_id}/messages"
    await client.send("POST", elsewhere, OTHER)
    assert client.code == 0, "another channel is another"


async def test_history_without_its_permission_is_empty_and_no_error(client: Client) -> None:
    loopback = client.loopback
    await client.post(OTHER)
    path = f"/channels/{loopback.channel_id}/messages"
    assert len(await client.send("GET", path)) == 1
    loopback.app_permissions &= ~READ_HISTORY
    assert await client.send("GET", path) == []
    assert client.status == 200


async def test_an_interaction_tells_what_the_bot_may_do(client: Client) -> None:
    loopback = client.loopback
    loopback.channels[loopback.channel_id].app_permissions = VIEW_CHANNEL
    loopback.user_installs.add(loopback.alice.id)
    await client.show()
    await client.show(guild_id=None)
    await client.show(channel_id=loopback.private_channel_id)
    await client.show(channel_id=loopback.add_thread(loopback.channel_id))
    told = [int(event["d"]["app_permissions"]) for event in loopback.events]
    assert told == [VIEW_CHANNEL, DIRECT | EXTERNAL_EMOJIS, DIRECT, VIEW_CHANNEL]


async def test_members_need_permissions_too(client: Client) -> None:
    loopback = client.loopback
    await client.put()
    silent = User(loopback.new_id(), "silent", MEMBER & ~SEND_MESSAGES & ~USE_COMMANDS)
    with pytest.raises(PermissionError):
        await loopback.say(silent, "hello")
    with pytest.raises(PermissionError):
        await loopback.slash(silent, "show")
    await loopback.slash(silent, "show", guild_id=None)
    await client.put([{"name": "show", "description": "x", "default_member_permissions": "8192"}])
    with pytest.raises(PermissionError):
        await loopback.slash(loopback.alice, "show")
    await loopback.slash(loopback.moderator, "show")


@pytest.mark.parametrize(
    ("archived", "locked", "post", "edit"),
    [(False, False, 0, 0), (True, False, 0, 50083), (False, True, 160005, 160005)],
)
async def test_threads_lock_and_archive(
    client: Client, archived: bool, locked: bool, post: int, edit: int
) -> None:
    loopback = client.loopback
    thread = loopback.channels[loopback.add_thread(loopback.channel_id)]
    path = f"/channels/{thread.id}/messages"
    made = await client.send("POST", path, OTHER)
    thread.archived, thread.locked = archived, locked
    await client.edit(made, {"content": "y"})
    assert client.code == edit
    await client.send("POST", path, OTHER)
    assert client.code == post
    assert not thread.archived, "a post unarchives it"
    assert (await client.send("GET", f"/channels/{thread.id}"))["thread_metadata"][
        "locked"
    ] == locked


async def test_threads_need_their_own_permission(client: Client) -> None:
    loopback = client.loopback
    loopback.app_permissions &= ~SEND_MESSAGES
    thread = loopback.add_thread(loopback.channel_id)
    await client.send("POST", f"/channels/{thread}/messages", OTHER)
    assert client.code == 0


async def test_a_voice_channels_chat_needs_connect(client: Client) -> None:
    loopback = client.loopback
    voice = loopback.add_channel(loopback.guild_id, "talk", VOICE)
    for permissions, code in ((BOT, 0), (BOT & ~CONNECT, 50001)):
        loopback.channels[voice].app_permissions = permissions
        await client.send("POST", f"/channels/{voice}/messages", OTHER)
        assert client.code == code


async def test_a_server_without_the_bot_is_reached_by_interactions_alone(client: Client) -> None:
    loopback = client.loopback
    await client.put()
    where = {"channel_id": loopback.foreign_channel_id}
    with pytest.raises(PermissionError):
        await loopback.slash(loopback.alice, "show", **where)
    loopback.user_installs.add(loopback.alice.id)
    shown = await loopback.slash(loopback.alice, "show", **where)
    told = loopback.events[-1]["d"]
    assert told["authorizing_integration_owners"] == {"1": str(loopback.alice.id)}
    assert (told["context"], told["guild_id"]) == (0, str(loopback.foreign_guild_id))
    await client.callback(shown, 4, OTHER)
    await client.send("POST", f"/channels/{loopback.foreign_channel_id}/messages", OTHER)
    assert (client.status, client.code) == (403, 50001)
    codes = []
    for _ in range(6):
        await client.follow_up(shown, OTHER)
        codes.append(client.code)
    assert codes == [0, 0, 0, 0, 0, 40094]


async def test_an_app_of_ones_own_answers_in_private_without_the_permission(client: Client) -> None:
    loopback = client.loopback
    await client.put()
    guest = User(loopback.new_id(), "guest", MEMBER & ~USE_EXTERNAL_APPS)
    loopback.user_installs.add(guest.id)
    shown = await loopback.slash(guest, "show", channel_id=loopback.foreign_channel_id)
    await client.callback(shown, 4, OTHER)
    assert shown.ephemeral
    here = await loopback.slash(guest, "show")
    await client.callback(here, 4, OTHER)
    assert not here.ephemeral, "the server has the app as well"


async def test_commands_are_shown_where_they_are_registered_for(client: Client) -> None:
    loopback = client.loopback
    loopback.user_installs.add(loopback.alice.id)
    command = {"name": "show", "description": "x", "contexts": [0], "integration_types": [0]}
    await client.put([command])
    await loopback.slash(loopback.alice, "show")
    assert loopback.events[-1]["d"]["authorizing_integration_owners"] == {
        "0": str(loopback.guild_id)
    }
    for where in ({"guild_id": None}, {"channel_id": loopback.foreign_channel_id}):
        with pytest.raises(PermissionError):
            await loopback.slash(loopback.alice, "show", **where)
    await client.put([command | {"contexts": [1, 2], "integration_types": [0, 1]}])
    await loopback.slash(loopback.alice, "show", guild_id=None)
    told = loopback.events[-1]["d"]
    assert told["authorizing_integration_owners"] == {"0": "0", "1": str(loopback.alice.id)}
    assert told["context"] == 1
    await loopback.slash(loopback.alice, "show", channel_id=loopback.private_channel_id)
    assert loopback.events[-1]["d"]["context"] == 2
    with pytest.raises(PermissionError):
        await loopback.slash(loopback.alice, "show")


async def test_closed_direct_messages_are_refused(client: Client) -> None:
    loopback = client.loopback
    made = await client.send("POST", "/users/@me/channels", {"recipient_id": loopback.alice.id})
    await client.send("POST", f"/channels/{made['id']}/messages", OTHER)
    assert client.code == 0
    loopback.closed_dms.add(loopback.alice.id)
    await client.send("POST", f"/channels/{made['id']}/messages", OTHER)
    assert (client.status, client.code) == (403, 50007)
