"""``python -m bot copy-database`` and ``backup``, as an operator runs them."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from bot.store import database_at
from bot.store.copying import BATCH, TABLES
from sandbox.bot_process import ROOT
from tests.e2e.conftest import World
from tests.postgres import PASSWORD, Server, ask
from tests.unit.test_copying import fill

README = ROOT / "README.md"
_ARGUMENTS = 2
"""The status with which argparse ends."""


def command(*arguments: str, **settings: str) -> subprocess.Popen[str]:
    """Start ``python -m bot`` with nothing in its environment but these settings."""
    return subprocess.Popen(
        [sys.executable, "-m", "bot", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def ran(*arguments: str, **settings: str) -> tuple[int, str, str]:
    """Run ``python -m bot``; return its status, and what it says on stdout and stderr."""
    process = command(*arguments, **settings)
    said = await asyncio.to_thread(process.communicate)
    return (process.returncode, *said)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """Return the address of a SQLite database that isn't there yet."""
    return f"sqlite:///{tmp_path / 'vary.db'}"


@pytest.fixture
def postgres_url(postgres_server: Server) -> str:
    """Return the address of an empty PostgreSQL database."""
    return postgres_server.database()


async def test_a_copy_says_what_it_holds_and_is_quiet_where_nobody_watches(
    sqlite_url: str, postgres_url: str
):
    await fill(sqlite_url)
    status, said, complaints = await ran("copy-database", sqlite_url, postgres_url)
    assert (status, complaints) == (0, "")
    assert re.search("^generations: 4 rows, checksum [0-9a-f]{32}$", said, re.M)
    assert said.splitlines()[-1].startswith("TO holds all of FROM.")
    again = await ran("copy-database", sqlite_url, postgres_url)
    assert again == (0, said, "")


async def test_whoever_watches_sees_how_far_a_copy_is(sqlite_url: str, tmp_path: Path):
    await fill(sqlite_url)
    ours, terminal = pty.openpty()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", "copy-database", sqlite_url, f"sqlite:///{tmp_path}/new.db"),
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "TERM": "xterm", "COLUMNS": "100"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=terminal,
    )
    assert await process.wait() == 0
    os.close(terminal)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    rows = 4 * len(TABLES)
    assert re.search(rf"Copying.*{rows}/{rows}.* rows", shown)
    assert re.search(rf"Comparing.*{2 * rows}/{2 * rows}.* rows", shown)


@pytest.mark.parametrize(
    ("number", "status", "sentence"),
    [
        (signal.SIGKILL, -signal.SIGKILL, ""),
        (signal.SIGINT, 130, "Interrupted. The same command goes on where it was.\n"),
    ],
)
async def test_a_copy_that_was_stopped_goes_on(
    sqlite_url: str, postgres_url: str, number: int, status: int, sentence: str
):
    await fill(sqlite_url, 2 * BATCH)
    process = command("copy-database", sqlite_url, postgres_url)
    until = time.monotonic() + 30
    while not await asyncio.to_thread(copied, postgres_url):
        assert time.monotonic() < until
        assert process.poll() is None
    process.send_signal(number)
    _, complaints = process.communicate()
    assert (process.returncode, complaints) == (status, sentence)
    status, _, complaints = await ran("copy-database", sqlite_url, postgres_url)
    assert (status, complaints) == (0, "")
    assert ask(postgres_url, "select count(*) from log_lines") == [(2 * BATCH,)]
    async with database_at(postgres_url):
        pass


def copied(url: str) -> bool:
    """Tell whether anything is copied yet."""
    if not ask(url, "select 1 from pg_tables where tablename = 'clicks'"):
        return False
    return bool(ask(url, "select 1 from clicks limit 1"))


async def test_what_can_t_be_copied_is_said_without_a_password(
    sqlite_url: str, postgres_url: str, tmp_path: Path
):
    await fill(sqlite_url)
    wrong = postgres_url.replace(PASSWORD, "wrong-password")
    cases = {
        (sqlite_url, wrong): (os.EX_IOERR, "TO can't be used: password authentication failed"),
        (wrong, sqlite_url): (os.EX_IOERR, "FROM can't be used: password authentication failed"),
        (f"sqlite:///{tmp_path}/none.db", wrong): (os.EX_DATAERR, "FROM holds no ledger"),
        (sqlite_url, sqlite_url): (os.EX_USAGE, "FROM and TO are the same database."),
        (wrong, f"my{wrong}"): (os.EX_USAGE, "TO must name a SQLite file"),
        (sqlite_url, postgres_url, wrong): (_ARGUMENTS, "unrecognized arguments"),
        (sqlite_url,): (_ARGUMENTS, "required: TO"),
    }
    for addresses, (status, sentence) in cases.items():
        found = await ran("copy-database", *addresses)
        assert found[0] == status, (sentence, found)
        assert sentence in found[2]
        assert "Traceback" not in found[2]
        assert "wrong-password" not in "".join(found[1:])
        assert PASSWORD not in "".join(found[1:])
    assert not list(tmp_path.glob("none*"))  # noqa: ASYNC240


