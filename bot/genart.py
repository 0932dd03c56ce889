"""The API client: the only file that does the API's HTTP.

The endpoints are ``POST /imageToImage`` and ``POST /describe`` as the API's documentation pages
describe them: everything in the query, no body, three headers of the account's besides the key.
What is asked and answered is put into words by :mod:`bot.genart_format`.

Pictures are downloaded with aiohttp, which takes a third of httpx's CPU time for ten megabytes.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, aclosing
from datetime import UTC, datetime
from typing import Self, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
import httpx
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)
from yarl import URL

from bot import metrics
from bot.config import LOOPBACK, Settings
from bot.domain import AccountInfo, Result
from bot.errors import (
    ApiBusy,
    ApiDisconnected,
    ApiFailure,
    ApiNonsense,
    ApiTimeout,
    ApiUnreachable,
    BadRequest,
    GenArtError,
    HostNotAllowed,
    NotAPicture,
    PictureError,
    PictureGone,
    PictureTooLarge,
    PictureUnreachable,
    RequestTooLarge,
    Unauthorized,
)
from bot.genart_format import (
    Answer,
    read_answer,
    read_descriptions,
    read_info,
    read_reason,
    read_retry_after,
)
from bot.prompts import PATH, build_query

log = logging.getLogger(__name__)

T = TypeVar("T")
Receive = Callable[[AsyncIterator[bytes]], Awaitable[T]]
"""Takes a picture's bytes as they arrive, and makes something of them."""

PICTURE_BYTES = 50 * 1024 * 1024
"""Bytes of a picture that is downloaded, at most."""

_INFO_TIMEOUT = 30.0
_ANSWER_BYTES = 1024 * 1024
_CONNECT_RETRIES = 3
_DOWNLOAD_TIMEOUT = 120.0
_SILENCE_TIMEOUT = 30.0
_CONNECT_TIMEOUT = 10.0
_DOWNLOAD_ATTEMPTS = 3
_LOOKS = 2
_REDIRECTS = 5
_REDIRECTING = {301, 302, 303, 307, 308}
_TOO_LARGE = {413, 414, 431}
_BUSY_FOR = 30.0
# A small compressed body can unfold to gigabytes: we ask for none and take none.
_PLAIN = "identity"


