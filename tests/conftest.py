"""What all tests share: settings made by hand, so that no developer's .env matters."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bot.config import Settings

MakeSettings = Callable[..., Settings]

REQUIRED = {
    "discord_token": "bot-token-for-tests",
    "genart_api_key": "api-key-for-tests",
    "genart_server_id": "100",
    "genart_channel_id": "200",
    "genart_discord_token": "account-token-for-tests",
}


@pytest.fixture
def make_settings(tmp_path: Path) -> MakeSettings:
    """Return a maker of settings: the required ones, a database of the test's own, and more."""

    def make(**settings: object) -> Settings:
        values = REQUIRED | {"database_url": f"sqlite:///{tmp_path / 'vary.db'}"} | settings
        return Settings(_env_file=None, **values)  # pyright: ignore

    return make
