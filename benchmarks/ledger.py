"""Fill a database with finished rows, in plain SQL that knows as little as it can of the tables.

Columns that are not known here get their default, ``NULL`` where that is allowed, else 0 or "".
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

import psycopg

HEAVY, HEAVY_USERS = 4_000_000, 60
"""The id of the first of the users who have half of all rows, and how many they are."""

_SECONDS = 30 * 86_400
"""The rows are spread over so many seconds before now."""

_AGE = f"((:rows - n) * {_SECONDS}.0 / :rows)"

_GENERATIONS = {
    "id": "1000000 + n",
    "parent_id": "CASE WHEN n % 10 <> 0 THEN 1000000 + n - n % 10 END",
    # The worst case of a query that looks for a call of the API: half of all rows are by a few
    # users who made upscales alone, and the newest tenth of everybody's are upscales too.
    "kind": "CASE WHEN n % 2 <> 0 OR n > :rows * 9 / 10 THEN 'upscale' WHEN n % 10 = 0 THEN 'vary' "
    "WHEN n % 10 = 2 THEN 'reroll' WHEN n % 10 = 4 THEN 'variation' ELSE 'upscale' END",
    "state": "CASE n % 25 WHEN 21 THEN 'failed' WHEN 22 THEN 'cancelled' "
    "WHEN 23 THEN 'interrupted' WHEN 24 THEN 'undelivered' ELSE 'posted' END",
    "user_id": f"CASE WHEN n % 2 <> 0 THEN {HEAVY} + n / 2 % {HEAVY_USERS} "
    "ELSE 5000000 + n % 10007 END",
    "guild_id": "1",
    "channel_id": "2",
    "prompt": "'a lighthouse in a storm, number ' || n",
    "tile": "n % 5",
    "upload_limit": "10485760",
    "message_id": "900000000 + n",
    "card_due": "false",
    "grid_file": "'grid.png'",
    "created_at": "@62@",
    "not_before": "@61@",
    "started_at": "@60@",
    "finished_at": "@10@",
}
_CLICKS = {
    "id": "1000000 + n",
    "user_id": _GENERATIONS["user_id"],
    "guild_id": "1",
    "generation_id": "1000000 + n - n % 10",
    "label": "'U' || (1 + n % 4)",
    "clicked_at": _GENERATIONS["created_at"],
    "outcome": "'accepted'",
}
_NUMBERS = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT :rows)"
_SERIES = "WITH numbers(n) AS (SELECT generate_series(1, :rows))"


def fill(url: str, rows: int) -> None:
    """Add so many finished generations of every kind and state, and half as many clicks.

    The tables must exist, and nothing else may use the database. Takes about 20 s for a million
    rows in SQLite, and a minute in PostgreSQL.
    """
    if not url.startswith("sqlite:///"):
        with psycopg.connect(url, autocommit=True) as server:
            for table, known, number in _tables(rows):
                server.execute(_on_postgres(server, table, known, number))  # pyright: ignore
            server.execute("VACUUM ANALYZE")
        return
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        for pragma in ("synchronous=OFF", "cache_size=-200000", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        with connection:
            for table, known, number in _tables(rows):
                connection.execute(_on_sqlite(connection, table, known), {"rows": number})
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _tables(rows: int) -> list[tuple[str, dict[str, str], int]]:
    return [("generations", _GENERATIONS, rows), ("clicks", _CLICKS, rows // 2)]


def _on_sqlite(connection: sqlite3.Connection, table: str, known: dict[str, str]) -> str:
    columns = [
        (name, declared, bool(required or key) and default is None)
        for _, name, declared, required, default, key in connection.execute(
            f"PRAGMA table_info({table})"
        )
    ]
    ago = f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '-' || ({_AGE} + \\1) || ' seconds')"
    return re.sub("@([0-9]+)@", ago, _insert(table, columns, known, _NUMBERS))


def _on_postgres(server: psycopg.Connection, table: str, known: dict[str, str], rows: int) -> str:
    query = (
        "SELECT column_name, data_type, is_nullable = 'NO' AND column_default IS NULL"
        " FROM information_schema.columns WHERE table_name = %s"
    )
    columns = server.execute(query, [table]).fetchall()
    ago = f"now() - make_interval(secs => {_AGE} + \\1)"
    statement = re.sub("@([0-9]+)@", ago, _insert(table, columns, known, _SERIES))
    return statement.replace(":rows", str(rows))


def _insert(
    table: str, columns: list[tuple[str, str, bool]], known: dict[str, str], numbers: str
) -> str:
    """Return the statement; ``columns`` are names, types, and whether a value is required."""
    values: dict[str, str] = {}
    for name, declared, required in columns:
        if name in known:
            values[name] = known[name]
        elif required:
            kind = declared.upper()
            text = any(word in kind for word in ("CHAR", "TEXT", "JSON"))
            values[name] = "''" if text else "false" if "BOOL" in kind else "0"
    names, expressions = ", ".join(values), ", ".join(values.values())
    return f"INSERT INTO {table} ({names}) {numbers} SELECT {expressions} FROM numbers"  # noqa: S608
