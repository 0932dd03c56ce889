"""Interactions, their answers, modals, menus and what is registered."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from sandbox.discord import EPHEMERAL, LOADING, Fault, Upload
from sandbox.pictures import draw
from tests.sandbox.conftest import COMMANDS, V2, Client, row, texts

PICTURE = draw((40, 30))
GALLERY = {"type": 12, "items": [{"media": {"url": "attachment://0.png"}}]}
TEXT = {"type": 4, "custom_id": "text", "style": 1}


def modal(*components: Any, **more: Any) -> dict[str, Any]:
    return {"title": "Remix", "custom_id": "remix:1", "components": list(components), **more}


def label(component: Any, text: str = "x") -> dict[str, Any]:
    return {"type": 18, "label": text, "component": component}


async def test_an_answer_must_come_in_3_s_and_once(client: Client) -> None:
    late = await client.show()
    client.loopback.advance(3.1)
    await client.callback(late, 5)
    assert (client.status, client.code) == (404, 10062)
    prompt = await client.show()
    await client.callback(prompt, 4, {"content": "x", "flags": EPHEMERAL})
    assert client.status == 200
    await client.callback(prompt, 4, {"content": "y"})
    assert (client.status, client.code) == (400, 40060)
    assert prompt.ephemeral
    assert prompt.message is not None
    path = f"/channels/{client.loopback.channel_id}/messages/{prompt.message.id}"
    await client.send("PATCH", path, {"content": "y"})
    assert client.code == 10008, "an ephemeral message is reached by its token only"


async def test_an_interactions_token_lives_for_15_minutes(client: Client) -> None:
    found = await client.show()
    await client.original(found, "PATCH", {"content": "x"})
    assert client.code == 10015, "there is no answer yet"
    await client.callback(found, 5)
    assert found.message is not None
    assert found.message.flags & LOADING
    await client.original(found, "PATCH", {"content": "x"})
    assert (found.message.flags & LOADING, found.message.content) == (0, "x")
    await client.follow_up(found, {"content": "more"})
    assert [message.content for message in found.followups] == ["more"]
    client.loopback.advance(15 * 60)
    await client.original(found, "PATCH", {"content": "y"})
    assert (client.status, client.code) == (401, 50027)


async def test_a_deferral_takes_no_flag_but_ephemeral_and_has_no_message(client: Client) -> None:
    found = await client.show()
    await client.callback(found, 5, {"flags": V2})
    assert client.code == 50035
    told = await client.callback(found, 5, {"flags": EPHEMERAL})
    assert "resource" not in told
    assert told["interaction"]["response_message_loading"]
    body = {"flags": V2, "components": [GALLERY]}
    await client.follow_up(found, body, (PICTURE,))
    assert client.code == 50035, "a follow-up right after a deferral doesn't find its files"
    await client.original(found, "PATCH", body, (PICTURE,))
    assert client.code == 0
    answered = await client.show()
    told = await client.callback(answered, 4, body, (PICTURE,))
    assert told["resource"]["message"]["attachments"] == []


async def test_a_component_answers_with_an_update_or_a_message(client: Client) -> None:
    loopback = client.loopback
    shown = await client.show()
    await client.callback(shown, 4, {"content": "x", "components": [row("a", "b")]})
    assert shown.message is not None
    with pytest.raises(LookupError):
        await loopback.press(loopback.bob, shown.message, label="c")
    pressed = await loopback.press(loopback.bob, shown.message, label="b")
    told = loopback.events[-1]["d"]
    assert (told["data"]["id"], told["message"]["id"]) == (3, str(shown.message.id))
    await client.callback(pressed, 7, {"content": "y"})
    assert shown.message.content == "y"
    again = await loopback.press(loopback.bob, shown.message, label="a")
    made = await client.callback(again, 4, {"content": "z"})
    message = made["resource"]["message"]
    assert message["message_reference"]["message_id"] == str(shown.message.id)
    metadata = message["interaction_metadata"]
    assert metadata["interacted_message_id"] == str(shown.message.id)


async def test_menus_choose_what_is_offered(client: Client) -> None:
    loopback = client.loopback
    options = [{"label": "a", "value": "1"}, {"label": "b", "value": "2"}]
    menus = [
        {"type": 3, "custom_id": "text", "options": options, "max_values": 2},
        {"type": 5, "custom_id": "user"},
    ]
    rows = [{"type": 1, "components": [menu]} for menu in menus]
    made = await client.post({"content": "x", "components": rows})
    message = loopback.messages[int(made["id"])]
    await loopback.select(loopback.alice, message, ["1", "2"])
    data = loopback.events[-1]["d"]["data"]
    assert (data["component_type"], data["values"]) == (3, ["1", "2"])
    with pytest.raises(LookupError):
        await loopback.select(loopback.alice, message, ["3"])
    await loopback.select(loopback.alice, message, [loopback.bob], custom_id="user")
    data = loopback.events[-1]["d"]["data"]
    assert data["resolved"]["users"][data["values"][0]]["username"] == "bob"


async def test_roles_and_channels_are_chosen_and_told(client: Client) -> None:
    loopback = client.loopback
    role = loopback.add_role(loopback.guild_id, "artist", color=0x3AA57A)
    loopback.alice.roles.append(role.id)
    loopback.guild_locale = "de"
    everyone, told = loopback.gateway.guild(loopback.guild_id)["roles"]
    assert (everyone["id"], told["id"]) == (str(loopback.guild_id), str(role.id))
    selects = [
        {"type": 1, "components": [{"type": kind, "custom_id": str(kind)}]} for kind in (6, 7, 8)
    ]
    await client.post({"content": "x", "components": selects})
    message = next(iter(loopback.messages.values()))
    channel = loopback.channel(loopback.other_channel_id)
    for custom_id, value in (("6", role), ("7", role), ("7", loopback.bob), ("8", channel)):
        await loopback.select(loopback.alice, message, [value], custom_id=custom_id)
    found = [one["d"] for one in loopback.events if one["t"] == "INTERACTION_CREATE"]
    assert [list(one["data"]["resolved"]) for one in found] == [
        ["roles"],
        ["roles"],
        ["users", "members"],
        ["channels"],
    ]
    assert {one["guild_locale"] for one in found} == {"de"}
    assert found[0]["member"]["roles"] == [str(role.id)]


async def test_the_apps_menu_brings_the_message_whole(client: Client) -> None:
    loopback = client.loopback
    await client.put()
    said = await loopback.say(loopback.bob, "look at this", Upload("cat.png", PICTURE))
    await loopback.menu(loopback.alice, "Look", said)
    data = loopback.events[-1]["d"]["data"]
    assert (data["type"], data["target_id"]) == (3, str(said.id))
    assert data["resolved"]["messages"][str(said.id)]["attachments"][0]["filename"] == "cat.png"
    await loopback.menu(loopback.alice, "Who", loopback.bob)
    data = loopback.events[-1]["d"]["data"]
    assert data["resolved"]["members"].keys() == data["resolved"]["users"].keys()
    assert data["target_id"] == str(loopback.bob.id)


async def test_a_modal_opens_and_is_submitted(client: Client) -> None:
    loopback = client.loopback
    shown = await client.show()
    fields = (
        label(TEXT | {"value": "a prompt", "max_length": 20}),
        label({"type": 3, "custom_id": "menu", "options": [{"label": "a", "value": "1"}]}),
        label({"type": 19, "custom_id": "file", "max_values": 2}),
        label({"type": 22, "custom_id": "boxes", "options": [{"label": "a", "value": "x"}]}),
        label({"type": 23, "custom_id": "box"}),
    )
    told = await client.callback(shown, 9, modal(*fields))
    assert told == {"interaction": told["interaction"]}
    assert shown.modal is not None
    given: dict[str, Any] = {"menu": "1", "boxes": ["x"], "file": Upload("cat.png", PICTURE)}
    with pytest.raises(ValueError, match="text"):
        await loopback.submit(shown, given | {"text": "x" * 21})
    with pytest.raises(ValueError, match="menu"):
        await loopback.submit(shown, {})
    submitted = await loopback.submit(shown, given | {"box": True})
    data = loopback.events[-1]["d"]["data"]
    values = [
        one["component"].get("value", one["component"].get("values")) for one in data["components"]
    ]
    (file,) = data["resolved"]["attachments"]
    assert values == ["a prompt", ["1"], [file], ["x"], True]
    await client.callback(submitted, 9, modal(label(TEXT)))
    assert client.code == 50035, "a modal doesn't answer a modal"
    made = await client.callback(submitted, 4, {"content": "done"})
    metadata = made["resource"]["message"]["interaction_metadata"]
    assert metadata["triggering_interaction_metadata"]["id"] == str(shown.id)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (modal(label(TEXT)), 0),
        (modal({"type": 1, "components": [TEXT | {"label": "x"}]}), 0),
        (modal(*texts(1), label(TEXT)), 0),
        (modal(label(TEXT), title="x" * 45), 0),
        (modal(label(TEXT), title="x" * 46), 50035),
        (modal(label(TEXT), custom_id="x" * 101), 50035),
        (modal(label(TEXT, "x" * 45)), 0),
        (modal(label(TEXT, "x" * 46)), 50035),
        (modal(label(TEXT) | {"description": "x" * 101}), 50035),
        (modal(), 50035),
        (modal(*[label(TEXT | {"custom_id": str(n)}) for n in range(6)]), 50035),
        (modal(label(TEXT), label(TEXT)), 50035),
        (modal(label(TEXT | {"placeholder": "x" * 101})), 50035),
        (modal(label(TEXT | {"value": "x" * 4001})), 50035),
        (modal(label(TEXT | {"max_length": 4001})), 50035),
        (modal(label({"type": 19, "custom_id": "f", "min_values": 0})), 50035),
        (modal(label({"type": 2, "custom_id": "b", "label": "x", "style": 1})), 50035),
    ],
)
async def test_a_modal_must_keep_discords_limits(client: Client, body: Any, code: int) -> None:
    await client.callback(await client.show(), 9, body)
    assert client.code == code


def command(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "description": "x", **more}


def menus(count: int) -> list[dict[str, Any]]:
    return [{"name": f"Menu {n}", "type": 3} for n in range(count)]


LONG = [{"type": 3, "name": f"o{n}", "description": "x" * 97} for n in range(25)]


@pytest.mark.parametrize(
    ("commands", "code"),
    [
        (COMMANDS, 0),
        ([command(f"c{n}") for n in range(100)], 0),
        ([command(f"c{n}") for n in range(101)], 30032),
        (menus(15), 0),
        (menus(16), 30032),
        ([command("a"), command("a")], 50035),
        ([command("A")], 50035),
        ([command("a", description="x" * 101)], 50035),
        ([command("a", options=LONG)], 0),
        ([command("a", options=[{"type": 1, **command("b"), "options": LONG}] * 3)], 0),
        ([command("a", options=[{"type": 1, **command("b"), "options": LONG}] * 4)], 50035),
        ([{"name": "Look", "type": 3, "description": "x"}], 50035),
    ],
)
async def test_commands_must_keep_discords_limits(
    client: Client, commands: list[Any], code: int
) -> None:
    made = await client.put(commands)
    assert client.code == code
    path = f"/applications/{client.loopback.application_id}/commands"
    assert await client.send("GET", path) == ([] if code else made)


async def test_translations_count_by_their_longest(client: Client) -> None:
    long = {"type": 3, "description": "x", "description_localizations": {"de": "x" * 100}}
    options = [long | {"name": f"o{n}"} for n in range(25)]
    groups = [{"type": 1, **command("b"), "options": options} for _ in range(4)]
    await client.put([command("a", options=groups)])
    assert client.code == 50035


async def test_the_application_tells_its_interactions_endpoint(client: Client) -> None:
    loopback = client.loopback
    assert (await client.send("GET", "/applications/@me"))["interactions_endpoint_url"] is None
    loopback.interactions_endpoint_url = "https://bot.example/interactions"
    for path in ("/applications/@me", "/oauth2/applications/@me"):
        found = await client.send("GET", path)
        assert found["interactions_endpoint_url"] == "https://bot.example/interactions"


async def test_the_bots_servers_are_told(client: Client) -> None:
    mine = [str(guild) for guild in client.loopback.guild_ids]
    found = await client.send("GET", "/users/@me/guilds")
    assert [guild["id"] for guild in found] == mine
    found = await client.send("GET", f"/users/@me/guilds?after={mine[0]}&limit=1")
    assert [guild["id"] for guild in found] == mine[1:]


async def test_faults_are_met_as_often_as_asked(client: Client) -> None:
    loopback = client.loopback
    loopback.fail("POST", "/channels/*/messages", Fault(403, 50013, "Missing Permissions"))
    loopback.fail("POST", "/channels/*/messages", Fault(drop="after"))
    await client.post({"content": "x"})
    assert (client.status, client.code) == (403, 50013)
    with pytest.raises(aiohttp.ClientError):
        await client.post({"content": "x"})
    assert len(loopback.messages) == 1
    await client.post({"content": "x"})
    assert [request.status for request in loopback.requests] == [403, 0, 200]
