"""What the GenArt API is asked in, and what it answers in: text in, values out, no I/O.

The fields are those of the API's documentation pages for ``POST /imageToImage`` and
``POST /describe``. An answer has been paid for, so it is read field by field: what is malformed
counts as missing, and only an answer that names no picture and no description, or that says itself
that it isn't done, is refused.
"""

from __future__ import annotations

import json
import logging
import re
import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, cast
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    field_validator,
)

from bot.domain import AccountInfo, Kind, Option, Result
from bot.errors import ApiNonsense
from bot.prompts import PROMPT_LENGTH, clean_prompt, normalize_prompt

log = logging.getLogger(__name__)

GREY = 2
"""The style of a button that stands out in no way (Discord's "secondary")."""

_OPTIONS = 100
_LABEL_LENGTH = 80
_INTEGER = 2**31 - 1
_DONE = "done"
_BUSY_AT_MOST = 3_600.0
_SENTENCE = re.compile(r"[^<>{}]{3,300}")
_CUSTOM = re.compile(r"MJ::JOB::(upsample|variation|reroll)::([0-9]+)(?:::.*)?", re.DOTALL)
_LABEL = re.compile(r"([UV])([1-4])")
_KINDS = {"upsample": Kind.UPSCALE, "variation": Kind.VARIATION, "reroll": Kind.REROLL}
_LETTERS = {Kind.UPSCALE: "U", Kind.VARIATION: "V"}
_REROLL_LABEL = "🔄"
# The marker that the service puts before a prompt to find its own result: [123], or <#123#>.
_MARKER = re.compile(r"\s*(?:\[([0-9]{1,30})\]|<#([^\s<>]{1,60})>)")
_HOURS = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(?![0-9])(?!\s*min)")
_LINK = re.compile(r"<https?://[^\s<>]*>|https?://\S+")
_DESCRIPTIONS = 4
_AGAIN = Option(Kind.DESCRIBE, 0, _REROLL_LABEL, GREY, "")
"""The button below descriptions. What the API itself offers there is of no kind that is shown."""
_KEYCAP = re.compile(r"[0-9#*]\ufe0f?\u20e3")
# A link behind words, whose address may hold brackets, and a title.
_MASKED = re.compile(r"\[([^\[\]]*)\]\(\s*<?https?://(?:[^\s()<>]|\([^\s()]*\))*>?(?:\s+[^()]*)?\)")
_ASPECT = re.compile(r"(?:--|—)(?:ar|aspect)\s+(\d+(?:\.\d+)?:\d+(?:\.\d+)?)(?!\S)", re.IGNORECASE)
_DASH = re.compile(r"\s+(?:--|—)(?=\s|$)")


def _without_controls(text: str) -> str:
    return "".join(c for c in text if unicodedata.category(c) != "Cc")


def _whole(text: str) -> str:
    """Refuse half an emoji (a lone surrogate) and what stands for a byte that was broken."""
    text.encode()
    if "\ufffd" in text:
        raise ValueError
    return text


Whole = Annotated[str, AfterValidator(_whole)]
Text = Annotated[Whole, Field(max_length=500), AfterValidator(_without_controls)]
Url = Annotated[str, Field(max_length=2_048)]
Number = Annotated[int, Field(ge=0, le=_INTEGER)]


class _Lenient(BaseModel):
    """An object whose fields are ``None`` where they are missing or malformed."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True)

    @field_validator("*", mode="wrap")
    @classmethod
    def _malformed_is_missing(cls, value: object, handler: ValidatorFunctionWrapHandler) -> object:
        try:
            return handler(value)
        except ValidationError:
            return None


class _ApiOption(_Lenient):
    custom: Text | None = None
    label: Text | None = None
    style: int | None = None


class _ApiAnswer(_Lenient):
    content: Whole | None = None
    uri: Url | None = None
    proxy_url: Url | None = None
    options: list[Any] | None = None
    id: Text | None = None
    hash: Text | None = None
    flags: Number | None = None
    task_id: Text | None = Field(None, alias="taskId")
    width: Number | None = None
    height: Number | None = None


class _ApiInfo(_Lenient):
    subscription: Text | None = None
    job_mode: Text | None = Field(None, alias="jobMode")
    visibility: Text | None = Field(None, alias="visibilityMode")
    fast_time: Text | None = Field(None, alias="fastTimeRemaining")
    lifetime_usage: Text | None = Field(None, alias="lifetimeUsage")
    relaxed_usage: Text | None = Field(None, alias="relaxedUsage")
    queued_fast: Text | None = Field(None, alias="queuedJobsFast")
    queued_relaxed: Text | None = Field(None, alias="queuedJobsRelax")
    running: Text | None = Field(None, alias="runningJobs")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API answered: the result, and what it says of it.

    ``content`` repeats the prompt, see :func:`matches`; ``None`` where it is missing or damaged.
    """

    result: Result
    content: str | None = None


