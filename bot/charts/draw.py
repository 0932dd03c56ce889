"""A chart as a PNG, by Matplotlib, in the colours of Discord's dark theme. Imported by the process
that draws alone."""

from __future__ import annotations

import io
from typing import Any

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

BACKGROUND, PANEL = "#1e1f22", "#2b2d31"
TEXT, MUTED, BAR, BEST = "#f2f3f5", "#b5bac1", "#5865f2", "#57f287"
"""Discord's own: its dark greys, its text, blurple and green."""

_WIDTH, _DPI = 7.2, 150
"""Inches and dots for each of them: 1,080 pixels, as wide as a phone shows."""

_HEAD, _NUMBERS, _BARS, _BAR = 0.75, 1.35, 2.15, 0.34
"""Heights in inches: the title, a row of numbers, a chart, and a lying bar."""

_TITLE, _NUMBER, _LABEL = 21, 27, 14
"""Sizes in points, read on a phone, where the picture is a third as wide."""

_NUMBERS_EACH = 2
_LABEL_LENGTH = 14


def draw(chart: dict[str, Any]) -> bytes:
    """Draw ``chart`` (a :class:`bot.charts.Chart` as JSON) and return the bytes of a PNG."""
    rows = -(-len(chart["numbers"]) // _NUMBERS_EACH)
    heights = [_HEAD, *([_NUMBERS] * rows), *map(_height, chart["bars"])]
    figure: Any = Figure(figsize=(_WIDTH, sum(heights)), dpi=_DPI, facecolor=BACKGROUND)
    grid = figure.add_gridspec(
        len(heights),
        1,
        height_ratios=heights,
        left=0.03,
        right=0.97,
        top=1,
        bottom=0.02,
        hspace=0.0,
    )
    figure.text(
        0.05, 1 - 0.55 / sum(heights), chart["title"], size=_TITLE, color=TEXT, weight="bold"
    )
    for row in range(rows):
        first = row * _NUMBERS_EACH
        _numbers(figure, grid[1 + row], chart["numbers"][first : first + _NUMBERS_EACH])
    for position, bars in enumerate(chart["bars"]):
        _bars(figure, grid[1 + rows + position], bars)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor=BACKGROUND)
    return buffer.getvalue()


def _height(bars: dict[str, Any]) -> float:
    lying = 0.85 + _BAR * max(len(bars["values"]), 1)
    return lying if bars["lying"] else _BARS


def _numbers(figure: Any, place: Any, numbers: list[list[str]]) -> None:
    """Write some large numbers in a row, each with what it is below."""
    cells = place.subgridspec(1, _NUMBERS_EACH, wspace=0.04)
    for column, (name, value) in enumerate(numbers):
        axes = figure.add_subplot(cells[column])
        _panel(axes)
        axes.text(0.06, 0.5, value, size=_NUMBER, color=TEXT, weight="bold", va="center")
        axes.text(0.06, 0.2, name, size=_LABEL, color=MUTED, va="center")


def _panel(axes: Any) -> None:
    """Make axes a plain panel with a gap around it."""
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.add_patch(Rectangle((0, 0.06), 1, 0.88, facecolor=PANEL, edgecolor="none", zorder=0))


def _bars(figure: Any, place: Any, bars: dict[str, Any]) -> None:
    """Draw a chart of bars on a panel; the longest is green."""
    panel = figure.add_subplot(place)
    _panel(panel)
    top = 1 - 0.42 / _height(bars)
    panel.text(0.035, top, bars["title"], size=_LABEL + 2, color=TEXT, weight="bold", va="center")
    inner = place.subgridspec(3, 3, **_margins(bars))
    axes = figure.add_subplot(inner[1, 1])
    axes.set_facecolor(PANEL)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(colors=MUTED, labelsize=_LABEL, length=0)
    values: list[int] = bars["values"]
    most = max(values, default=0)
    colours = [BEST if value == most and most else BAR for value in values]
    if bars["lying"]:
        _lie(axes, bars["labels"], values, colours)
    else:
        _stand(axes, bars["labels"], values, colours)


def _margins(bars: dict[str, Any]) -> dict[str, Any]:
    """Return where in its panel a chart stands: room for a title, and for labels."""
    height = _height(bars)
    top, bottom = 0.62 / height, (0.2 if bars["lying"] else 0.42) / height
    left = 0.29 if bars["lying"] else 0.11
    return {
        "height_ratios": [top, 1 - top - bottom, bottom],
        "width_ratios": [left, 1 - left - 0.04, 0.04],
        "hspace": 0,
        "wspace": 0,
    }


def _lie(axes: Any, labels: list[str], values: list[int], colours: list[str]) -> None:
    places = range(len(values))
    axes.barh(places, values, color=colours, height=0.72)
    axes.set_yticks(places, [_cut(label) for label in labels], color=TEXT)
    axes.invert_yaxis()
    axes.set_xticks([])
    axes.set_xlim(0, max([*values, 1]) * 1.2)
    for place, value in zip(places, values, strict=True):
        axes.text(value, place, f" {value:,}", va="center", size=_LABEL, color=TEXT)


def _stand(axes: Any, labels: list[str], values: list[int], colours: list[str]) -> None:
    places = range(len(values))
    axes.bar(places, values, color=colours, width=0.78)
    shown = [place for place in places if labels[place]]
    axes.set_xticks(shown, [labels[place] for place in shown])
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.set_ylim(0, max([*values, 1]) * 1.08)
    axes.grid(axis="y", color="#3f4147", linewidth=0.8)
    axes.set_axisbelow(True)


def _cut(label: str) -> str:
    return label if len(label) <= _LABEL_LENGTH else label[: _LABEL_LENGTH - 1] + "…"
