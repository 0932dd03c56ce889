"""Settings, read from the environment and ``.env``. Nothing is built at import."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from bot.policy import Places
from bot.prompts import PromptRules

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
DISCORD_HOSTS = frozenset({"cdn.discordapp.com", "media.discordapp.net"})
"""Where Discord keeps attachments."""
SOURCE_HOSTS = DISCORD_HOSTS | {"images-ext-1.discordapp.net", "images-ext-2.discordapp.net"}
"""Where a picture that is started from may be: those, and Discord's proxies of what messages link
to. So what stands on any other host comes through Discord, which hides who asks for it."""
_PUBLIC_KEY = re.compile("[0-9a-f]{64}")
PROMPT_PARAMETERS = frozenset(
    {"ar", "iw", "no", "s", "stylize", "c", "chaos", "w", "weird", "seed"}
    | {"style", "niji", "v", "tile", "q", "quality"}
)
"""Midjourney's parameters that change neither what a call costs nor how it is answered."""


class BadSettings(Exception):
    """Settings that are missing or malformed: ``sentences`` holds one for each of them."""

    def __init__(self, sentences: list[str]) -> None:
        super().__init__(*sentences)
        self.sentences = sentences


def _header(value: str) -> str:
    """Check what is sent as the value of a header."""
    value = value.strip()
    if not value:
        raise ValueError("must not be empty")
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("must be plain letters, digits and signs, without spaces")
    return value


