"""How long a process waits before it tries to reach Discord again."""

from __future__ import annotations

import pytest

from bot.errors import AddressUnusable
from bot.roles import retrying


async def pauses(error: Exception | None) -> list[float]:
    """Return the pauses between 40 tries that each end in an error, or without one."""
    found: list[float] = []

    async def serve() -> None:
        if len(found) == 40:
            raise AddressUnusable("127.0.0.1:1", "the test is over")
        if error:
            raise error

    async def sleep(seconds: float) -> None:
        found.append(seconds)

    with pytest.raises(AddressUnusable):
        await retrying(serve, sleep)
    return found


async def test_an_outage_of_discord_s_never_outlasts_itself_by_more_than_half_a_minute():
    found = await pauses(OSError("no network"))
    assert max(found) == 30
    assert sum(found[:3]) < 15, "at first it is tried again soon"


@pytest.mark.parametrize("error", [ValueError("a frame that can't be read"), None])
async def test_what_broke_is_begun_anew_less_than_a_thousand_times_a_day(error: Exception | None):
    found = await pauses(error)
    assert max(found) == 120
    later = found[10:]
    assert sum(later) / len(later) > 24 * 3600 / 1000
