"""``python -m bot copy-database`` and ``backup``: what an operator does with a whole ledger."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bot import exits
from bot.config import clean_database_url, secrets_of
from bot.errors import (
    BackupFailed,
    CantOpen,
    CopyFailed,
    HoldsOther,
    NoLedger,
    NotEqual,
    RowsRefused,
    Side,
    StoreUnavailable,
    WorkersAlive,
)
from bot.logs import set_up_logging
from bot.store import database_at
from bot.store.backup import back_up
from bot.store.copying import Copying, Progress, Step, prepare_source, prepare_target
from bot.store.sqlite import path_of

if TYPE_CHECKING:
    import rich.progress

_INTERRUPTED = 130
"""What a shell takes for the status of a command that Ctrl+C ended."""


def copy_database(source: str, target: str) -> int:
    """Copy a ledger from one address into another, saying how far it is; return the exit status."""
    addresses: list[str] = []
    for side, address in ((Side.FROM, source), (Side.TO, target)):
        try:
            addresses.append(clean_database_url(address))
        except ValueError as error:
            _complain(f"{side} {error}.")
            return exits.EX_USAGE
    set_up_logging("CRITICAL", "text", [s for url in addresses for s in secrets_of(url)])
    if addresses[0] == addresses[1]:
        _complain("FROM and TO are the same database.")
        return exits.EX_USAGE
    try:
        asyncio.run(_copy(*addresses))
    except CopyFailed as error:
        _complain(_sentence(error))
        return exits.EX_IOERR if isinstance(error, CantOpen) else exits.EX_DATAERR
    except StoreUnavailable:
        _complain("A database doesn't answer any more. The same command goes on where it was.")
        return exits.EX_TEMPFAIL
    except KeyboardInterrupt:
        _complain("Interrupted. The same command goes on where it was.")
        return _INTERRUPTED
    return exits.EX_OK


async def _copy(source: str, target: str) -> None:
    if source.startswith("sqlite") and not path_of(source).exists():
        raise NoLedger
    with _progress() as progress:
        old = database_at(source, prepare=prepare_source)
        new = database_at(target, prepare=prepare_target)
        sums = await Copying(old, new, progress).run()
    for table, held in sums.items():
        print(f"{table}: {held}")
    print("TO holds all of FROM. Set DATABASE_URL to it before the bot is started again.")


def _sentence(error: CopyFailed) -> str:
    """Say what is wrong with a copy, and what to do. No address is in it."""
    match error:
        case CantOpen():
            return f"{error.side} can't be used: {error.reason}."
        case NoLedger():
            return "FROM holds no ledger: check its address."
        case WorkersAlive():
            return (
                f"A worker uses {error.side}. Stop every process of the bot first; one that was "
                "killed counts as running for some seconds more."
            )
        case HoldsOther():
            return (
                f"TO holds rows in {error.table} that FROM doesn't hold. Copy into an empty "
                "database."
            )
        case RowsRefused():
            return f"TO doesn't take rows of {error.table}: {error.reason}."
        case NotEqual():
            return (
                f"{error.table} differs: something wrote to FROM or TO meanwhile. Stop every "
                "process of the bot, and run the same command again."
            )
        case _:
            raise error


class _Silent:
    """No progress bar: nobody is there to see it."""

    def begin(self, step: Step, rows: int) -> None:
        pass

    def advance(self, rows: int) -> None:
        pass


class _Bars:
    """A progress bar for each step."""

    def __init__(self, bars: rich.progress.Progress) -> None:
        self._bars = bars
        self._task: rich.progress.TaskID | None = None

    def begin(self, step: Step, rows: int) -> None:
        self._task = self._bars.add_task(step, total=rows)

    def advance(self, rows: int) -> None:
        if self._task is not None:
            self._bars.advance(self._task, rows)


@contextmanager
def _progress() -> Generator[Progress]:
    """Show how far a copy is on stderr, if that is a terminal."""
    if not sys.stderr.isatty():
        yield _Silent()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Display

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rows"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Display(*columns, console=Console(stderr=True)) as bars:
        yield _Bars(bars)


def backup(database: str, file: Path) -> int:
    """Copy a SQLite ledger that may be in use into a new file; return the exit status."""
    if not database.startswith("sqlite"):
        _complain("DATABASE_URL is a PostgreSQL database: use pg_dump, which works meanwhile too.")
        return exits.EX_USAGE
    try:
        back_up(path_of(database), file)
    except FileExistsError:
        _complain(f"{file} exists already: name a new file.")
        return exits.EX_CANTCREAT
    except BackupFailed as error:
        _complain(f"The backup can't be made: {error.reason}.")
        return exits.EX_IOERR
    print(f"{file} holds the whole ledger.")
    return exits.EX_OK


def _complain(sentence: str) -> None:
    print(sentence, file=sys.stderr)
