"""The process that draws: ``python -m bot.charts``, started by :class:`bot.charts.Charts`.

It reads the length of a request in four bytes, and then the request, as JSON; it answers with the
length of a PNG and the PNG, or with the length 0 where it can't draw. It ends with its input.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from bot.charts.draw import draw


def main() -> None:
    """Draw until there is nothing more to read."""
    while len(head := sys.stdin.buffer.read(4)) == 4:
        request: dict[str, Any] = json.loads(sys.stdin.buffer.read(int.from_bytes(head)))
        try:
            png = draw(request)
        except Exception:  # Whatever a library raises: the next chart may be drawn.
            png = b""
        sys.stdout.buffer.write(len(png).to_bytes(4) + png)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
