"""Settings, read from the environment and ``.env``. Nothing is built at import."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from bot.prompts import PromptRules

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
DISCORD_HOSTS = frozenset({"cdn.discordapp.com", "media.discordapp.net"})
"""Where Discord keeps attachments."""
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


def _database_url(value: str) -> str:
    try:
        url = make_url(value.strip())
    except ArgumentError:
        raise ValueError("must be an address such as sqlite:///vary.db") from None
    if url.get_backend_name() != "sqlite" or not url.database:
        raise ValueError("must name a SQLite file, such as sqlite:///vary.db")
    return url.set(drivername="sqlite").render_as_string(hide_password=False)


Secret = Annotated[SecretStr, BeforeValidator(_header)]
Header = Annotated[str, BeforeValidator(_header)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]


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
    database_url: Annotated[str, AfterValidator(_database_url)] = Field(
        "sqlite:///vary.db", validate_default=True, description="the database: a SQLite file"
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
    )
    retention_days: int = Field(
        0, ge=0, description="days after which rows are deleted; 0 to keep them"
    )
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
        BeforeValidator(lambda value: str(value).strip().upper()),
    ] = Field("INFO", description="`DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`")
    log_format: Literal["text", "json"] = Field(
        "text", description="`text`, or `json` for one object a line"
    )

    def prompt_rules(self) -> PromptRules:
        """Return what a prompt may hold."""
        base_path = urlsplit(self.genart_api_url).path
        return PromptRules(self.prompt_parameters, self.genart_url_limit, base_path)

    def secrets(self) -> list[str]:
        """Return every secret's plain text: what must never be in a log line or a message."""
        values = (getattr(self, name) for name in type(self).model_fields)
        return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]


def load_settings() -> Settings:
    """Read the settings from the environment, then ``.env``.

    Raises:
        BadSettings: one sentence for each setting that is missing or malformed; no values in it.
    """
    try:
        return Settings()  # pyright: ignore[reportCallIssue]
    except ValidationError as error:
        raise BadSettings(
            [_sentence(e["loc"], e["type"], e["msg"]) for e in error.errors()]
        ) from None


def _sentence(location: tuple[int | str, ...], kind: str, message: str) -> str:
    name = str(location[0]).upper() if location else "The settings"
    if kind == "missing":
        return f"{name} is missing: set it in the environment or in .env (see .env.example)."
    reason = message.removeprefix("Value error, ")
    return f"{name} {reason[:1].lower()}{reason[1:].rstrip('.')}."
