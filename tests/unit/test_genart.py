"""The API client against a loopback API that does everything an API shouldn't."""

from __future__ import annotations

import asyncio
import functools
import gzip
import io
import resource
import socket
import time
from collections.abc import AsyncIterator

import pytest
from PIL import Image
from yarl import URL

from bot.domain import Kind, Result
from bot.errors import (
    ApiBusy,
    ApiDisconnected,
    ApiFailure,
    ApiNonsense,
    ApiTimeout,
    ApiUnreachable,
    BadRequest,
    HostNotAllowed,
    NotAPicture,
    PictureError,
    PictureGone,
    PictureTooLarge,
    PictureUnreachable,
    RequestTooLarge,
    Unauthorized,
)
from bot.genart import GenArt, is_allowed
from bot.genart_format import Answer, marker_of
from sandbox.genart import (
    Behaviour,
    LoopbackGenArt,
    answer,
    change,
    hang,
    html,
    redirect,
    reset_before,
    reset_during,
    stream,
    truncated_json,
)
from tests.conftest import MakeSettings

PROMPT = "a cat & a dog? 100% = 🐈 +1"


async def collect(chunks: AsyncIterator[bytes]) -> bytes:
    return b"".join([chunk async for chunk in chunks])


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), "teal").save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
async def api() -> AsyncIterator[LoopbackGenArt]:
    async with LoopbackGenArt(tile=16, delay=0) as running:
        yield running


@pytest.fixture
async def genart(api: LoopbackGenArt, make_settings: MakeSettings) -> AsyncIterator[GenArt]:
    async with GenArt(settings_for(api, make_settings)) as client:
        yield client


def settings_for(api: LoopbackGenArt, make_settings: MakeSettings, **more: object):
    return make_settings(
        **{
            "genart_api_url": api.api_url,
            "genart_api_key": api.api_key,
            "genart_server_id": api.server_id,
            "genart_channel_id": api.channel_id,
            "genart_discord_token": api.discord_token,
            "genart_image_hosts": api.image_host,
        }
        | more
    )


@pytest.fixture
async def picture(api: LoopbackGenArt) -> str:
    """Return the link of a picture that the API can fetch, query and all."""
    api.images["/pictures/cat.png"] = png()
    return f"http://{api.image_host}/pictures/cat.png?ex=1&is=2&hm=3&"


async def test_the_request_is_exactly_as_documented(
    api: LoopbackGenArt, genart: GenArt, picture: str
):
    answered = await genart.image_to_image(PROMPT, picture)
    result = answered.result
    (call,) = api.calls
    assert (call.prompt, call.image_url, call.source, call.status) == (PROMPT, picture, png(), 200)
    assert [o.label for o in result.options] == [
        "U1",
        "U2",
        "U3",
        "U4",
        "🔄",
        "V1",
        "V2",
        "V3",
        "V4",
    ]
    assert [o.kind for o in result.options] == [
        *[Kind.UPSCALE] * 4,
        Kind.REROLL,
        *[Kind.VARIATION] * 4,
    ]
    assert all(option.custom.startswith("MJ::JOB::") for option in result.options)
    assert result.api_id
    assert result.api_hash
    assert result.flags == 0
    assert result.task_id
    assert result.size == (32, 32)
    assert marker_of(answered.content)
    assert await genart.download_result(result, collect) == call.grid


async def test_what_the_bot_can_do_without_may_be_missing(
    api: LoopbackGenArt, genart: GenArt, picture: str
):
    options = [{"custom": "MJ::JOB::upsample::1::h"}, {"label": 7}, None, {"custom": "x"}]
    api.behaviours.append(
        change(
            **dict.fromkeys(("proxy_url", "width", "height", "taskId", "hash", "flags", "id")),
            options=options,
            surprise={"nested": True},
        )
    )
    result = (await genart.image_to_image(PROMPT, picture)).result
    assert [(o.label, o.style) for o in result.options] == [("U1", 2)]
    assert len(result.image_urls) == 1


