"""What the tests of the store share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import MakeSettings
from tests.unit.ledger import Ledger, Rows, opened, rows_of


@pytest.fixture
async def ledger(make_settings: MakeSettings) -> AsyncIterator[Ledger]:
    """Return an empty ledger whose users may have much in the queue."""
    async with opened(make_settings, user_queue_limit=50) as ready:
        yield ready


@pytest.fixture
def rows(database_url: str) -> Rows:
    """Return a function that queries the test's database."""
    return rows_of(database_url)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the database's file is: only for tests of SQLite."""
    return tmp_path / "vary.db"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run whatever uses a store on both databases (or on a module's ``DATABASES``), unless it is
    about SQLite's ``file``."""
    uses = {getattr(value, "__module__", None) for value in vars(metafunc.module).values()}
    names = metafunc.fixturenames
    if "tests.unit.ledger" in uses and "database_url" in names and "file" not in names:
        databases = getattr(metafunc.module, "DATABASES", ["sqlite", "postgres"])
        metafunc.parametrize("database_url", databases, indirect=True)
