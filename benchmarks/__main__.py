"""Measure the bot beside a bare one, print the table and write ``benchmarks/RESULTS.md``.

python -m benchmarks                      # everything, five runs
python -m benchmarks press burst          # some groups; prints, writes nothing
python -m benchmarks --runs 1 rows        # one run
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks import measures
from benchmarks.claims import claims
from benchmarks.loopback import ANSWERING, BARE, ENDPOINT, GATEWAY, OURS
from benchmarks.report import GROUPS, Runs, details, machine, table
from tests.postgres import Server, running

RESULTS = Path(__file__).parent / "RESULTS.md"
Measure = Callable[[Path], Awaitable[measures.Figures]]


def pairs(
    ledgers: measures.Ledgers, on_postgres: measures.Ledgers, server: Server, hasty: Server
) -> dict[str, tuple[Measure, Measure | None]]:
    """Return, by group, how ours and the baseline are measured. ``on_postgres`` is in ``hasty``,
    the server that doesn't wait for its disk."""
    return {
        "press": (
            lambda folder: measures.presses(OURS, folder),
            lambda folder: measures.presses(ANSWERING, folder),
        ),
        "burst": (
            lambda folder: measures.commands(OURS, folder),
            lambda folder: measures.commands(BARE, folder),
        ),
        "grid": (
            lambda folder: measures.grids(OURS, folder),
            lambda folder: measures.grids(BARE, folder),
        ),
        "tile": (
            lambda folder: measures.tiles(OURS, folder),
            lambda folder: measures.pillow(OURS, folder),
        ),
        "memory": (
            lambda folder: measures.memory(OURS, folder),
            lambda folder: measures.memory(BARE, folder),
        ),
        "rows": (lambda _: ledgers.measure("many"), lambda _: ledgers.measure("few")),
        "servers": (lambda folder: measures.servers(OURS, folder), None),
        "front": (
            lambda folder: measures.fronts(ENDPOINT, folder),
            lambda folder: measures.fronts(GATEWAY, folder),
        ),
        "postgres_burst": (
            lambda folder: measures.commands(OURS, folder, server.database()),
            lambda folder: measures.commands(OURS, folder),
        ),
        "postgres_rows": (
            lambda _: on_postgres.measure("many"),
            lambda _: on_postgres.measure("few"),
        ),
        "claims": (
            lambda _: claims(hasty, [4, 16]),
            lambda _: claims(hasty, [1, 1]),
        ),
        "stall": (lambda folder: measures.stalls(OURS, folder), None),
    }


async def measure(
    runs: int, first: Measure, second: Measure | None, folder: Path, *, together: bool
) -> tuple[Runs, Runs]:
    """Run both so many times and collect their figures: in turn, each beginning every second
    time, or ``together`` where neither disturbs the other."""
    found: tuple[Runs, Runs] = ({}, {})

    async def run(side: Runs, one: Measure) -> None:
        with tempfile.TemporaryDirectory(dir=folder) as own:
            for figure, value in (await one(Path(own))).items():
                side.setdefault(figure, []).append(value)

    pair = [(found[0], first), *([(found[1], second)] if second else [])]
    for _ in range(runs):
        pair.reverse()
        if together:
            await asyncio.gather(*(run(*each) for each in pair))
        else:
            for each in pair:
                await run(*each)
    return found


async def main() -> int:
    """Measure what the command line names; return 1 if a row misses what it must reach."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("groups", nargs="*", metavar="group", help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--runs", type=int, default=5, help="how often each is measured")
    parser.add_argument("--few", type=int, default=1_000, help="finished rows of the baseline")
    parser.add_argument("--many", type=int, default=1_000_000, help="finished rows beside it")
    arguments = parser.parse_args()
    if unknown := set(arguments.groups) - set(GROUPS):
        parser.error(f"no such group: {', '.join(sorted(unknown))}")
    chosen = [group for group in GROUPS if group in (arguments.groups or GROUPS)]
    found: dict[str, tuple[Runs, Runs]] = {}
    began, load = time.monotonic(), os.getloadavg()[0]
    with (
        tempfile.TemporaryDirectory() as name,
        running(durable=True) as server,
        running() as hasty,
    ):
        sizes = {"few": arguments.few, "many": arguments.many}
        ledgers = measures.Ledgers(lambda which: f"sqlite:///{name}/{which}.db", **sizes)
        on_postgres = measures.Ledgers(lambda _: hasty.database(), **sizes)
        for group in chosen:
            started = time.monotonic()
            both = pairs(ledgers, on_postgres, server, hasty)[group]
            together = group == "memory"
            try:
                found[group] = await measure(arguments.runs, *both, Path(name), together=together)
            except (TimeoutError, RuntimeError) as error:
                print(f"{group}: not measured: {error}", file=sys.stderr)
            print(f"{group}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    result = table(found, ledgers.sizes)
    about = (
        f"{machine()} Medians of {arguments.runs} runs; {time.monotonic() - began:.0f} s; "
        f"load average before: {load:.1f}, after: {os.getloadavg()[0]:.1f}."
    )
    text = f"{about}\n\n{result}\n\n{details(found)}\n"
    print(text)
    if set(found) == set(GROUPS):
        RESULTS.write_text(
            f"# Results\n\nWritten by `make bench`; README.md explains it.\n\n{text}"
        )
    return int("**fail**" in result or len(found) < len(chosen))


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
