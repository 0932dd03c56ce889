"""Copies a SQLite file that is in use."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from bot.errors import BackupFailed


def back_up(source: Path, target: Path) -> None:
    """Write what the database ``source`` holds at one moment into the new file ``target``, for its
    owner alone (mode 0600). Processes that use the database go on reading and writing.

    Raises:
        BackupFailed: nothing is left of it.
        FileExistsError
    """
    if target.exists():
        raise FileExistsError(target)
    part = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        os.close(handle)
        part = Path(name)
        _copy(source, part)
        _keep(part)
        part.rename(target)
        _keep(target.parent)
    except (sqlite3.Error, OSError) as error:
        raise BackupFailed(getattr(error, "strerror", None) or str(error)) from error
    finally:
        if part is not None:
            for suffix in ("", "-wal", "-shm"):
                part.with_name(part.name + suffix).unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    # Opened for writing, or what a crash left in the write-ahead log can't be read.
    address = f"{source.absolute().as_uri()}?mode=rw"
    with (
        closing(sqlite3.connect(address, uri=True)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        # In one step: between several, each write of another process would begin it anew.
        old.backup(new, pages=-1)
        (said,) = new.execute("PRAGMA quick_check(1)").fetchone()
        if said != "ok":
            raise BackupFailed(f"the database is damaged ({said})")


def _keep(path: Path) -> None:
    """Have the system write a file or a folder to its disk. Windows writes no folder."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