def _base_url(value: str) -> str:
    parts = urlsplit(value.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be a web address such as https://host/path")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise ValueError("must begin with https:// (http is for loopback addresses only)")
    return value.strip().rstrip("/")


def _names(value: object) -> object:
    return value.split(",") if isinstance(value, str) else value


def _public_key(value: str) -> str:
    key = value.strip().lower()
    if key and not _PUBLIC_KEY.fullmatch(key):
        raise ValueError("must be the 64 hexadecimal digits that the developer portal shows")
    return key


def _numbers(value: object) -> object:
    return [one for one in value.split(",") if one.strip()] if isinstance(value, str) else value


def _clean_hosts(value: frozenset[str]) -> frozenset[str]:
    hosts = frozenset(host.strip().lower() for host in value if host.strip())
    if not hosts or any("/" in host for host in hosts):
        raise ValueError("must be hosts separated by commas, such as cdn.discordapp.com")
    return hosts


def _clean_parameters(value: frozenset[str]) -> frozenset[str]:
    names = frozenset(name.strip().removeprefix("--").lower() for name in value if name.strip())
    if not all(name.isalpha() for name in names):
        raise ValueError("must be names separated by commas, such as ar,no,seed")
    return names


def _clean_ids(value: object) -> object:
    """Return ids that are separated by commas."""
    if not isinstance(value, str):
        return value
    ids = [part.strip() for part in value.split(",") if part.strip()]
    if not all(id_.isascii() and id_.isdigit() for id_ in ids):
        raise ValueError("must be ids separated by commas")
    return ids


def clean_database_url(value: str) -> str:
    """Return the address of a database as the bot uses it.

    Raises:
        ValueError: a sentence's end, without the address.
    """
    try:
        url = make_url(value.strip())
    except ArgumentError:
        raise ValueError("must be an address such as sqlite:///vary.db") from None
    name = url.drivername.partition("+")[0]
    if name == "sqlite" and url.database:
        return url.set(drivername="sqlite").render_as_string(hide_password=False)
    if name not in {"postgres", "postgresql"} or not url.database:
        raise ValueError(
            "must name a SQLite file, such as sqlite:///vary.db, or a PostgreSQL database, such as "
            "postgres://user:password@host/name"
        )
    if find_spec("asyncpg") is None:
        raise ValueError("names a PostgreSQL database: install requirements-postgres.txt for it")
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


Secret = Annotated[SecretStr, BeforeValidator(_header)]
Header = Annotated[str, BeforeValidator(_header)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
Port = Annotated[int, Field(ge=0, le=65_535)]
ShardId = Annotated[int, Field(ge=0)]
Ids = Annotated[frozenset[int], NoDecode, BeforeValidator(_clean_ids)]


class Settings(BaseSettings):
    """Every setting. Names in the environment are the fields' in capitals.

    ``.env.example`` and the README's table are made of the descriptions (``make documents``).
    """

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    discord_token: Secret = Field(
        description="the bot's token: in Discord's developer portal, under Bot, Reset Token"
    )
    genart_api_key: Secret = Field(description="the API's key, sent as `Authorization: Bearer`")
    genart_server_id: Header = Field(
        description="the server of the account behind the API (not the bot's), sent as `server_id`"
    )
    genart_channel_id: Header = Field(description="that account's channel, sent as `channel_id`")
    genart_discord_token: Secret = Field(
        description="that account's token, sent as `discord_token`"
    )
    genart_api_url: BaseUrl = Field("https://api.genartapi.com", description="where the API is")
    genart_image_hosts: Annotated[
        frozenset[str], NoDecode, BeforeValidator(_names), AfterValidator(_clean_hosts)
    ] = Field(
        DISCORD_HOSTS,
        description="the only hosts that results are downloaded from, redirects included: `host` "
        "or `host:port`, separated by commas; https only, but for loopback hosts",
    )
    genart_concurrency: int = Field(
        3, ge=1, le=100, description="API calls in flight at most, over all processes together"
    )
    genart_timeout: float = Field(
        600, gt=0, le=3_600, description="seconds that one API call may take"
    )
    genart_url_limit: int = Field(
        7_000,
        ge=500,
        description="bytes that the first line of a request to the API may have, percent-encoded: "
        "what stands before an API often takes no more than 8,000",
    )
    prompt_parameters: Annotated[
        frozenset[str], NoDecode, BeforeValidator(_names), AfterValidator(_clean_parameters)
    ] = Field(
        PROMPT_PARAMETERS,
        description="the Midjourney parameters (`--ar`, `--seed`, …) that a prompt may hold, "
        "separated by commas, without `--`; others could change what a picture costs",
    )
    shutdown_grace: float = Field(
        25,
        ge=0,
        le=3_600,
        description="seconds that running work gets after SIGTERM; hosts kill after about 30",
    )
    discord_api_url: BaseUrl = Field(
        "https://discord.com/api/v10",
        description="Discord's REST API, or a proxy of it; the gateway's address comes from there",
    )
    database_url: Annotated[str, AfterValidator(clean_database_url)] = Field(
        "sqlite:///vary.db",
        validate_default=True,
        repr=False,
        description="the database: a SQLite file, or `postgres://user:password@host/name`, for "
        "which `requirements-postgres.txt` is installed",
    )
    queue_limit: int = Field(500, ge=1, description="generations waiting at most, over all users")
    user_queue_limit: int = Field(
        5, ge=1, description="generations waiting or running at most for one user"
    )
    daily_limit: int = Field(
        0,
        ge=0,
        description="generations that a user may have in 24 hours; 0 for no limit. Failed, "
        "cancelled and interrupted ones don't count",
        json_schema_extra={"recommended": 30},
    )
    server_daily_limit: int = Field(
        0,
        ge=0,
        description="the same for one server, over all its members",
        json_schema_extra={"recommended": 150},
    )
    total_daily_limit: int = Field(
        0,
        ge=0,
        description="the same for all servers and direct messages together: without it nothing "
        "bounds what the API may cost in a day",
        json_schema_extra={"recommended": 300},
    )
    allowed_guilds: Ids = Field(
        frozenset[int](),
        description="the only servers that the bot works in: their ids, separated by commas; "
        "empty for all",
    )
    blocked_guilds: Ids = Field(
        frozenset[int](), description="servers that the bot doesn't work in, as above"
    )
    dm_allowed: bool = Field(
        True, description="whether the bot works in direct messages: `true` or `false`"
    )
    fast_hours_low: float = Field(
        1,
        ge=0,
        description="hours of fast time of the account behind the API, below which the bot's owner "
        "is told by a direct message; 0 for never",
    )
    retention_days: int = Field(
        0, ge=0, description="days after which rows are deleted; 0 to keep them"
    )
    shard_count: int | None = Field(
        None, ge=1, description="shards in all, over all gateways; empty for Discord's choice"
    )
    shard_ids: Annotated[frozenset[ShardId], NoDecode, BeforeValidator(_numbers)] = Field(
        frozenset[int](),
        description="the shards of this gateway, separated by commas; empty for all of them",
    )
    discord_public_key: Annotated[str, AfterValidator(_public_key)] = Field(
        "",
        description="the application's public key, for `python -m bot endpoint`: in the developer "
        "portal, under General Information",
    )
    http_host: str = Field(
        "127.0.0.1",
        description="the address that `python -m bot endpoint` listens on; `0.0.0.0` for all",
    )
    port: Port = Field(8080, description="its port")
    health_host: str = Field(
        "127.0.0.1", description="the address that tells how the process is; `0.0.0.0` for all"
    )
    health_port: Port | None = Field(
        None,
        description="the port of `/livez`, `/readyz` and `/metrics`; empty for none of them",
    )
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
        BeforeValidator(lambda value: str(value).strip().upper()),
    ] = Field("INFO", description="`DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`")
    log_format: Literal["text", "json"] = Field(
        "text", description="form of the log: `text`, or `json` for one object a line"
    )

    @model_validator(mode="after")
    def _check_shards(self) -> Self:
        if self.shard_ids and max(self.shard_ids) >= (self.shard_count or 0):
            raise ValueError("SHARD_IDS must be below SHARD_COUNT, which must be set with it")
        return self

    def prompt_rules(self) -> PromptRules:
        """Return what a prompt may hold."""
        base_path = urlsplit(self.genart_api_url).path
        return PromptRules(self.prompt_parameters, self.genart_url_limit, base_path)

    def places(self) -> Places:
        """Return where the bot works."""
        return Places(self.allowed_guilds, self.blocked_guilds, self.dm_allowed)

    def secrets(self) -> list[str]:
        """Return every secret's plain text: what must never be in a log line or a message."""
        values = (getattr(self, name) for name in type(self).model_fields)
        secrets = [value.get_secret_value() for value in values if isinstance(value, SecretStr)]
        return [*secrets, *secrets_of(self.database_url)]


def secrets_of(database: str) -> list[str]:
    """Return what must never be in a log line of the address of a database."""
    password = make_url(database).password
    return [str(password), quote(str(password), safe=""), database] if password else []


def load_settings() -> Settings:
    """Read the settings from the environment, then ``.env``.

    Raises:
        BadSettings: one sentence for each setting that is missing or malformed; no values in it.
    """
    try:
        return Settings()  # pyright: ignore[reportCallIssue]
    except ValidationError as error:
        raise BadSettings(
            [_sentence(e["loc"], e["type"], e["msg"], e.get("ctx", {})) for e in error.errors()]
        ) from None


def _sentence(
    location: tuple[int | str, ...], kind: str, message: str, about: dict[str, Any]
) -> str:
    if not location:
        return f"{_reason(kind, message, about)}."
    name = str(location[0]).upper()
    if kind == "missing":
        return f"{name} is missing: set it in the environment or in .env (see .env.example)."
    return f"{name} {_reason(kind, message, about)}."


def _reason(kind: str, message: str, about: dict[str, Any]) -> str:
    """Say what is wrong in this project's words, by pydantic's type of error."""
    match kind:
        case "value_error":
            return message.removeprefix("Value error, ").rstrip(".")
        case "greater_than_equal":
            return f"must be at least {about['ge']:g}"
        case "greater_than":
            return f"must be more than {about['gt']:g}"
        case "less_than_equal":
            return f"must be at most {about['le']:g}"
        case "less_than":
            return f"must be less than {about['lt']:g}"
        case "literal_error":
            return f"must be {str(about['expected']).replace(chr(39), '')}"
        case "bool_parsing" | "bool_type":
            return "must be true or false"
        case _ if kind.startswith("int"):
            return "must be a whole number"
        case _ if kind.startswith(("float", "finite")):
            return "must be a number"
        case _:
            return "can't be understood: see .env.example for what it may be"
