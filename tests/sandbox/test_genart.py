"""The loopback GenArt API answers as documented, and fails as asked."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from PIL import Image

from sandbox import genart as api
from sandbox.genart import LoopbackGenArt
from sandbox.pictures import cut, draw, same_pixels
from sandbox.serving import serve


@pytest_asyncio.fixture
async def genart() -> AsyncIterator[LoopbackGenArt]:
    async with LoopbackGenArt(delay=0, tile=64) as found:
        yield found


@pytest_asyncio.fixture
async def picture_url(genart: LoopbackGenArt) -> str:
    async def picture(_: web.Request) -> web.Response:
        return web.Response(body=draw((80, 60)), content_type="image/png")

    app = web.Application()
    app.router.add_get("/p.png", picture)
    return f"http://{await serve(genart._stack, app)}/p.png?a=1&b=2"


async def ask(genart: LoopbackGenArt, url: str, **headers: str) -> tuple[int, dict]:
    sent = {
        "Authorization": f"Bearer {genart.api_key}",
        "Content-Type": "application/json",
        "server_id": genart.server_id,
        "channel_id": genart.channel_id,
        "discord_token": genart.discord_token,
        **headers,
    }
    target = f"{genart.api_url}/imageToImage"
    query = {"prompt": "a city", "imageUrl": url}
    timeout = aiohttp.ClientTimeout(total=2)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.post(target, params=query, headers=sent) as response,
    ):
        return response.status, await response.json()


async def test_a_grid_is_four_different_tiles_and_a_reroll_differs(
    genart: LoopbackGenArt, picture_url: str
) -> None:
    status, body = await ask(genart, picture_url)
    labels = [option["label"] for option in body["options"]]
    assert (status, labels) == (200, ["U1", "U2", "U3", "U4", "🔄", "V1", "V2", "V3", "V4"])
    assert base64.b64decode(body["taskId"]).decode().endswith(f"_{body['id']}_0_{body['hash']}")
    async with aiohttp.ClientSession() as session, session.get(body["uri"]) as response:
        grid = await response.read()
    assert grid == genart.calls[0].grid
    assert genart.calls[0].source == draw((80, 60))
    assert Image.open(io.BytesIO(grid)).size == (128, 128)
    tiles = [cut(grid, number) for number in (1, 2, 3, 4)]
    assert len({tile.tobytes() for tile in tiles}) == 4
    assert not same_pixels(grid, tiles[0])
    await ask(genart, picture_url)
    assert genart.calls[1].grid != grid


async def test_bad_calls_are_refused(genart: LoopbackGenArt, picture_url: str) -> None:
    assert (await ask(genart, picture_url, Authorization="Bearer x"))[0] == 401
    assert (await ask(genart, picture_url, server_id="x"))[0] == 400
    assert (await ask(genart, picture_url.replace("p.png", "q.png")))[0] == 400
    assert (await ask(genart, "http://example.invalid/p.png"))[0] == 400
    assert [call.status for call in genart.calls] == [401, 400, 400, 400]


@pytest.mark.parametrize(
    ("behaviour", "raised"),
    [
        (api.reset_before(), aiohttp.ServerDisconnectedError),
        (api.reset_during(), aiohttp.ClientPayloadError),
        (api.hang(), asyncio.TimeoutError),
        (api.html(), aiohttp.ContentTypeError),
        (api.truncated_json(), ValueError),
    ],
)
async def test_a_call_can_fail_in_every_way(
    genart: LoopbackGenArt, picture_url: str, behaviour: api.Behaviour, raised: type
) -> None:
    genart.behaviours.append(behaviour)
    genart.behaviours.append(api.change(hash="other", uri=None))
    with pytest.raises(raised):
        await ask(genart, picture_url)
    status, body = await ask(genart, picture_url)
    assert (status, body["hash"], "uri" in body, genart.in_flight) == (200, "other", False, 0)
