"""What the page shows and changes: both loopbacks, the bot, its database, and the faults."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import sqlite3
from collections.abc import Coroutine
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from aiohttp import web

from sandbox import genart as api
from sandbox.bot_process import BotProcess, environment, of_command
from sandbox.discord import Channel, Fault, Json, LoopbackDiscord, Request, Role, User
from sandbox.discord.model import DIRECT_CHANNEL, GROUP
from sandbox.discord.permissions import ADMINISTRATOR, MANAGE_GUILD, MANAGE_MESSAGES, MEMBER
from sandbox.genart import LoopbackGenArt

SHOWN = 80  # messages, and rows of each table
ROLES = {"Artist": 0x3AA57A, "Patron": 0xE0A029}
SLOW = 20.0  # seconds
API_FAULTS: dict[str, api.Behaviour | None] = {
    "normal": None,
    "slow": None,
    "400": api.answer(400, '{"message": "Banned prompt detected"}'),
    "401": api.answer(401, '{"message": "The API key is incorrect or expired"}'),
    "500": api.answer(500, '{"message": "Internal server error"}'),
    "never answers": api.hang(),
    "garbage": api.truncated_json(),
}
LIMITED = Fault(retry_after=1.0)
DISCORD_FAULTS = {
    "normal": None,
    "rate limited": LIMITED,
    "interaction tokens expired": Fault(401, 50027, "Invalid Webhook Token"),
    "answers too late": Fault(404, 10062, "Unknown interaction"),
    "posting forbidden": Fault(403, 50013, "Missing Permissions"),
    "errors": Fault(503, 0, "Service Unavailable"),
}


class World:
    """A Discord, an API and a bot between them. ``delay`` is the API's time for an image in s.

    ``command`` starts another bot than this project's, which knows no API and no database here.
    """

    def __init__(
        self,
        discord: LoopbackDiscord,
        genart: LoopbackGenArt,
        database: Path,
        settings: dict[str, str],
        command: str | None = None,
    ) -> None:
        self.discord, self.genart, self.database = discord, genart, database
        self.delay = genart.delay
        self.own = command is None
        if command is None:
            self.bot = BotProcess(discord, environment(discord, genart, database, **settings))
        else:
            self.bot = of_command(discord, command)
            discord.bot = dataclasses.replace(discord.bot, name="your bot")
            discord.users[discord.bot.id] = discord.bot
        manager = MEMBER | MANAGE_MESSAGES | MANAGE_GUILD | ADMINISTRATOR
        discord.owner = User(discord.new_id(), "owner", manager)
        discord.users[discord.owner.id] = discord.owner
        for name, color in ROLES.items():
            discord.add_role(discord.guild_id, name, color=color)
        self.api_fault = self.discord_fault = "normal"
        self.problem = ""
        self.stopping = False
        self.ledger: Json = {"generations": [], "clicks": []}
        self.dismissed: set[int] = set()
        self._every = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()
        discord.faults.append(self._fault)

    def begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Run ``work`` in the background until it ends or the page does."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Cancel what runs in the background and stop the bot."""
        for task in self._tasks:
            task.cancel()
        await self.bot.end()

    @property
    def people(self) -> list[User]:
        """The members that a viewer can be."""
        discord = self.discord
        return [discord.alice, discord.bob, discord.moderator, discord.owner]

    def channels(self, user: User) -> list[Channel]:
        """Return the channels that a member sees, direct messages last."""
        discord = self.discord
        direct = discord.direct_channel(user.id)
        servers = (discord.guild_id, discord.foreign_guild_id)
        found = [c for guild in servers for c in discord.channels.values() if c.guild_id == guild]
        groups = [c for c in discord.channels.values() if c.type == GROUP and user in c.recipients]
        return [*found, discord.channels[direct], *groups]

    def title(self, channel: Channel) -> str:
        """Return what a channel is called where its members see it."""
        if channel.type == DIRECT_CHANNEL:
            return self.discord.bot.name.title()
        return channel.name or " and ".join(user.name.title() for user in channel.recipients)

    def server(self, channel: Channel) -> str:
        """Return the name of the server that a channel is in, or of what is none."""
        if channel.guild_id is None:
            return "Direct messages"
        return "The sandbox" if channel.guild_id == self.discord.guild_id else "A server without it"

    def locales(self) -> list[str]:
        """Return the languages that the bot's commands are translated into, English first."""
        found: set[str] = set()
        for command in self.discord.commands:
            for key in ("name_localizations", "description_localizations"):
                found |= (command.get(key) or {}).keys()
        return ["en-US", *sorted(found - {"en-US"})]

    def entity(self, key: str) -> User | Role | Channel:
        """Return the user, role or channel with an id; ``LookupError`` if there is none."""
        discord, number = self.discord, int(key)
        roles = {role.id: role for role in discord.roles_of(discord.guild_id)}
        found = discord.users.get(number) or roles.get(number) or discord.channels.get(number)
        if found is None:
            raise LookupError("There is no such user, role or channel.")
        return found

    def user(self, key: str) -> User:
        """Return a member by id or name; 400 if there is none."""
        for user in self.people:
            if key in (str(user.id), user.name):
                return user
        raise web.HTTPBadRequest(text="There is no such user.")

    @property
    def status(self) -> str:
        """``starting``, ``online``, ``stopping`` or ``stopped``: the bot's process."""
        if not self.bot.started:
            return "starting"
        if self.bot.returncode is not None:
            return "stopped"
        if self.stopping:
            return "stopping"
        return "online" if self.discord.gateway.connected else "starting"

    def state(self) -> Json:
        """Return what is known of the bot's process."""
        status = self.status
        found: Json = {"status": status, "problem": self.problem, "exit": None, "pid": None}
        if status == "stopped":
            found["exit"] = self.bot.returncode
        elif self.bot.started:
            found["pid"] = self.bot.pid
        return found

    def break_api(self, fault: str) -> None:
        """Let the API fail in a way of ``API_FAULTS``."""
        self.genart.default = API_FAULTS[fault]
        self.genart.delay = SLOW if fault == "slow" else self.delay
        self.api_fault = fault

    def _fault(self, request: Request) -> Fault | None:
        """Let a request of the bot's meet what the side panel says."""
        fault = DISCORD_FAULTS[self.discord_fault]
        messages = request.path.startswith("/channels/")
        answers = request.path.startswith("/interactions/")
        meets = {
            "rate limited": messages and next(self._every) % 2 == 0,
            "interaction tokens expired": request.path.startswith("/webhooks/"),
            "answers too late": answers,
            "posting forbidden": messages and request.method == "POST",
            "errors": messages,
        }
        return fault if meets.get(self.discord_fault) else None

    async def restart(self, running: bool) -> None:
        """Stop the bot if it runs, and start it."""
        if running:
            await self.stop()
        await self.start()

    async def stop(self) -> None:
        """Send SIGTERM and wait until the bot has ended."""
        self.stopping = True
        try:
            await self.bot.stop()
        finally:
            self.stopping = False
            self.discord.signal.notify()

    async def start(self) -> None:
        """Start the bot; ``problem`` says why it did not."""
        self.problem = ""
        try:
            await self.bot.start()
        except RuntimeError as error:
            self.problem = str(error).splitlines()[0]
        self.discord.signal.notify()

    async def watch_ledger(self) -> None:
        """Read the bot's database again and again."""
        while True:
            with suppress(sqlite3.Error):
                found = await asyncio.to_thread(self._read_ledger)
                if found != self.ledger:
                    self.ledger = found
                    self.discord.signal.notify()
            await asyncio.sleep(0.3)

    def _read_ledger(self) -> Json:
        """Read the bot's own file, read-only. Ids as strings: they are too large for JavaScript."""
        queries = {
            "generations": "SELECT id, parent_id, user_id, kind, state, prompt, created_at, error "
            "FROM generations ORDER BY created_at DESC LIMIT ?",
            "clicks": "SELECT user_id, label, outcome, clicked_at, generation_id FROM clicks "
            "ORDER BY clicked_at DESC LIMIT ?",
        }
        uri = f"file:{self.database}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=1)) as connection:
            connection.row_factory = sqlite3.Row
            return {
                table: [
                    {key: None if row[key] is None else str(row[key]) for key in row.keys()}  # noqa: SIM118
                    for row in connection.execute(query, (SHOWN,))
                ]
                for table, query in queries.items()
            }