async def test_without_any_link_an_answer_is_nonsense(
    api: LoopbackGenArt, genart: GenArt, picture: str
):
    api.behaviours.append(change(uri=None, proxy_url=None))
    with pytest.raises(ApiNonsense):
        await genart.image_to_image(PROMPT, picture)


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        (answer(400, '{"message": "The prompt is banned."}'), BadRequest),
        (answer(401, "{}"), Unauthorized),
        (answer(413, ""), RequestTooLarge),
        (answer(414, "<html></html>"), RequestTooLarge),
        (answer(431, ""), RequestTooLarge),
        (answer(404, "not here"), ApiFailure),
        (answer(418, ""), ApiFailure),
        (answer(204, ""), ApiFailure),
        (answer(302, "", headers={"Location": "/elsewhere"}), ApiFailure),
        (answer(500, '{"message": "no"}'), ApiFailure),
        (html(), ApiFailure),
        (answer(200, "<html></html>", "text/html"), ApiNonsense),
        (answer(200, "[]"), ApiNonsense),
        (answer(200, '{"uri": 17, "options": "none"}'), ApiNonsense),
        (answer(200, b"\xff\xfe\x00"), ApiNonsense),
        (answer(200, b"[" * 2_000_000), ApiNonsense),
        (truncated_json(), ApiNonsense),
        (reset_before(), ApiDisconnected),
        (reset_during(), ApiDisconnected),
        (answer(429, ""), ApiBusy),
        (answer(503, ""), ApiFailure),
    ],
)
async def test_each_fault_has_an_error_of_ours_and_is_not_asked_for_twice(
    api: LoopbackGenArt,
    genart: GenArt,
    picture: str,
    behaviour: Behaviour,
    expected: type[Exception],
):
    api.behaviours.append(behaviour)
    with pytest.raises(expected) as raised:
        await genart.image_to_image(PROMPT, picture)
    assert len(api.calls) == 1
    assert api.api_key not in repr(raised.value)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ('{"message": "The prompt is banned."}', "The prompt is banned."),
        ('{"message": "the token loopback-account-token is bad"}', None),
        ('{"message": "Bearer loopback-api-key is bad"}', None),
    ],
)
async def test_a_bad_request_says_what_the_api_says_without_our_secrets(
    api: LoopbackGenArt, genart: GenArt, picture: str, body: str, sentence: str | None
):
    api.behaviours.append(answer(400, body))
    with pytest.raises(BadRequest) as raised:
        await genart.image_to_image(PROMPT, picture)
    assert raised.value.reason == sentence


@functools.cache
def bomb() -> bytes:
    """Return the few kilobytes that two rounds of gzip make of two gigabytes."""
    inner = gzip.compress(bytes(2**26))
    return gzip.compress(inner * 32)


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip", "deflate", "br", "zstd", "x"])
async def test_an_answer_that_is_compressed_is_refused_unopened(
    api: LoopbackGenArt, genart: GenArt, picture: str, encoding: str
):
    packed = answer(200, bomb(), headers={"Content-Encoding": encoding})
    api.behaviours.append(packed)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ApiNonsense):
        await genart.image_to_image(PROMPT, picture)
    api.image_behaviour = packed
    with pytest.raises(NotAPicture):
        await genart.download(picture, {api.image_host}, collect)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 100 * 1024


async def test_an_error_that_is_compressed_is_known_by_its_status(
    api: LoopbackGenArt, genart: GenArt, picture: str
):
    packed = gzip.compress(b'{"message": "no"}')
    for status, error in ((400, BadRequest), (401, Unauthorized), (502, ApiFailure)):
        api.behaviours.append(answer(status, packed, headers={"Content-Encoding": "gzip"}))
        with pytest.raises(error):
            await genart.image_to_image(PROMPT, picture)


async def test_nothing_compressed_is_asked_for(api: LoopbackGenArt, genart: GenArt, picture: str):
    asked: list[str] = []

    async def note(request):
        asked.append(request.headers["Accept-Encoding"])

    api.behaviours.append(note)
    api.image_behaviour = note
    result = (await genart.image_to_image(PROMPT, picture)).result
    await genart.download_result(result, collect)
    # The first to ask for a picture is the API, which fetches the source.
    assert asked[1:] == ["identity", "identity"]


async def test_the_prompt_is_sent_as_the_service_would_rewrite_it(
    api: LoopbackGenArt, genart: GenArt, picture: str
):
    await genart.image_to_image(" a  cat\n—ar 3:2", picture)
    assert api.calls[0].prompt == "a cat --ar 3:2"


async def test_a_prompt_too_long_to_be_sent_is_refused(genart: GenArt, picture: str):
    with pytest.raises(RequestTooLarge):
        await genart.image_to_image("🐈" * 9_000, picture)


@pytest.mark.parametrize(
    ("status", "header", "seconds"),
    [(429, "7", 7), (503, "120", 120), (429, "soon", 30), (503, "99999999", 3600), (429, "-4", 1)],
)
async def test_a_busy_api_says_how_long_to_wait(
    api: LoopbackGenArt, genart: GenArt, picture: str, status: int, header: str, seconds: float
):
    api.behaviours.append(answer(status, "", headers={"Retry-After": header}))
    with pytest.raises(ApiBusy) as raised:
        await genart.image_to_image(PROMPT, picture)
    assert raised.value.retry_after == seconds