def read_answer(body: bytes) -> Answer:
    """Read the body of a 200 to ``imageToImage``.

    Raises:
        ApiNonsense: it is no JSON object, names no picture, or says that the work isn't done.
    """
    fields = _read_object(body)
    progress = fields.get("progress")
    if progress is not None and progress != _DONE:
        raise ApiNonsense("progress is not done")
    answer = _ApiAnswer.model_validate(fields)
    urls = [url for url in (answer.uri, answer.proxy_url) if url and _is_address(url)]
    if not urls:
        raise ApiNonsense("neither uri nor proxy_url is an address")
    result = Result(
        image_urls=tuple(dict.fromkeys(urls)),
        options=_read_options(answer.options or []),
        api_id=answer.id,
        api_hash=answer.hash,
        flags=answer.flags,
        task_id=answer.task_id,
        size=(answer.width, answer.height) if answer.width and answer.height else None,
    )
    return Answer(result, answer.content)


class _ApiDescriptions(_Lenient):
    descriptions: list[Any] | None = None
    id: Text | None = None
    flags: Number | None = None


def read_descriptions(body: bytes) -> Answer:
    """Read the body of a 200 to ``describe``: up to four descriptions, and a button for others.

    Raises:
        ApiNonsense: it is no JSON object, or holds no description.
    """
    answer = _ApiDescriptions.model_validate(_read_object(body))
    given = [text for text in answer.descriptions or [] if isinstance(text, str)]
    found = [description for text in given if (description := read_description(text))]
    if not found:
        raise ApiNonsense("no descriptions")
    descriptions = tuple(dict.fromkeys(found))[:_DESCRIPTIONS]
    return Answer(Result((), (_AGAIN,), answer.id, flags=answer.flags, descriptions=descriptions))


def read_description(text: str) -> str:
    """Return a description as a prompt: without its number's emoji and links, its aspect ratio as
    the parameter at its end. An empty string where nothing is left.

    A dash that stands alone becomes a comma: the service would read two hyphens as a parameter.
    """
    plain = _LINK.sub(" ", _MASKED.sub(r"\1", _KEYCAP.sub(" ", text.replace("\ufffd", ""))))
    aspect = _ASPECT.search(plain)
    words = clean_prompt(_DASH.sub(",", _ASPECT.sub(" ", plain)))
    end = f" --ar {aspect[1]}" if aspect else ""
    return (words[: PROMPT_LENGTH - len(end)].rstrip() + end) if words else ""


def read_info(body: bytes) -> AccountInfo:
    """Read the body of a 200 to ``GET /info``: strings throughout, such as ``fastTimeRemaining``
    of ``13.47/15.0 hours (89.78%)``; what is blank counts as missing.

    Raises:
        ApiNonsense: it is no JSON object.
    """
    fields = _ApiInfo.model_validate(_read_object(body)).model_dump()
    said = {name: value.strip() or None for name, value in fields.items() if value}
    hours = _HOURS.match(said.get("fast_time") or "")
    return AccountInfo(**said, fast_hours=float(hours[1]) if hours else None)


def read_reason(body: bytes, secrets: Collection[str]) -> str | None:
    """Return what the API says of a bad request, if that is a sentence without ``secrets``."""
    text = body.decode("utf-8", "replace").strip()
    try:
        fields = _read_object(body)
    except ApiNonsense:
        said: object = text
    else:
        said = fields.get("message") or fields.get("error")
    if not isinstance(said, str):
        return None
    said = said.strip()
    if not said.isprintable() or not _SENTENCE.fullmatch(said):
        return None
    return None if any(secret in said for secret in secrets) else said


