"""Figures of a member and of a server, and the process that draws them."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from PIL import Image

from bot.charts import Bars, Chart, Charts
from bot.domain import State
from bot.errors import ChartFailed
from bot.store.stats import DAYS
from bot.text import stats as words
from tests.conftest import MakeSettings
from tests.unit.ledger import ANN, BOB, GUILD, U1, V3, Ledger, opened

EPOCH = datetime(2015, 1, 1, tzinfo=UTC)
CHART = Chart(
    "The last days",
    [("asked for", "3"), ("worked", "50 %"), ("wait", "–")],
    [Bars("by day", ["", "1 Nov"], [0, 3]), Bars("by button", ["U1", "a" * 99], [2, 1], True)],
)


@pytest.fixture
async def ledger(make_settings: MakeSettings) -> AsyncIterator[Ledger]:
    """A ledger of the test's own."""
    async with opened(make_settings, user_queue_limit=50) as ready:
        yield ready


@pytest.fixture
async def charts() -> AsyncIterator[Charts]:
    """Charts whose process ends at the latest with the test."""
    made = Charts(idle=0.3)
    yield made
    await made.close()


def asks_at(ledger: Ledger, at: datetime, number: int = 0) -> int:
    """Set the ledger's clock, and return the id of an interaction of that time."""
    ledger.clock.now = at
    return int((at - EPOCH).total_seconds() * 1000) << 22 | number


async def posted(ledger: Ledger, at: datetime, user_id: int, seconds: int, **more: object):
    """Post a result so many seconds after it was asked for."""
    id_ = asks_at(ledger, at, user_id)
    asked = await ledger.queued(user_id, interaction_id=id_, **more)
    assert await ledger.call() == asked.id
    assert await ledger.queue.start_call(asked.id, 9)
    ledger.clock.advance(timedelta(seconds=seconds))
    return await ledger.finish(await ledger.get(asked))


async def test_the_figures_of_a_server_and_of_a_member(ledger: Ledger):
    now = datetime(2026, 6, 30, 20, 0, tzinfo=UTC)
    await posted(ledger, now - timedelta(days=DAYS + 1), ANN, 5)
    await posted(ledger, now - timedelta(days=2, hours=3), BOB, 100)
    await posted(ledger, now - timedelta(hours=3), ANN, 40, guild_id=99)
    grid = await posted(ledger, now - timedelta(hours=3), BOB, 60)
    await posted(ledger, now - timedelta(hours=1), ANN, 20)
    failed = await ledger.queued(ANN, interaction_id=asks_at(ledger, now, 7))
    await ledger.call()
    await ledger.queue.failed(failed.id, State.FAILED, "timeout")  # pyright: ignore
    await ledger.upscale(grid, U1, ANN)
    await ledger.requests.press(ledger.click(grid, V3, ANN))
    await ledger.requests.press(ledger.click(grid, U1, BOB))

    server = await ledger.store.stats.of_server(GUILD)
    assert server.first == datetime(2026, 6, 1, tzinfo=UTC)
    assert (server.posted, server.failed) == (3, 1)
    assert server.success_rate == 0.75
    assert server.median_wait == timedelta(seconds=60)
    assert (server.hours[17], server.hours[19], server.hours[20]) == (2, 1, 1)
    assert (server.days[27], server.days[29]) == (1, 4)
    assert dict(server.clicks) == {"U1": 2, "V3": 1}
    assert set(server.members) == {ANN, BOB}

    own = await ledger.store.stats.of_member(BOB)
    assert (own.generations, own.posted, own.tiles) == (2, 2, 0)
    assert dict(own.clicks) == {"U1": 1}
    elsewhere = await ledger.store.stats.of_server(99)
    assert elsewhere.generations == 1


async def test_nothing_yet_has_no_rate_and_no_wait(ledger: Ledger):
    figures = await ledger.store.stats.of_server(GUILD)
    assert (figures.generations, figures.success_rate, figures.median_wait) == (0, None, None)
    assert words.busiest(figures.hours) == []
    assert words.rate(None) == words.duration(None) == "–"


async def test_figures_are_read_by_an_index(ledger: Ledger, file: Path):
    with closing(sqlite3.connect(file)) as connection:
        for table, column, time in (
            ("generations", "guild_id", "created_at"),
            ("generations", "user_id", "created_at"),
            ("clicks", "guild_id", "clicked_at"),
            ("clicks", "user_id", "clicked_at"),
        ):
            query = (
                f"select * from {table} where {column} = 1 and {time} > 'x' order by {time} desc"  # noqa: S608
            )
            (plan,) = connection.execute(f"explain query plan {query} limit 9").fetchall()
            assert "USING INDEX" in plan[-1], plan


@pytest.mark.parametrize(
    ("time", "said"),
    [(0, "0 s"), (52.4, "52 s"), (99, "99 s"), (130, "2 min"), (20_000, "6 h")],
)
def test_durations_are_said_as_people_say_them(time: float, said: str):
    assert words.duration(timedelta(seconds=time)) == said


async def test_a_chart_is_a_dark_picture_as_wide_as_a_phone_shows(charts: Charts):
    image = Image.open(io.BytesIO(await charts.draw(CHART)))
    assert image.width == 1080
    assert image.convert("RGB").getpixel((2, 2)) == (0x1E, 0x1F, 0x22)
    colours = {colour for _, colour in image.convert("RGB").getcolors(1_000_000) or []}
    assert {(0x58, 0x65, 0xF2), (0x57, 0xF2, 0x87)} <= colours


def children() -> list[psutil.Process]:
    """Return the processes that draw for this one."""
    found = psutil.Process().children()
    return [child for child in found if "bot.charts" in command_line(child)]


def command_line(process: psutil.Process) -> str:
    """Return a process's command line; none where it has just ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # A zombie, too.
        return ""


async def test_its_process_starts_on_demand_and_ends_when_it_is_idle(charts: Charts):
    assert children() == []
    await charts.draw(CHART)
    (child,) = children()
    assert not any("TOKEN" in name for name in child.environ())
    async with asyncio.timeout(10):
        while children():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert await charts.draw(CHART)


async def test_a_process_that_dies_is_replaced(charts: Charts):
    first = await charts.draw(CHART)
    (child,) = children()
    os.kill(child.pid, signal.SIGKILL)
    with suppress(ChartFailed):
        await charts.draw(CHART)
    assert await charts.draw(CHART) == first


async def test_what_cannot_be_drawn_fails_alone(charts: Charts):
    with pytest.raises(ChartFailed):
        await charts.draw(Chart("x", [], [Bars("x", ["a"], ["no number"])]))  # pyright: ignore
    assert await charts.draw(CHART)


def test_the_bot_imports_no_plotting():
    code = "import sys, bot.__main__, cogs.stats; print({'matplotlib', 'numpy'} & {*sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
