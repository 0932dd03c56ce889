"""The command line: ``python -m bot``."""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import discord
from discord.http import Route

from bot import __version__, exits
from bot.config import BadSettings, Settings, load_settings
from bot.errors import AddressUnusable, DatabaseUnusable
from bot.logs import set_up_logging
from bot.roles import Role, log, run

_ROLES = {
    Role.GATEWAY: "receive commands and buttons over Discord's gateway, and answer them",
    Role.ENDPOINT: "receive commands and buttons over HTTP (Discord's Interactions Endpoint URL), "
    "and answer them",
    Role.WORKER: "claim what was asked for, call the API, deliver",
}


def main() -> int:
    """Run the bot until it is told to stop; return the exit status."""
    arguments = _parser().parse_args()
    if arguments.command == "copy-database":
        from bot.copying import copy_database

        return copy_database(arguments.source, arguments.target)
    try:
        settings = load_settings()
    except BadSettings as error:
        print(*error.sentences, sep="\n", file=sys.stderr)
        return exits.EX_CONFIG
    if arguments.command == "backup":
        from bot.copying import backup

        return backup(settings.database_url, arguments.file)
    Route.BASE = settings.discord_api_url
    if arguments.command == "check":
        return _check(settings)
    return _serve(settings, Role(arguments.command or Role.ALL))


class _Parser(argparse.ArgumentParser):
    """A parser whose errors show no password of an address."""

    def error(self, message: str) -> NoReturn:
        super().error(re.sub(r"://\S*@", "://***@", message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m bot",
        description="Vary, a Discord bot that turns pictures into grids of new ones. Without a "
        "command, one process does everything. "
        "Its settings come from the environment and .env; .env.example explains each.",
    )
    parser.add_argument("--version", action="version", version=f"Vary {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="command")
    for role, words in _ROLES.items():
        commands.add_parser(role, help=words, description=f"Only {words}.")
    words = "try the settings: Discord, the API, the database and the hosts of pictures"
    commands.add_parser("check", help=words, description=f"{words.capitalize()}.")
    _add_ledger_commands(commands)
    return parser


def _add_ledger_commands(commands: argparse._SubParsersAction[_Parser]) -> None:  # pyright: ignore[reportPrivateUsage]
    words = "copy a SQLite database into a new file, while the bot runs"
    backup = commands.add_parser("backup", help=words, description=f"{words.capitalize()}.")
    backup.add_argument("file", metavar="FILE", type=Path, help="the new file")
    words = "copy a whole database into an empty one, of the same kind or the other"
    copy = commands.add_parser(
        "copy-database",
        help=words,
        description=f"{words.capitalize()}; the bot must be stopped. What was interrupted goes on "
        "where it was with the same command.",
    )
    example = "an address as in DATABASE_URL"
    copy.add_argument("source", metavar="FROM", help=example)
    copy.add_argument("target", metavar="TO", help=example)


def _check(settings: Settings) -> int:
    from bot.check import check

    set_up_logging("CRITICAL", "text", settings.secrets())
    return exits.EX_OK if asyncio.run(check(settings)) else exits.EX_UNAVAILABLE


def _serve(settings: Settings, role: Role) -> int:
    if role is Role.ENDPOINT and not settings.discord_public_key:
        print(
            "DISCORD_PUBLIC_KEY is missing: python -m bot endpoint needs it (see .env.example).",
            file=sys.stderr,
        )
        return exits.EX_CONFIG
    set_up_logging(settings.log_level, settings.log_format, settings.secrets())
    # The bot needs no voice libraries.
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(run(settings, role))
    except asyncio.CancelledError:
        log.info("Stopped.")
    except (discord.LoginFailure, discord.ConnectionClosed):
        print("DISCORD_TOKEN is refused by Discord: set the bot's token.", file=sys.stderr)
        return exits.EX_CONFIG
    except DatabaseUnusable as error:
        print(f"The database can't be used: {error.reason}. Check DATABASE_URL.", file=sys.stderr)
        return exits.EX_IOERR
    except AddressUnusable as error:
        print(f"{error.address} can't be listened on: {error.reason}.", file=sys.stderr)
        return exits.EX_UNAVAILABLE
    return exits.EX_OK


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes uvloop's event loop, where there is one (not on Windows)."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


if __name__ == "__main__":
    sys.exit(main())