async def test_a_date_to_retry_after_is_understood(
    api: LoopbackGenArt, genart: GenArt, picture: str
):
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 60))
    api.behaviours.append(answer(503, "", headers={"Retry-After": date}))
    with pytest.raises(ApiBusy) as raised:
        await genart.image_to_image(PROMPT, picture)
    assert 50 < raised.value.retry_after <= 60


async def test_a_server_that_never_answers_ends_in_a_timeout(
    api: LoopbackGenArt, make_settings: MakeSettings, picture: str
):
    api.behaviours.append(hang())
    async with GenArt(settings_for(api, make_settings, genart_timeout=0.3)) as genart:
        with pytest.raises(ApiTimeout):
            await genart.image_to_image(PROMPT, picture)


async def test_a_server_that_drips_ends_in_a_timeout(
    api: LoopbackGenArt, make_settings: MakeSettings
):
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        try:
            while not writer.is_closing():
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.05)
        except ConnectionError:
            pass

    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        settings = settings_for(
            api, make_settings, genart_timeout=0.4, genart_api_url=f"http://{host}:{port}"
        )
        async with GenArt(settings) as genart:
            with pytest.raises(ApiTimeout):
                await genart.image_to_image(PROMPT, "http://127.0.0.1/x")


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_a_refused_connection_is_tried_again_for_nothing_was_sent(
    api: LoopbackGenArt, make_settings: MakeSettings, picture: str
):
    port = closed_port()
    settings = settings_for(api, make_settings, genart_api_url=f"http://127.0.0.1:{port}")
    async with GenArt(settings) as genart:
        with pytest.raises(ApiUnreachable):
            await genart.image_to_image(PROMPT, picture)
        calling = asyncio.create_task(genart.image_to_image(PROMPT, picture))
        await asyncio.sleep(0.2)
        async with LoopbackGenArt(tile=16, delay=0, port=port) as late:
            late.images["/pictures/cat.png"] = png()
            assert isinstance(await calling, Answer)
            assert len(late.calls) == 1


async def test_the_second_link_serves_where_the_first_does_not(
    api: LoopbackGenArt, genart: GenArt, picture: str
):
    api.behaviours.append(change(uri=f"http://{api.image_host}/gone.png"))
    result = (await genart.image_to_image(PROMPT, picture)).result
    assert await genart.download_result(result, collect) == api.calls[0].grid


async def test_a_result_on_another_host_is_not_fetched(
    api: LoopbackGenArt, genart: GenArt, picture: str
):
    elsewhere = f"http://{api.api_url.removeprefix('http://')}/info"
    for url in (elsewhere, "http://localhost/x.png", "https://evil.example/x.png"):
        api.behaviours.append(change(uri=url, proxy_url=None))
        result = (await genart.image_to_image(PROMPT, picture)).result
        with pytest.raises(PictureError):
            await genart.download_result(result, collect)


@pytest.mark.parametrize(
    ("url", "hosts", "allowed"),
    [
        ("https://cdn.example/a.png", {"cdn.example"}, True),
        ("https://CDN.example:443/a.png", {"cdn.example:443"}, True),
        ("http://cdn.example/a.png", {"cdn.example"}, False),
        ("https://cdn.example.evil.example/a.png", {"cdn.example"}, False),
        ("https://cdn.example@evil.example/a.png", {"cdn.example"}, False),
        ("ftp://cdn.example/a.png", {"cdn.example"}, False),
        ("http://127.0.0.1:9/a.png", {"127.0.0.1:8"}, False),
    ],
)
def test_only_named_hosts_are_asked_and_only_over_https(url: str, hosts: set[str], allowed: bool):
    assert is_allowed(URL(url), hosts) is allowed


async def test_each_step_of_a_redirect_is_checked(api: LoopbackGenArt, genart: GenArt):
    url = f"http://{api.image_host}/pictures/cat.png?hm=1"
    api.image_behaviour = redirect(api.api_url + "/info")
    with pytest.raises(HostNotAllowed):
        await genart.download(url, {api.image_host}, collect)
    api.image_behaviour = redirect(url)
    with pytest.raises(PictureGone):
        await genart.download(url, {api.image_host}, collect)


async def test_a_redirect_within_the_named_hosts_is_followed(
    api: LoopbackGenArt, genart: GenArt, picture: str
):
    async def once(request):
        if request.path == "/first":
            return await redirect("/pictures/cat.png?hm=1")(request)
        return None

    api.image_behaviour = once
    assert (
        await genart.download(f"http://{api.image_host}/first", {api.image_host}, collect) == png()
    )