class GenArt:
    """The GenArt API and the pictures it names. An async context manager."""

    def __init__(self, settings: Settings) -> None:
        self._url = settings.genart_api_url
        self._hosts = settings.genart_image_hosts
        self._timeout = settings.genart_timeout
        key = settings.genart_api_key.get_secret_value()
        account = settings.genart_discord_token.get_secret_value()
        self._secrets = (key, account)
        self._headers = {
            "Authorization": f"Bearer {key}",
            "Content-Type": "application/json",
            "Accept-Encoding": _PLAIN,
            "server_id": settings.genart_server_id,
            "channel_id": settings.genart_channel_id,
            "discord_token": account,
        }
        # A connection kept alive may be closed by its server just as a request goes out, and then
        # nobody knows whether the API took (and charged for) it: each request has a fresh one.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self._client = httpx.AsyncClient(
            # Retries in the transport are for failures to connect alone (refused, DNS, TLS).
            transport=httpx.AsyncHTTPTransport(
                verify=ssl.create_default_context(), retries=_CONNECT_RETRIES, limits=limits
            ),
            timeout=httpx.Timeout(connect=10, read=self._timeout, write=30, pool=10),
            trust_env=False,
        )
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._client)
        self._pictures = await self._stack.enter_async_context(
            aiohttp.ClientSession(
                auto_decompress=False,
                connector=aiohttp.TCPConnector(limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Accept-Encoding": _PLAIN},
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=_CONNECT_TIMEOUT, sock_read=_SILENCE_TIMEOUT
                ),
                trust_env=False,
            )
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def image_to_image(self, prompt: str, image_url: str) -> Answer:
        """Ask for a grid made from the picture at ``image_url``; takes a minute or more.

        Raises:
            GenArtError: one of its kinds. Only :class:`ApiUnreachable` and :class:`ApiBusy` say
                for certain that nothing was charged.
        """
        query = build_query(prompt, image_url)
        with metrics.api_call():
            return read_answer(await self._call("POST", f"{PATH}?{query}", self._timeout))

    async def describe(self, image_url: str) -> Answer:
        """Ask for four descriptions of the picture at ``image_url``; takes some seconds or more.

        Raises:
            GenArtError: see :meth:`image_to_image`.
        """
        query = urlencode({"imageUrl": image_url}, quote_via=quote, safe="", errors="replace")
        with metrics.api_call():
            return read_descriptions(await self._call("POST", f"/describe?{query}", self._timeout))

    async def info(self) -> AccountInfo:
        """Ask about the account, which costs nothing: does the API take the key?

        Raises:
            GenArtError
        """
        return read_info(await self._call("GET", "/info", min(self._timeout, _INFO_TIMEOUT)))

    async def reach(self, host: str) -> None:
        """See whether a host of pictures answers at all.

        Raises:
            PictureUnreachable
        """
        scheme = "http" if httpx.URL(f"http://{host}").host in LOOPBACK else "https"
        try:
            await self._client.head(f"{scheme}://{host}/", timeout=10)
        except (httpx.HTTPError, httpx.InvalidURL):
            raise PictureUnreachable from None

    async def _call(self, method: str, path: str, seconds: float) -> bytes:
        """Return the body of a 200 that comes within some seconds."""
        try:
            async with (
                asyncio.timeout(seconds),
                self._client.stream(method, self._url + path, headers=self._headers) as response,
            ):
                body = await _read(response)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            raise ApiUnreachable from None
        except (TimeoutError, httpx.TimeoutException):
            raise ApiTimeout from None
        except httpx.InvalidURL:
            raise RequestTooLarge from None  # httpx sends no address of more than 64 KiB.
        except httpx.HTTPError as error:
            log.warning("The connection to the API broke: %s", type(error).__name__)
            raise ApiDisconnected from None
        if response.status_code != 200:
            raise self._error(response.status_code, response.headers, body)
        return body

    def _error(self, status: int, headers: httpx.Headers, body: bytes) -> GenArtError:
        if status in _TOO_LARGE:
            return RequestTooLarge()
        wait = read_retry_after(headers.get("Retry-After", ""), datetime.now(UTC))
        match status:
            case 400:
                return BadRequest(read_reason(body, self._secrets))
            case 401:
                return Unauthorized()
            case 429:
                return ApiBusy(wait or _BUSY_FOR)
            case 503 if wait:
                return ApiBusy(wait)
            case _:
                return ApiFailure(status)

    async def download_result(self, result: Result, receive: Receive[T]) -> T:
        """Return what ``receive`` makes of the first of the result's links that gives a picture.

        What does not decode may have been cut short on its way, and is fetched once more.

        Raises:
            PictureError: none of the links gave a picture. One that is ``transient`` if any link
                may give it later, else the error of the first.
        """
        errors: list[PictureError] = []
        for url in result.image_urls:
            for _ in range(_LOOKS):
                try:
                    return await self.download(url, self._hosts, receive)
                except PictureError as error:
                    errors.append(error)
                    if not isinstance(error, NotAPicture):
                        break
        raise next((error for error in errors if error.transient), errors[0])

    async def download(self, url: str, hosts: Collection[str], receive: Receive[T]) -> T:
        """Return what ``receive`` makes of the bytes behind ``url``.

        It gets at most :data:`PICTURE_BYTES`, and is called anew for each attempt. Every step of
        a redirect must lead to one of ``hosts`` (``host`` or ``host:port``), over https unless it
        is a loopback host named there.

        Raises:
            HostNotAllowed, NotAPicture, PictureGone, PictureTooLarge, PictureUnreachable
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(PictureUnreachable),
            stop=stop_after_attempt(_DOWNLOAD_ATTEMPTS),
            wait=wait_exponential_jitter(multiplier=0.5, max=5),
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                return await self._download_once(url, hosts, receive)
        raise PictureUnreachable

    async def _download_once(self, url: str, hosts: Collection[str], receive: Receive[T]) -> T:
        target = _address(url)
        try:
            async with asyncio.timeout(_DOWNLOAD_TIMEOUT):
                for _ in range(_REDIRECTS):
                    if not is_allowed(target, hosts):
                        raise HostNotAllowed(target.raw_host or "")
                    async with self._pictures.get(target, allow_redirects=False) as response:
                        location = response.headers.get("Location")
                        if response.status in _REDIRECTING and location:
                            target = _address(location, target)
                            continue
                        _check_status(response.status)
                        async with aclosing(_chunks(response)) as chunks:
                            return await receive(chunks)
        except aiohttp.InvalidURL:
            raise PictureGone from None
        except (TimeoutError, aiohttp.ClientError):
            raise PictureUnreachable from None
        raise PictureGone


async def _read(response: httpx.Response) -> bytes:
    """Read an answer of the API's, as it comes over the wire; nothing of an error that is too
    large or compressed, for its status is enough.

    Raises:
        ApiNonsense: a 200 that is compressed, or larger than any answer.
    """
    body = bytearray()
    if _is_plain(response.headers):
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > _ANSWER_BYTES:
                break
        else:
            return bytes(body)
    if response.status_code == 200:
        raise ApiNonsense(f"compressed, or more than {_ANSWER_BYTES} bytes")
    return b""


def _is_plain(headers: Mapping[str, str]) -> bool:
    return headers.get("Content-Encoding", _PLAIN).strip().lower() == _PLAIN


async def _chunks(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """Yield a picture's bytes as they come over the wire.

    Raises:
        NotAPicture: they are compressed.
        PictureTooLarge
    """
    if not _is_plain(response.headers):
        raise NotAPicture
    if (response.content_length or 0) > PICTURE_BYTES:
        raise PictureTooLarge
    size = 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > PICTURE_BYTES:
            raise PictureTooLarge
        yield chunk


def _check_status(status: int) -> None:
    if status >= 500 or status == 429:
        raise PictureUnreachable
    if status != 200:
        raise PictureGone


def _address(url: str, base: URL | None = None) -> URL:
    """Read a link. One that can be sent as it stands is left so, for its signature's sake.

    With ``base`` it may be relative to that.

    Raises:
        PictureGone: it is none.
    """
    try:
        link = URL(url, encoded=url.isascii() and url.isprintable() and " " not in url)
        link = base.join(link) if base else link
        if not link.raw_host:  # yarl looks for errors in host and port only when asked for them.
            raise PictureGone
    except ValueError:
        raise PictureGone from None
    return link


def is_allowed(url: URL, hosts: Collection[str]) -> bool:
    """Tell whether a link leads to one of ``hosts``, over https, or http on loopback."""
    host = (url.raw_host or "").lower()
    named = host in hosts or f"{host}:{url.port}" in hosts
    return named and (url.scheme == "https" or (url.scheme == "http" and host in LOOPBACK))
