"""The API client: the only file that knows httpx, the API's URLs, its headers and its JSON.

The endpoint is ``POST /imageToImage`` as the API's documentation page describes it: everything
in the query, no body, four headers of the account's besides the key.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
from collections.abc import Collection
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Self, cast

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tenacity import (
    AsyncRetrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)

from bot.config import LOOPBACK, Settings
from bot.domain import Option, Result, read_option, unique_options
from bot.errors import (
    ApiBusy,
    ApiFailure,
    ApiNonsense,
    ApiTimeout,
    ApiUnreachable,
    BadRequest,
    GenArtError,
    HostNotAllowed,
    PictureGone,
    PictureTooLarge,
    PictureUnreachable,
    Unauthorized,
)

log = logging.getLogger(__name__)

PICTURE_BYTES = 50 * 1024 * 1024
"""Bytes of a picture that is downloaded, at most."""

_ANSWER_BYTES = 1024 * 1024
_CONNECT_RETRIES = 3
_DOWNLOAD_TIMEOUT = 120.0
_DOWNLOAD_ATTEMPTS = 3
_REDIRECTS = 5
_BUSY_FOR = 30.0
_BUSY_AT_MOST = 3_600.0
_SENTENCE = re.compile(r"[^<>{}\n]{3,300}")


class _ApiOption(BaseModel):
    model_config = ConfigDict(extra="ignore")
    custom: str = ""
    label: str | None = None
    style: int | None = None


class _ApiAnswer(BaseModel):
    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)
    uri: str | None = None
    proxy_url: str | None = None
    options: list[Any] = Field(default_factory=list[Any])
    id: str | None = None
    hash: str | None = None
    flags: int | None = None
    task_id: str | None = Field(None, alias="taskId")


class GenArt:
    """The GenArt API, over one connection pool. An async context manager."""

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
            "server_id": settings.genart_server_id,
            "channel_id": settings.genart_channel_id,
            "discord_token": account,
        }
        # A connection kept alive may be closed by its server just as a request goes out, and then
        # nobody knows whether the API took (and charged for) it: each request has a fresh one.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self._client = httpx.AsyncClient(
            # Retries in the transport are for failures to connect alone (refused, DNS, TLS).
            transport=httpx.AsyncHTTPTransport(retries=_CONNECT_RETRIES, limits=limits),
            timeout=httpx.Timeout(connect=10, read=self._timeout, write=30, pool=10),
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def image_to_image(self, prompt: str, image_url: str) -> Result:
        """Ask for a grid made from the picture at ``image_url``; takes a minute or more.

        Raises:
            GenArtError: one of its kinds. Only :class:`ApiUnreachable` with ``sent`` false and
                :class:`ApiBusy` say for certain that nothing was charged.
        """
        params = {"prompt": prompt, "imageUrl": image_url}
        status, headers, body = await self._call("POST", "/imageToImage", params)
        if status != 200:
            raise self._error(status, headers, body)
        return read_result(body)

    async def info(self) -> None:
        """Ask about the account, which costs nothing: does the API take the key?

        Raises:
            GenArtError
        """
        status, headers, body = await self._call("GET", "/info", {})
        if status != 200:
            raise self._error(status, headers, body)

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

    async def _call(
        self, method: str, path: str, params: dict[str, str]
    ) -> tuple[int, httpx.Headers, bytes]:
        url = self._url + path
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._client.stream(method, url, params=params, headers=self._headers) as response,
            ):
                body = await _read(response, _ANSWER_BYTES)
                return response.status_code, response.headers, body
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            raise ApiUnreachable(sent=False) from None
        except (TimeoutError, httpx.TimeoutException):
            raise ApiTimeout from None
        except PictureTooLarge:
            raise ApiNonsense(f"more than {_ANSWER_BYTES} bytes") from None
        except httpx.HTTPError as error:
            log.warning("The connection to the API broke: %s", type(error).__name__)
            raise ApiUnreachable(sent=True) from None

    def _error(self, status: int, headers: httpx.Headers, body: bytes) -> GenArtError:
        match status:
            case 400:
                return BadRequest(self._sentence(body))
            case 401:
                return Unauthorized()
            case 429:
                return ApiBusy(_retry_after(headers) or _BUSY_FOR)
            case 503 if seconds := _retry_after(headers):
                return ApiBusy(seconds)
            case _:
                return ApiFailure(status)

    def _sentence(self, body: bytes) -> str | None:
        """Return what the API says of a bad request, if that is a sentence without our secrets."""
        text = body.decode("utf-8", "replace").strip()
        try:
            answer: Any = json.loads(text)
        except ValueError:
            answer = text
        if isinstance(answer, dict):
            fields = cast("dict[str, object]", answer)
            answer = fields.get("message") or fields.get("error")
        if not isinstance(answer, str) or not _SENTENCE.fullmatch(answer.strip()):
            return None
        return None if any(secret in answer for secret in self._secrets) else answer.strip()

    async def download_result(self, result: Result) -> bytes:
        """Return the grid's bytes from the first of the result's links that gives them.

        Raises:
            PictureError: the error of the first link; none of the links gave a picture.
        """
        errors: list[Exception] = []
        for url in result.image_urls:
            try:
                return await self.download(url, self._hosts)
            except (PictureGone, PictureUnreachable, PictureTooLarge, HostNotAllowed) as error:
                errors.append(error)
        raise errors[0]

    async def download(self, url: str, hosts: Collection[str] | None = None) -> bytes:
        """Return the bytes behind ``url``, at most :data:`PICTURE_BYTES`.

        With ``hosts`` every step of a redirect must lead to one of them (``host`` or
        ``host:port``), over https unless it is a loopback host named there. Without, the link is
        one that Discord itself gave, and it must not redirect.

        Raises:
            HostNotAllowed, PictureGone, PictureTooLarge, PictureUnreachable
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(PictureUnreachable),
            stop=stop_after_attempt(_DOWNLOAD_ATTEMPTS),
            wait=wait_exponential_jitter(multiplier=0.5, max=5),
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                return await self._download_once(url, hosts)
        raise PictureUnreachable

    async def _download_once(self, url: str, hosts: Collection[str] | None) -> bytes:
        try:
            async with asyncio.timeout(_DOWNLOAD_TIMEOUT), AsyncExitStack() as stack:
                target = httpx.URL(url)
                for _ in range(_REDIRECTS):
                    if hosts is not None and not is_allowed(target, hosts):
                        raise HostNotAllowed(target.host)
                    request = self._client.stream("GET", target, timeout=30)
                    response = await stack.enter_async_context(request)
                    if response.next_request is None:
                        break
                    if hosts is None:
                        raise PictureGone
                    target = response.next_request.url
                else:
                    raise PictureGone
                if response.status_code >= 500 or response.status_code == 429:
                    raise PictureUnreachable
                if response.status_code != 200:
                    raise PictureGone
                return await _read(response, PICTURE_BYTES)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol):
            raise PictureGone from None
        except (TimeoutError, httpx.HTTPError):
            raise PictureUnreachable from None