async def test_a_body_over_the_limit_is_not_read_to_its_end(api: LoopbackGenArt, genart: GenArt):
    api.image_behaviour = stream(60)
    with pytest.raises(PictureTooLarge):
        await genart.download(f"http://{api.image_host}/big.png", {api.image_host}, collect)


async def test_a_host_that_stumbles_is_asked_again_for_what_is_paid_for(
    api: LoopbackGenArt, genart: GenArt, picture: str
):
    faults = [answer(503), reset_before()]

    async def stumble(request):
        return await faults.pop()(request) if faults else None

    api.image_behaviour = stumble
    assert await genart.download(picture, {api.image_host}, collect) == png()
    faults.extend([answer(503)] * 9)
    with pytest.raises(PictureUnreachable):
        await genart.download(picture, {api.image_host}, collect)


@pytest.mark.parametrize(
    "url", ["", "x", "//x", "file:///x", "https://a:b/", "https://[::1/", "https://xn--0/", "h\n:/"]
)
async def test_what_is_no_address_is_not_asked(genart: GenArt, url: str):
    with pytest.raises(PictureError) as raised:
        await genart.download(url, {"cdn.example"}, collect)
    assert not raised.value.transient


async def test_a_picture_is_received_while_it_arrives(api: LoopbackGenArt, genart: GenArt):
    api.image_behaviour = stream(8)
    sizes: list[int] = []

    async def receive(chunks: AsyncIterator[bytes]) -> str:
        async for chunk in chunks:
            sizes.append(len(chunk))
        return "received"

    url = f"http://{api.image_host}/big.png"
    assert await genart.download(url, {api.image_host}, receive) == "received"
    assert sum(sizes) == 8 * 2**20
    assert max(sizes) < 2**20


async def test_a_receiver_that_has_seen_enough_ends_the_download(
    api: LoopbackGenArt, genart: GenArt
):
    api.image_behaviour = stream(40)

    async def refuse(chunks: AsyncIterator[bytes]) -> bytes:
        async for _ in chunks:
            raise PictureTooLarge
        return b""

    for _ in range(3):
        with pytest.raises(PictureTooLarge):
            await genart.download(f"http://{api.image_host}/big.png", {api.image_host}, refuse)


async def test_a_picture_that_was_cut_short_is_fetched_once_more(
    api: LoopbackGenArt, genart: GenArt, picture: str
):
    received: list[bytes] = []

    async def receive(chunks: AsyncIterator[bytes]) -> bytes:
        received.append(await collect(chunks))
        if received[-1] != png():
            raise NotAPicture
        return received[-1]

    cut = [answer(200, png()[:-20], "image/png")]

    async def cut_short(request):
        return await cut.pop()(request) if cut else None

    api.image_behaviour = cut_short
    result = Result((picture,), ())
    assert await genart.download_result(result, receive) == png()
    cut.extend([answer(200, b"", "image/png")] * 9)
    with pytest.raises(NotAPicture):
        await genart.download_result(result, receive)
    assert len(received) == 4


async def test_an_error_that_may_pass_is_told_rather_than_one_that_is_final(
    api: LoopbackGenArt, genart: GenArt, picture: str
):
    api.image_behaviour = answer(503)
    result = Result(("https://elsewhere.example/x.png", picture), ())
    with pytest.raises(PictureUnreachable):
        await genart.download_result(result, collect)


async def test_a_redirect_sets_no_cookie_and_carries_no_key(
    api: LoopbackGenArt, genart: GenArt, picture: str
):
    seen: list[dict[str, str]] = []

    async def once(request):
        seen.append(dict(request.headers))
        if request.path == "/first":
            response = await redirect("/pictures/cat.png?hm=1")(request)
            assert response is not None
            response.headers["Set-Cookie"] = "a=b; Path=/"
            return response
        return None

    api.image_behaviour = once
    await genart.download(f"http://{api.image_host}/first", {api.image_host}, collect)
    assert len(seen) == 2
    assert not {"Cookie", "Authorization", "discord_token"} & set(seen[1])


async def test_a_picture_is_described_over_the_documented_endpoint(
    api: LoopbackGenArt, genart: GenArt, picture: str
):
    answered = await genart.describe(picture)
    (call,) = api.calls
    assert (call.describes, call.image_url, call.source) == (True, picture, png())
    assert len(answered.result.descriptions) == 4
    api.behaviours.append(answer(401))
    with pytest.raises(Unauthorized):
        await genart.describe(picture)
