"""``python -m sandbox``: Vary in the browser, or in the terminal with ``--headless``.

With ``--command`` any other bot runs instead, in whatever language: it finds its token in
``DISCORD_TOKEN`` and the address of Discord's API, which it must use, in ``DISCORD_API_URL``.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
import webbrowser

from bot.exits import call_at_stop
from sandbox import transcript
from sandbox.page.server import PageServer

PORT = 8800


async def show(port: int, command: str | None, *, opens: bool) -> int:
    """Serve the page until SIGINT or SIGTERM; return the exit status."""
    stopped = asyncio.Event()
    call_at_stop(stopped.set)
    try:
        async with PageServer(port, command=command) as page:
            who = "Vary" if command is None else "Your bot"
            sys.stdout.write(f"{who} is at {page.address} (Ctrl-C ends it)\n")
            sys.stdout.flush()
            if opens:
                await asyncio.to_thread(webbrowser.open, page.address)
            await stopped.wait()
    except OSError as error:
        why = os.strerror(error.errno or 0)
        sys.stderr.write(f"Port {port} can't be used ({why}): choose one with PORT=.\n")
        return 1
    return 0


def main() -> int:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=PORT, help=f"default {PORT}; 0 for any")
    parser.add_argument("--no-open", action="store_true", help="open no browser")
    parser.add_argument("--headless", action="store_true", help="play the scenes in the terminal")
    parser.add_argument(
        "--command", metavar="LINE", help='run this bot instead, such as "node my-bot.js"'
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.WARNING)
    if arguments.headless:
        return transcript.main()
    screen = sys.platform in {"darwin", "win32"} or "DISPLAY" in os.environ
    screen = screen or "WAYLAND_DISPLAY" in os.environ
    opens = screen and not arguments.no_open and not os.environ.get("CI")
    return asyncio.run(show(arguments.port, arguments.command, opens=opens))


if __name__ == "__main__":
    sys.exit(main())