async def _read(response: httpx.Response, limit: int) -> bytes:
    """Read a body of at most ``limit`` bytes, without holding more than that."""
    declared = response.headers.get("Content-Length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise PictureTooLarge
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > limit:
            raise PictureTooLarge
    return bytes(body)


def is_allowed(url: httpx.URL, hosts: Collection[str]) -> bool:
    """Tell whether a link leads to one of ``hosts``, in a way that nobody on the way can bend."""
    host = url.host.lower()
    port = url.port or {"https": 443, "http": 80}.get(url.scheme)
    named = host in hosts or f"{host}:{port}" in hosts
    return named and (url.scheme == "https" or (url.scheme == "http" and host in LOOPBACK))


def _retry_after(headers: httpx.Headers) -> float | None:
    """Return the seconds that a Retry-After header asks for, be it a number or a date."""
    value = headers.get("Retry-After", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 1.0), _BUSY_AT_MOST) if seconds == seconds else None


def read_result(body: bytes) -> Result:
    """Read what the API answered.

    Raises:
        ApiNonsense: it isn't what is documented, or names no image.
    """
    try:
        answer = _ApiAnswer.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise ApiNonsense(f"{first['type']} at {first['loc']}") from None
    urls = tuple(url for url in (answer.uri, answer.proxy_url) if url)
    if not urls:
        raise ApiNonsense("neither uri nor proxy_url")
    options = [option for raw in answer.options if (option := _read_option(raw))]
    return Result(
        image_urls=urls,
        options=unique_options(options),
        api_id=answer.id,
        api_hash=answer.hash,
        flags=answer.flags,
        task_id=answer.task_id,
    )


def _read_option(raw: object) -> Option | None:
    """Read one option; one that is malformed is left out, for the grid itself is paid for."""
    try:
        option = _ApiOption.model_validate(raw)
    except ValidationError:
        log.warning("The API returned an option that is malformed; it is not shown.")
        return None
    return read_option(option.custom, option.label, option.style)