async def test_a_database_that_a_bot_uses_is_not_copied(world: World, tmp_path: Path):
    url = world.settings["DATABASE_URL"]
    status, _, complaints = await ran("copy-database", url, f"sqlite:///{tmp_path}/new.db")
    assert status == os.EX_DATAERR
    assert complaints.startswith("A worker uses FROM. Stop every process of the bot first")
    assert not list(tmp_path.glob("new.db*"))  # noqa: ASYNC240


async def test_a_ledger_that_moved_keeps_its_buttons(world: World, tmp_path: Path):
    grid = await world.grid()
    await world.bot.stop()
    url = f"sqlite:///{tmp_path}/new.db"
    status, _, complaints = await ran("copy-database", world.settings["DATABASE_URL"], url)
    assert (status, complaints) == (0, "")
    world.bot.settings["DATABASE_URL"] = url
    await world.bot.start()
    await world.tile(await world.press(grid, "U1"))


async def test_a_backup_of_a_bot_that_runs_is_restored_as_the_readme_says(
    world: World, tmp_path: Path
):
    """A killed bot leaves a write-ahead log behind, which the README's commands remove."""
    grid = await world.grid()
    folder = world.database.parent
    copy = folder / "copy.db"
    status, said, complaints = await ran("backup", str(copy), **world.settings)
    assert (status, complaints) == (0, ""), said
    assert copy.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in folder.glob("*copy*")} == {"copy.db"}
    await world.grid()
    await world.bot.kill()
    assert world.database.name == "vary.db"
    restore(folder)
    await world.bot.start()
    await world.tile(await world.press(grid, "U1"))
    made = world.sql("select count(*) from generations where kind = 'vary'")
    assert made == [(1,)], "what came after the backup is gone"


def restore(folder: Path) -> None:
    """Run the commands of the README that restore a backup."""
    text = README.read_text().partition("SQLite would take it for the copy's")[2]
    steps = text.partition("```sh\n")[2].partition("```")[0]
    assert steps.count("\n") == 2
    subprocess.run(["/bin/sh", "-e"], input=steps, cwd=folder, text=True, check=True)


async def test_a_backup_overwrites_nothing_and_says_what_is_wrong(world: World, tmp_path: Path):
    folder = tmp_path / "copies"
    folder.mkdir()
    taken = folder / "taken.db"
    taken.write_text("mine")
    postgres = {"DATABASE_URL": f"postgres://vary:{PASSWORD}@127.0.0.1:1/vary"}
    cases = [
        (taken, {}, os.EX_CANTCREAT, "exists already"),
        (folder / "none" / "copy.db", {}, os.EX_IOERR, "No such file or directory"),
        (folder / "new.db", postgres, os.EX_USAGE, "pg_dump"),
        (
            folder / "new.db",
            {"DATABASE_URL": f"sqlite:///{tmp_path}/none.db"},
            os.EX_IOERR,
            "unable to open database file",
        ),
    ]
    for file, settings, status, sentence in cases:
        found = await ran("backup", str(file), **world.settings | settings)
        assert found[0] == status, found
        assert sentence in found[2]
        assert PASSWORD not in found[2]
    assert taken.read_text() == "mine"
    assert [path.name for path in folder.iterdir()] == ["taken.db"]


async def test_a_backup_in_the_middle_of_writing_is_of_one_moment(sqlite_url: str, tmp_path: Path):
    """Each of the other process's transactions writes two rows: a copy has both or none."""
    await fill(sqlite_url, 1)
    file = sqlite_url.removeprefix("sqlite:///")
    writer = await asyncio.create_subprocess_exec(sys.executable, "-c", PAIRS, file)
    settings = dict.fromkeys(
        ("DISCORD_TOKEN", "GENART_API_KEY", "GENART_SERVER_ID", "GENART_CHANNEL_ID"), "12345"
    ) | {"GENART_DISCORD_TOKEN": "token", "DATABASE_URL": sqlite_url}
    try:
        for number in range(3):
            copy = tmp_path / f"copy{number}.db"
            assert (await ran("backup", str(copy), **settings))[0] == 0
            with closing(sqlite3.connect(copy)) as connection:
                ((pairs,),) = connection.execute(
                    "select count(*) from key_values where name like 'pair%'"
                )
            assert pairs > 0
            assert pairs % 2 == 0
    finally:
        writer.kill()
        await writer.wait()


PAIRS = """
import itertools, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=30)
for number in itertools.count():
    connection.execute("begin immediate")
    for half in "ab":
        connection.execute("insert into key_values values (?, '')", (f"pair{number}{half}",))
    connection.execute("commit")
"""
