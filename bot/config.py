"""Settings, read from the environment and ``.env``. Nothing is built at import."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


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


def _hosts(value: object) -> object:
    return value.split(",") if isinstance(value, str) else value


def _clean_hosts(value: frozenset[str]) -> frozenset[str]:
    hosts = frozenset(host.strip().lower() for host in value if host.strip())
    if not hosts or any("/" in host for host in hosts):
        raise ValueError("must be hosts separated by commas, such as cdn.discordapp.com")
    return hosts


def _database_url(value: str) -> str:
    try:
        url = make_url(value.strip())
    except ArgumentError:
        raise ValueError("must be an address such as sqlite:///vary.db") from None
    if url.get_backend_name() != "sqlite" or not url.database:
        raise ValueError("must name a SQLite file, such as sqlite:///vary.db")
    return url.set(drivername="sqlite+aiosqlite").render_as_string(hide_password=False)


Secret = Annotated[SecretStr, BeforeValidator(_header)]
Header = Annotated[str, BeforeValidator(_header)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]


class Settings(BaseSettings):
    """Every setting. Names in the environment are the fields' in capitals."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    discord_token: Secret
    genart_api_key: Secret
    genart_server_id: Header
    genart_channel_id: Header
    genart_discord_token: Secret
    genart_api_url: BaseUrl = "https://api.genartapi.com"
    genart_image_hosts: Annotated[
        frozenset[str], NoDecode, BeforeValidator(_hosts), AfterValidator(_clean_hosts)
    ] = frozenset({"cdn.discordapp.com", "media.discordapp.net"})
    genart_concurrency: int = Field(3, ge=1, le=100)
    genart_timeout: float = Field(600, gt=0, le=3_600)
    shutdown_grace: float = Field(25, ge=0, le=3_600)
    discord_api_url: BaseUrl = "https://discord.com/api/v10"
    database_url: Annotated[str, AfterValidator(_database_url)] = Field(
        "sqlite:///vary.db", validate_default=True
    )
    queue_limit: int = Field(500, ge=1)
    user_queue_limit: int = Field(5, ge=1)
    daily_limit: int = Field(0, ge=0)
    retention_days: int = Field(0, ge=0)
    log_level: Annotated[
        Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
        BeforeValidator(lambda value: str(value).strip().upper()),
    ] = "INFO"
    log_format: Literal["text", "json"] = "text"

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
