"""docs/discord.md: each assumption has a source, and a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROWS = [
    re.split(r"\s*(?<!\\)\|\s*", line.strip("| "))
    for line in (ROOT / "docs" / "discord.md").read_text().splitlines()
    if line.startswith("| ") and not line.startswith("| assumption")
]


@pytest.mark.parametrize("row", ROWS, ids=[row[0][:40] for row in ROWS])
def test_an_assumption_has_a_source_and_its_test_is_there(row: list[str]):
    assumption, source, test = row
    assert assumption.endswith(".")
    assert source
    path, name = test.split("::")
    assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE)
