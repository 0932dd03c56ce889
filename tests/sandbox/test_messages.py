"""Messages keep Discord's limits, and read as Discord's do."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.discord import EPHEMERAL
from sandbox.pictures import draw
from tests.sandbox.conftest import V2, Client, row, texts

PICTURE = draw((40, 30))
GALLERY = {"type": 12, "items": [{"media": {"url": "attachment://0.png"}}]}
SHOWN = {"flags": V2, "components": [GALLERY], "attachments": [{"id": 0, "description": "alt"}]}


def items(count: int, description: Any = "x") -> dict[str, Any]:
    item = {"media": {"url": "https://example.com/a.png"}, "description": description}
    return {"type": 12, "items": [item] * count}


def section(count: int, **more: Any) -> dict[str, Any]:
    return {"type": 9, "components": texts(count), **more}


BUTTON = {"type": 2, "style": 2, "label": "a", "custom_id": "a"}
MENU = {"type": 3, "custom_id": "m", "options": [{"label": "a", "value": "a"}]}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"content": "hello"}, 0),
        ({}, 50006),
        ({"content": "x" * 2000}, 0),
        ({"content": "x" * 2001}, 50035),
        ({"components": texts(1)}, 50035),
        ({"flags": V2, "components": texts(40)}, 0),
        ({"flags": V2, "components": texts(41)}, 50035),
        ({"flags": V2, "components": texts(2, 2000)}, 0),
        ({"flags": V2, "components": texts(2, 2001)}, 50035),
        ({"flags": V2, "components": texts(1), "content": "x"}, 50035),
        ({"flags": V2, "components": texts(1), "embeds": [{"description": "x"}]}, 50035),
        ({"flags": V2, "components": [{"type": 11}]}, 50035),
        ({"flags": V2, "components": [items(10)]}, 0),
        ({"flags": V2, "components": [items(11)]}, 50035),
        ({"flags": V2, "components": [items(0)]}, 50035),
        ({"flags": V2, "components": [items(1, "x" * 1024)]}, 0),
        ({"flags": V2, "components": [items(1, "x" * 1025)]}, 50035),
        ({"flags": V2, "components": [items(1, "")]}, 50035),
        ({"flags": V2, "components": [items(1, None)]}, 0),
        ({"flags": V2, "components": [section(3, accessory=BUTTON)]}, 0),
        ({"flags": V2, "components": [section(4, accessory=BUTTON)]}, 50035),
        ({"flags": V2, "components": [section(0, accessory=BUTTON)]}, 50035),
        ({"flags": V2, "components": [section(1)]}, 50035),
        ({"flags": V2, "components": [{"type": 17, "components": [*texts(1), row("a")]}]}, 0),
        ({"flags": V2, "components": [{**texts(1)[0], "id": 3}, {**texts(1)[0], "id": 3}]}, 50035),
        ({"content": "x", "components": [row("a", "b", "c", "d", "e")]}, 0),
        ({"content": "x", "components": [row("a", "b", "c", "d", "e", "f")]}, 50035),
        ({"content": "x", "components": [row("a"), row("a")]}, 50035),
        ({"content": "x", "components": [row("a" * 80)]}, 0),
        ({"content": "x", "components": [row("a" * 81)]}, 50035),
        ({"content": "x", "components": [row("")]}, 50035),
        ({"content": "x", "components": [{"type": 1, "components": [MENU]}]}, 0),
        ({"content": "x", "components": [{"type": 1, "components": [MENU, MENU]}]}, 50035),
        ({"content": "x", "components": [{"type": 1, "components": [BUTTON, MENU]}]}, 50035),
        (
            {"content": "x", "components": [{"type": 1, "components": [MENU | {"options": []}]}]},
            50035,
        ),
        ({"content": "x", "nonce": "n" * 25}, 0),
        ({"content": "x", "nonce": "n" * 26}, 50035),
        ({"content": "x", "attachments": [{"id": 3}]}, 50035),
        ({"flags": V2, "components": [{"type": 13, "file": {"url": "attachment://x"}}]}, 50035),
        ({"content": "x", "allowed_mentions": {"parse": ["users"], "users": ["1"]}}, 50035),
        ({"content": "x", "allowed_mentions": {"users": ["1"] * 101}}, 50035),
    ],
)
async def test_a_message_must_keep_discords_limits(client: Client, body: Any, code: int) -> None:
    await client.post(body)
    assert client.code == code
    assert len(client.loopback.messages) == (code == 0)


async def test_a_request_needs_the_token_and_a_known_place(client: Client) -> None:
    await client.send("POST", "/channels/1/messages", {"content": "x"})
    assert (client.status, client.code) == (404, 10003)
    await client.send("GET", f"/channels/{client.loopback.channel_id}/messages/1")
    assert (client.status, client.code) == (404, 10008)
    client.token = "changed"
    await client.send("GET", "/users/@me")
    assert client.status == 401


async def test_attachments_that_components_show_are_left_out(client: Client) -> None:
    made = await client.post(SHOWN, (PICTURE, PICTURE))
    media = made["components"][0]["items"][0]["media"]
    assert (media["width"], media["height"], media["content_type"]) == (40, 30, "image/png")
    stored = client.loopback.messages[int(made["id"])].attachments
    assert [a.description for a in stored] == ["alt", None]
    assert media["attachment_id"] == str(stored[0].id)
    assert [a["id"] for a in made["attachments"]] == [str(stored[1].id)]
    embed = {"image": {"url": "attachment://0.png"}}
    made = await client.post({"embeds": [embed]}, (PICTURE,))
    assert made["attachments"] == []
    assert await client.fetch(made["embeds"][0]["image"]["url"]) == 200


async def test_an_edit_keeps_what_attachments_lists_and_finds_nothing_else(client: Client) -> None:
    made = await client.post(SHOWN, (PICTURE, PICTURE))
    message = client.loopback.messages[int(made["id"])]
    first, second = message.attachments
    refused = await client.edit(made, {"components": [GALLERY]})
    assert client.code == 50035
    assert "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND" in str(refused)
    await client.edit(made, {"components": [GALLERY], "attachments": [{"id": second.id}]})
    assert client.code == 50035, "the gallery shows the other one"
    await client.edit(made, {"attachments": [{"id": second.id}]})
    assert client.code == 50035, "the gallery still shows the first"
    await client.edit(made, {"allowed_mentions": {"parse": []}})
    assert message.attachments == [first, second], "without the field nothing goes"
    both = [{"id": first.id}, {"id": 0}]
    await client.edit(made, {"components": [GALLERY], "attachments": both}, (PICTURE,))
    assert client.code == 0
    assert message.attachments[0] is first
    assert len(message.attachments) == 2
    await client.edit(made, {"components": [GALLERY]}, (PICTURE,))
    assert client.code == 0, "what the edit itself brings is found"


async def test_a_deleted_file_dies_after_a_while_and_a_link_after_a_day(client: Client) -> None:
    made = await client.post({"content": "x"}, (PICTURE, PICTURE))
    first, second = made["attachments"]
    await client.edit(made, {"attachments": [{"id": first["id"]}]})
    assert await client.fetch(second["url"]) == 200
    assert await client.fetch(first["url"].replace("hm=", "hm=0")) == 404
    client.loopback.advance(11 * 60)
    assert await client.fetch(second["url"]) == 404
    assert await client.fetch(first["url"]) == 200
    client.loopback.advance(24 * 3600)
    assert await client.fetch(first["url"]) == 404
    fresh = (await client.get(made))["attachments"][0]["url"]
    assert await client.fetch(fresh) == 200
    await client.send("DELETE", f"/channels/{made['channel_id']}/messages/{made['id']}")
    assert await client.fetch(fresh) == 200
    client.loopback.advance(11 * 60)
    assert await client.fetch(fresh) == 404


async def test_links_are_signed_anew_on_request_and_in_components(client: Client) -> None:
    made = await client.post({"content": "x"}, (PICTURE,))
    url = made["attachments"][0]["url"]
    client.loopback.advance(25 * 3600)
    assert await client.fetch(url) == 404
    path = "/attachments/refresh-urls"
    found = await client.send("POST", path, {"attachment_urls": [url]})
    assert found["refreshed_urls"][0]["original"] == url
    assert await client.fetch(found["refreshed_urls"][0]["refreshed"]) == 200
    await client.send("POST", path, {"attachment_urls": [url] * 51})
    assert client.code == 50035
    bare = {"type": 12, "items": [{"media": {"url": url.partition("?")[0]}}]}
    made = await client.post({"flags": V2, "components": [bare]})
    assert await client.fetch(made["components"][0]["items"][0]["media"]["url"]) == 200


async def test_a_forward_holds_a_copy_that_outlives_the_message(client: Client) -> None:
    posted = await client.post({"content": "look"}, (PICTURE,))
    reference = {"type": 1, "message_id": posted["id"], "channel_id": posted["channel_id"]}
    path = f"/channels/{client.loopback.other_channel_id}/messages"
    forwarded = await client.send("POST", path, {"message_reference": reference})
    assert (forwarded["type"], forwarded["content"]) == (0, "")
    await client.send("DELETE", f"/channels/{posted['channel_id']}/messages/{posted['id']}")
    client.loopback.advance(3600)
    (snapshot,) = (await client.get(forwarded))["message_snapshots"]
    assert snapshot["message"]["content"] == "look"
    assert await client.fetch(snapshot["message"]["attachments"][0]["url"]) == 200
    await client.send("POST", path, {"message_reference": reference})
    assert client.code == 10008
    # Discord's description knows type 0 alone; its documentation has 1 ("Message Reference Types").
    client.loopback.requests.clear()


async def test_once_components_v2_always_components_v2(client: Client) -> None:
    made = await client.post({"flags": V2, "components": texts(1)})
    assert (await client.edit(made, {"flags": 0}))["flags"] == V2
    await client.edit(made, {"flags": 0, "content": "x", "components": []})
    assert client.code == 50035
    plain = await client.post({"content": "x"})
    await client.edit(plain, {"flags": V2, "components": texts(1)})
    assert client.code == 50035, "the content is still there"
    await client.edit(plain, {"flags": V2, "components": texts(1), "content": None})
    assert client.code == 0


async def test_two_upload_limits_and_one_for_the_message(client: Client) -> None:
    client.loopback.upload_limit = 100
    await client.post({"content": "x"}, (bytes(101),))
    assert (client.status, client.code) == (413, 40005)
    client.loopback.upload_limit, client.loopback.attachment_size_limit = 2**24, 200
    shown = await client.show()
    await client.callback(shown, 4, {"content": "x"}, (bytes(201),))
    assert client.code == 40005
    await client.callback(shown, 4, {"content": "x"}, (bytes(200),))
    assert client.code == 0
    made = await client.post({"content": "x"}, (bytes(201),))
    assert client.code == 0
    await client.edit(made, {"content": "y"}, (bytes(2**24 + 1),))
    assert client.code == 40005
    await client.post({"content": "x"}, (bytes(13 * 2**20), bytes(13 * 2**20)))
    assert client.code == 40005


async def test_an_enforced_nonce_posts_once(client: Client) -> None:
    body = {"content": "x", "nonce": "n", "enforce_nonce": True}
    first = await client.post(body)
    assert (await client.post(body))["id"] == first["id"]
    await client.loopback.say(client.loopback.alice, "another author's is another nonce")
    client.loopback.advance(600)
    again = await client.post(body)
    assert again["id"] != first["id"]
    await client.send("DELETE", f"/channels/{again['channel_id']}/messages/{again['id']}")
    await client.post(body)
    assert (client.status, client.code) == (404, 10008), "it was deleted since"
    await client.post({"content": "x", "nonce": "n"})
    assert client.code == 0, "not enforced"


async def test_pings_follow_allowed_mentions_and_an_edit_pings_nobody(client: Client) -> None:
    alice = client.loopback.alice.id
    text = f"@everyone <@{alice}> <@&77>"
    made = [
        await client.post({"content": text}),
        await client.post({"content": text, "allowed_mentions": {"parse": []}}),
        await client.post({"content": text, "allowed_mentions": {"users": [str(alice)]}}),
        await client.post({"content": "x"}),
    ]
    edited = await client.edit(made[3], {"content": text})
    assert edited["mention_everyone"]
    assert edited["mention_roles"] == ["77"]
    assert [user["id"] for user in edited["mentions"]] == [str(alice)]
    quiet = await client.edit(made[0], {"allowed_mentions": {"parse": []}})
    assert (quiet["mentions"], quiet["mention_everyone"]) == ([], False)
    pings = [client.loopback.messages[int(one["id"])].pings for one in made]
    assert pings == [["everyone", "role:77", str(alice)], [], [str(alice)], []]


async def test_an_answer_without_allowed_mentions_mentions_users_alone(client: Client) -> None:
    alice = client.loopback.alice.id
    shown = await client.show()
    made = await client.callback(shown, 4, {"content": f"@everyone <@{alice}> <@&77>"})
    assert made["resource"]["message"]["mention_everyone"] is False
    assert shown.message is not None
    assert shown.message.pings == [str(alice)]
    more = await client.follow_up(shown, {"content": f"@everyone <@{alice}>", "flags": EPHEMERAL})
    assert more["mention_everyone"] is False
    edited = await client.original(shown, "PATCH", {"content": "@here <@&77>"})
    assert (edited["mention_everyone"], edited["mention_roles"]) == (False, [])


async def test_components_get_the_free_ids(client: Client) -> None:
    given = [{**texts(1)[0], "id": 2}, *texts(2), {**texts(1)[0], "id": 0}]
    made = await client.post({"flags": V2, "components": given})
    assert [one["id"] for one in made["components"]] == [2, 1, 3, 4]


async def test_old_messages_take_few_edits(client: Client) -> None:
    made = await client.post({"content": "x"})
    client.loopback.old_edits = 2
    for _ in range(4):
        await client.edit(made, {"content": "y"})
    client.loopback.advance(3601)
    await client.edit(made, {"content": "a"})
    await client.edit(made, {"content": "b"})
    body = await client.edit(made, {"content": "c"})
    assert (client.status, body["code"], body["global"]) == (429, 30046, False)
    assert body["retry_after"] > 60
    client.loopback.advance(body["retry_after"])
    await client.edit(made, {"content": "d"})
    assert client.status == 200


async def test_automod_and_harmful_links_are_refused(client: Client) -> None:
    client.loopback.automod.append("rude")
    client.loopback.harmful_links.append("evil.example")
    await client.post({"flags": V2, "components": [{"type": 10, "content": "how rude"}]})
    assert (client.status, client.code) == (400, 200000)
    await client.post({"content": "https://evil.example/x"})
    assert (client.status, client.code) == (400, 240000)
    made = await client.post({"content": "polite"})
    await client.edit(made, {"content": "rude"})
    assert client.code == 200000


async def test_history_reads_after_before_and_around(client: Client) -> None:
    ids = [(await client.post({"content": str(n)}))["id"] for n in range(6)]
    path = f"/channels/{client.loopback.channel_id}/messages"

    async def read(query: str) -> list[str]:
        return [ids.index(one["id"]) for one in await client.send("GET", path + query)]

    assert await read("") == [5, 4, 3, 2, 1, 0]
    assert await read("?limit=2") == [5, 4]
    assert await read(f"?after={ids[1]}&limit=2") == [3, 2]
    assert await read(f"?before={ids[3]}&limit=2") == [2, 1]
    assert await read(f"?around={ids[3]}&limit=3") == [4, 3, 2]
    await client.send("GET", path + "?limit=101")
    assert client.code == 50035
