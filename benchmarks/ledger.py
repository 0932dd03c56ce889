"""Fill a SQLite file with finished rows, in plain SQL that knows as little as it can of the tables.

Columns that are not known here get their default, ``NULL`` where that is allowed, else 0 or "".
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

HEAVY, HEAVY_USERS = 4_000_000, 60
"""The id of the first of the users who have half of all rows, and how many they are."""

_SECONDS = 30 * 86_400
"""The rows are spread over so many seconds before now."""

_AGE = f"((:rows - n) * {_SECONDS}.0 / :rows)"

_GENERATIONS = {
    "id": "1000000 + n",
    "parent_id": "CASE WHEN n % 10 THEN 1000000 + n - n % 10 END",
    # The worst case of a query that looks for a call of the API: half of all rows are by a few
    # users who made upscales alone, and the newest tenth of everybody's are upscales too.
    "kind": "CASE WHEN n % 2 OR n > :rows * 9 / 10 THEN 'upscale' WHEN n % 10 = 0 THEN 'vary' "
    "WHEN n % 10 = 2 THEN 'reroll' WHEN n % 10 = 4 THEN 'variation' ELSE 'upscale' END",
    "state": "CASE n % 25 WHEN 21 THEN 'failed' WHEN 22 THEN 'cancelled' "
    "WHEN 23 THEN 'interrupted' WHEN 24 THEN 'undelivered' ELSE 'posted' END",
    "user_id": f"CASE WHEN n % 2 THEN {HEAVY} + n / 2 % {HEAVY_USERS} ELSE 5000000 + n % 10007 END",
    "guild_id": "1",
    "channel_id": "2",
    "prompt": "'a lighthouse in a storm, number ' || n",
    "tile": "n % 5",
    "upload_limit": "10485760",
    "message_id": "900000000 + n",
    "card_due": "0",
    "grid_file": "'grid.png'",
    "created_at": f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '-' || ({_AGE} + 62) || ' seconds')",
    "not_before": f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '-' || ({_AGE} + 61) || ' seconds')",
    "started_at": f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '-' || ({_AGE} + 60) || ' seconds')",
    "finished_at": f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '-' || ({_AGE} + 10) || ' seconds')",
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


def fill(database: Path, rows: int) -> None:
    """Add so many finished generations of every kind and state, and half as many clicks.

    The tables must exist, and nothing else may use the file. Takes about 20 s for a million rows.
    """
    with closing(sqlite3.connect(database)) as connection:
        for pragma in ("synchronous=OFF", "cache_size=-200000", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        with connection:
            _insert(connection, "generations", _GENERATIONS, rows)
            _insert(connection, "clicks", _CLICKS, rows // 2)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _insert(connection: sqlite3.Connection, table: str, known: dict[str, str], rows: int) -> None:
    values: dict[str, str] = {}
    for _, name, declared, required, default, key in connection.execute(
        f"PRAGMA table_info({table})"
    ):
        if name in known:
            values[name] = known[name]
        elif (required or key) and default is None:
            text = any(word in declared.upper() for word in ("CHAR", "TEXT", "JSON"))
            values[name] = "''" if text else "0"
    columns, expressions = ", ".join(values), ", ".join(values.values())
    connection.execute(
        f"INSERT INTO {table} ({columns}) {_NUMBERS} SELECT {expressions} FROM numbers",  # noqa: S608
        {"rows": rows},
    )