def read_retry_after(value: str, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for, be it a number or a date: from one
    second to one hour. ``None`` where it says neither."""
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(value) - now).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 1.0), _BUSY_AT_MOST) if seconds == seconds else None


def _read_object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body.decode(json.detect_encoding(body), "replace"))
    except (ValueError, RecursionError):
        raise ApiNonsense("no JSON") from None
    if not isinstance(value, dict):
        raise ApiNonsense("no JSON object")
    return cast("dict[str, Any]", value)


def _is_address(url: str) -> bool:
    """Tell whether a link is an http address whose host and port can be read."""
    if not url.isprintable() or " " in url:
        return False
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("ascii").decode("idna")
        return bool(host) and parts.scheme in {"http", "https"} and parts.port != 0
    except ValueError:
        return False


def _read_options(raw: list[Any]) -> tuple[Option, ...]:
    """Read the options that can be; the grid itself is paid for, whatever its options are."""
    read = [_ApiOption.model_validate(item) for item in raw[:_OPTIONS] if isinstance(item, dict)]
    if len(read) < len(raw):
        log.warning(
            "%s options of the API's answer are malformed or too many.", len(raw) - len(read)
        )
    return unique_options(
        option
        for item in read
        if (option := read_option(item.custom or "", item.label, item.style)) is not None
    )


def read_option(custom: str, label: str | None, style: int | None) -> Option | None:
    """Read one option of an API answer; ``None`` if it is of a kind that is not shown.

    ``custom`` decides; a label decides only where ``custom`` is of no form that we know.
    """
    kind: Kind | None = None
    tile = 0
    if match := _CUSTOM.fullmatch(custom):
        kind = _KINDS[match[1]]
        tile = 0 if kind is Kind.REROLL else int(match[2][:2])
    elif not custom.startswith("MJ::") and label is not None:
        if match := _LABEL.fullmatch(label):
            kind = Kind.UPSCALE if match[1] == "U" else Kind.VARIATION
            tile = int(match[2])
        elif label == _REROLL_LABEL:
            kind = Kind.REROLL
    if kind is None or (kind is not Kind.REROLL and tile not in range(1, 5)):
        return None
    fallback = _REROLL_LABEL if kind is Kind.REROLL else f"{_LETTERS[kind]}{tile}"
    shown = _without_controls(label or "").strip()[:_LABEL_LENGTH] or fallback
    if style is None or not 1 <= style <= 4:
        style = GREY
    return Option(kind, tile, shown, style, custom)


def unique_options(options: Iterable[Option]) -> tuple[Option, ...]:
    """Keep the first option of each kind and tile: nine at most, whatever the API sent."""
    kept: dict[tuple[Kind, int], Option] = {}
    for option in options:
        kept.setdefault((option.kind, option.tile), option)
    return tuple(kept.values())


def marker_of(content: str | None, prompt: str | None = None) -> str | None:
    """Return the random marker that an answer's ``content`` begins with, without its brackets.

    ``None`` where it begins with none. A prompt may look like that itself: with the ``prompt``
    that was sent, what begins it is not taken for a marker.
    """
    match = _MARKER.match(content or "")
    if not match or (prompt is not None and _same(content or "", prompt)):
        return None
    return match[1] or match[2]


def matches(content: str | None, prompt: str) -> bool:
    """Tell whether an answer's ``content`` is that of ``prompt``, as far as it can be told.

    A marker and links are left out of the comparison: the service shortens every link. The
    account's own settings may add parameters at the end. Without content nothing can be told, and
    the answer is true.
    """
    if content is None or _same(content, prompt):
        return True
    match = _MARKER.match(content)
    return match is not None and _same(content[match.end() :], prompt)


def _same(content: str, prompt: str) -> bool:
    found, asked = (normalize_prompt(_LINK.sub(" ", text)) for text in (content, prompt))
    return found == asked or found.startswith(f"{asked} --")
