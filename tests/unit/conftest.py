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
def rows(tmp_path: Path) -> Rows:
    """Return a function that queries the test's database."""
    return rows_of(tmp_path / "vary.db")
