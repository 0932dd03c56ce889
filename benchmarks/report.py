"""The rows of the table, what they must reach, and how the table is written."""

from __future__ import annotations

import os
import platform
import statistics
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psutil

Runs = dict[str, list[float]]


@dataclass(frozen=True)
class Row:
    """A line of the table. ``figures`` names what is measured; of several the worst counts.

    ``must`` and ``aim`` are ratios of ours to the baseline, or seconds or bytes where ``absolute``.
    """

    what: str
    group: str
    figures: tuple[str, ...]
    must: float
    aim: float
    absolute: bool = False


ROWS = (
    Row("300 presses at once, p99 of dispatch to callback", "press", ("presses_p99",), 1.5, 1.0),
    Row("the same, CPU until all are answered", "press", ("presses_cpu",), 2.0, 1.3),
    Row("one press on an idle bot, median", "press", ("press",), 3.0, 1.5),
    Row("500 `/vary` at once, p99", "burst", ("commands_p99",), 1.0, 0.8),
    Row("API's answer to the posted 10 MB grid", "grid", ("delivery",), 1.3, 0.9),
    Row("CPU for one whole `/vary`", "grid", ("command_cpu",), 3.0, 1.5),
    Row(
        "press on U-n to its tile, 8 MB grid cached; baseline: Pillow", "tile", ("tile",), 0.7, 0.5
    ),
    Row("idle memory", "memory", ("memory",), 1.75, 1.3),
    Row(
        "claim, add and press with {many:,} finished rows; baseline: {few:,} rows",
        "rows",
        ("claim", "add", "press", "store_claim", "store_add", "store_press"),
        1.2,
        1.1,
    ),
    Row(
        "20,000 servers in READY, beside none",
        "servers",
        ("servers_memory",),
        5e6,
        3e6,
        absolute=True,
    ),
    Row("one `/vary` by an endpoint; baseline: by a gateway", "front", ("front_one",), 1.2, 1.0),
    Row("300 of them at once, p99", "front", ("front_p99",), 1.2, 1.0),
    Row(
        "500 `/vary` at once, p99, PostgreSQL; baseline: SQLite",
        "postgres_burst",
        ("commands_p99",),
        1.5,
        1.2,
    ),
    Row(
        "time for each claim, PostgreSQL, 4 and 16 workers; baseline: one worker",
        "claims",
        ("claims_4", "claims_16"),
        1.0,
        0.7,
    ),
    Row(
        "longest stall of the event loop, ten 10 MB grids",
        "stall",
        ("stall",),
        0.08,
        0.03,
        absolute=True,
    ),
    # Last: the server tidies up after a million new rows, for minutes.
    Row(
        "PostgreSQL with {many:,} finished rows; baseline: {few:,} rows",
        "postgres_rows",
        ("claim", "add", "press", "store_claim", "store_add", "store_press"),
        1.2,
        1.1,
    ),
)
GROUPS = tuple(dict.fromkeys(row.group for row in ROWS))


def table(runs: dict[str, tuple[Runs, Runs]], sizes: dict[str, int]) -> str:
    """Return the table in Markdown. ``runs`` holds, by group, ours and the baseline's figures."""
    lines = ["| what | ours | baseline | ratio | must | aim | |", "|---|---|---|---|---|---|---|"]
    for row in ROWS:
        if row.group in runs:
            lines.append(_line(row, *runs[row.group], sizes))
    return "\n".join(lines)


def _line(row: Row, ours: Runs, baseline: Runs, sizes: dict[str, int]) -> str:
    name = row.what.format(**sizes)
    if row.absolute:
        value = statistics.median(ours[row.figures[0]])
        figure = row.figures[0]
        cells = [_unit(figure, value), "", "", _unit(figure, row.must), _unit(figure, row.aim)]
    else:
        ratios = {f: _ratio(ours[f], baseline[f]) for f in row.figures}
        figure = max(ratios, key=lambda f: ratios[f])
        value = ratios[figure]
        found = [_unit(figure, statistics.median(side[figure])) for side in (ours, baseline)]
        cells = [*found, f"{value:.2f}", f"{row.must:g}", f"{row.aim:g}"]
        if len(row.figures) > 1:
            name += f" (worst: {figure})"
    verdict = "aim" if value <= row.aim else "pass" if value <= row.must else "**fail**"
    return f"| {' | '.join([name, *cells, verdict])} |"


def details(runs: dict[str, tuple[Runs, Runs]]) -> str:
    """Return every figure in Markdown: median, lowest and highest of the runs."""
    lines = ["| figure | ours | baseline | ratio |", "|---|---|---|---|"]
    for ours, baseline in runs.values():
        for figure, values in ours.items():
            other = baseline.get(figure, [])
            ratio = f"{_ratio(values, other):.2f}" if other else ""
            lines.append(
                f"| {figure} | {_spread(figure, values)} | {_spread(figure, other)} | {ratio} |"
            )
    return "\n".join(lines)


def _ratio(ours: list[float], baseline: list[float]) -> float:
    return statistics.median(ours) / statistics.median(baseline)


def _spread(figure: str, values: list[float]) -> str:
    if not values:
        return ""
    low, high = _unit(figure, min(values)), _unit(figure, max(values))
    return f"{_unit(figure, statistics.median(values))} ({low} to {high})"


def _unit(figure: str, value: float) -> str:
    if figure.endswith("memory"):
        return f"{value / 1e6:.0f} MB"
    return f"{value * 1000:.1f} ms" if value < 0.1 else f"{value * 1000:.0f} ms"


def machine() -> str:
    """Describe the machine and the versions in a sentence, without names and paths."""
    model = platform.processor() or platform.machine()
    about = Path("/proc/cpuinfo")
    if about.exists():
        names = [line for line in about.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    memory = psutil.virtual_memory().total / 2**30
    libraries = ", ".join(f"{name} {version(name)}" for name in ("discord.py", "aiohttp", "Pillow"))
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({model}), {memory:.0f} GiB, "
        f"{platform.system()}, Python {platform.python_version()}, {libraries}."
    )
