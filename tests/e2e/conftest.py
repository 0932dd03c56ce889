"""The real bot as a process of its own, between a loopback Discord and a loopback API."""

from __future__ import annotations

import asyncio
import io
import os
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sandbox.bot_process import BotProcess, environment
from sandbox.discord import Interaction, LoopbackDiscord, Message, Upload, User, label_of
from sandbox.genart import Call, LoopbackGenArt
from tests.openapi import OpenApi, description_path
from tests.postgres import PASSWORD, Reader, Server

OPTIONS = ["U1", "U2", "U3", "U4", "🔄", "V1", "V2", "V3", "V4"]
"""The labels of what the API returned."""
LABELS = [*OPTIONS, "Remix", "All four", "⭐", "🗑", "Details"]
"""The labels of a grid's buttons."""
TILE_LABELS = ["Vary", "Remix", "⭐", "🗑", "Its grid"]
DESCRIBED = ["1", "2", "3", "4", "🔄"]
"""The labels of a description's buttons."""


def picture(form: str = "PNG", size: tuple[int, int] = (90, 60)) -> bytes:
    """Return the bytes of a picture in which no two quarters are alike."""
    image = Image.merge("RGB", [Image.effect_noise(size, 60) for _ in range(3)])
    buffer = io.BytesIO()
    image.save(buffer, form)
    return buffer.getvalue()


def pixels(data: bytes) -> tuple[tuple[int, int], bytes]:
    """Return a picture's size and its decoded bytes, to compare pictures by."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    return image.size, image.tobytes()


def quadrant(data: bytes, number: int) -> tuple[tuple[int, int], bytes]:
    """Return quarter ``number`` (1 2 over 3 4) of a picture, as :func:`pixels` does."""
    image = Image.open(io.BytesIO(data)).convert("RGB")
    across, down = image.width // 2, image.height // 2
    left, top = (number - 1) % 2 * across, (number - 1) // 2 * down
    part = image.crop((left, top, left + across, top + down))
    return part.size, part.tobytes()


class World:
    """A Discord, an API and a bot between them, with short ways to use them."""

    def __init__(
        self,
        discord: LoopbackDiscord,
        genart: LoopbackGenArt,
        database: Path,
        workers: int = 0,
        **settings: str,
    ) -> None:
        self.discord = discord
        self.genart = genart
        self.database = database
        self.settings = environment(discord, genart, database, **settings)
        self.bot = BotProcess(discord, self.settings)
        url = self.settings["DATABASE_URL"]
        self._reader = None if url.startswith("sqlite") else Reader(url)
        self.workers = [
            BotProcess(discord, self.settings, ("-m", "bot", "worker")) for _ in range(workers)
        ]
        self._prompts = 0

    @property
    def processes(self) -> list[BotProcess]:
        """The bot, which works as well, and the workers beside it."""
        return [self.bot, *self.workers]

    def upload(self) -> Upload:
        """Return a picture to send."""
        return Upload("cat.png", picture())

    async def vary(
        self,
        prompt: str | None = None,
        data: bytes | None = None,
        *,
        user: User | None = None,
        name: str = "cat.png",
        content_type: str = "image/png",
        **more: Any,
    ) -> Interaction:
        """Send ``/vary`` and return the interaction once it is answered."""
        self._prompts += 1
        upload = Upload(name, data or picture(), content_type)
        options = {"prompt": prompt or f"picture number {self._prompts}", "image": upload}
        user = user or self.discord.alice
        interaction = await self.discord.slash(user, "vary", options, **more)
        await interaction.answered()
        return interaction

    async def describe(
        self, data: bytes | None = None, *, user: User | None = None, **more: Any
    ) -> Interaction:
        """Send ``/describe`` and return the interaction once it is answered."""
        options = {"image": Upload("cat.png", data or picture())}
        user = user or self.discord.alice
        interaction = await self.discord.slash(user, "describe", options, **more)
        await interaction.answered()
        return interaction

    async def press(
        self, message: Message, label: str, user: User | None = None, **more: Any
    ) -> Interaction:
        """Press a button and return the interaction once it is answered."""
        user = user or self.discord.alice
        interaction = await self.discord.press(user, message, label=label, **more)
        await interaction.answered()
        return interaction

    async def result(self, interaction: Interaction, timeout: float = 30) -> Message:  # noqa: ASYNC109
        """Return the grid that an interaction led to."""
        prefix = f"v:{interaction.id}:"

        def is_it(message: Message) -> bool:
            buttons = self.discord.buttons_of(message)
            return any(b.get("custom_id", "").startswith(prefix) for b in buttons)

        return await self.discord.wait_for(is_it, timeout)

    async def grid(self, prompt: str | None = None, **more: Any) -> Message:
        """Send ``/vary`` and return the grid."""
        return await self.result(await self.vary(prompt, **more))

    async def tile(self, interaction: Interaction, timeout: float = 30) -> Message:  # noqa: ASYNC109
        """Return the reply of an upscale once it holds its tile."""
        reply = interaction.message
        assert reply is not None
        return await self.discord.wait_for(
            lambda m: m.id == reply.id and bool(m.attachments), timeout
        )

    async def ends(self, interaction: Interaction, words: str) -> Message:
        """Wait until a card says ``words``."""
        card = interaction.message
        assert card is not None
        return await self.discord.wait_for(
            lambda m: m.id == card.id and words in self.discord.text_of(m)
        )

    def call_for(self, prompt: str) -> Call:
        """Return the one API call with a prompt."""
        (call,) = (call for call in self.genart.calls if call.prompt == prompt)
        return call

    def sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the database, past the bot; ``?`` stands for values."""
        if self._reader:
            return self._reader.ask(statement, *values)
        connection = sqlite3.connect(self.database)
        try:
            return connection.execute(statement, values).fetchall()
        finally:
            connection.close()

    def sql_write(self, statement: str, *values: object) -> None:
        """Change the database, past the bot."""
        if self._reader:
            self._reader.ask(statement, *values)
            return
        with closing(sqlite3.connect(self.database)) as connection, connection:
            connection.execute(statement, values)

    def kept(self) -> bytes:
        """Return all that is in the database."""
        if self._reader is None:
            self.sql("pragma wal_checkpoint(truncate)")
            return self.database.read_bytes()
        tables = self.sql("select tablename from pg_tables where schemaname = 'public'")
        rows = [self.sql(f"select t::text from {table} t") for (table,) in tables]  # noqa: S608
        return repr(rows).encode()

    def lose_everything(self) -> None:
        """Lose the database, while the bot doesn't run."""
        if self._reader:
            self._reader.ask("drop schema public cascade; create schema public")
            return
        for suffix in ("", "-wal", "-shm"):
            self.database.with_name(self.database.name + suffix).unlink(missing_ok=True)

    def close(self) -> None:
        """Close the connection past the bot."""
        if self._reader:
            self._reader.close()

    def state(self, interaction: Interaction) -> str | None:
        """Return the state of the generation that an interaction asked for."""
        rows = self.sql("select state from generations where id = ?", interaction.id)
        return rows[0][0] if rows else None

    async def becomes(self, interaction: Interaction, state: str) -> None:
        """Wait until the generation that an interaction asked for is in a state."""
        async with asyncio.timeout(20):
            while self.state(interaction) != state:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def settled(self, timeout: float = 20) -> None:  # noqa: ASYNC109
        """Wait until no generation waits or runs, and every card shows what came of it."""
        unfinished = (
            "select 1 from generations where state in ('queued', 'running') or card_due limit 1"
        )
        async with asyncio.timeout(timeout):
            while self.sql(unfinished):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    def clicks(self, message_generation: int) -> list[tuple[int, str, str]]:
        """Return who clicked what with which outcome, in order."""
        return self.sql(
            "select user_id, label, outcome from clicks where generation_id = ? order by id",
            message_generation,
        )


def labels(message: Message) -> list[str]:
    """Return the labels of a message's buttons in order."""
    return [label_of(button) for button in LoopbackDiscord.buttons_of(message)]


def styles(message: Message) -> dict[str, int]:
    """Return the styles of a message's buttons by label."""
    return {label_of(b): b["style"] for b in LoopbackDiscord.buttons_of(message)}


def file_of(message: Message, stem: str) -> bytes:
    """Return the bytes of the attachment ``stem.*``."""
    (found,) = (a.data for a in message.attachments if a.filename.startswith(f"{stem}."))
    return found


def generation_of(message: Message) -> int:
    """Return the id of the generation that a grid's buttons name."""
    return int(LoopbackDiscord.buttons_of(message)[0]["custom_id"].split(":")[1])


@pytest.fixture(scope="session")
def openapi() -> OpenApi | None:
    """Return Discord's description; in CI it must be there."""
    path = description_path()
    if not path.exists():
        assert not os.environ.get("CI"), f"{path} is missing: set DISCORD_OPENAPI"
        return None
    return OpenApi(path)


@asynccontextmanager
async def make_world(
    tmp_path: Path,
    openapi: OpenApi | None,
    *,
    tile: int = 64,
    rate_limits: bool = False,
    workers: int = 0,
    **settings: str,
) -> AsyncIterator[World]:
    """Run a world, with so many ``workers`` beside the bot; hold what both sides said against the
    description, and the logs against secrets."""
    async with (
        LoopbackDiscord(rate_limits=rate_limits) as discord,
        LoopbackGenArt(tile=tile) as genart,
    ):
        world = World(discord, genart, tmp_path / "vary.db", workers, **settings)
        await world.bot.start()
        try:
            for worker in world.workers:
                await worker.launch()
            yield world
        finally:
            for process in world.processes:
                await process.kill()
            world.close()
            print(*(process.log for process in world.processes), sep="\n")
        secrets = [discord.token, genart.api_key, genart.discord_token, PASSWORD]
        secrets += [interaction.token for interaction in discord.interactions.values()]
        logs = "".join(process.log for process in world.processes)
        assert [s for s in secrets if s in logs] == []
        if openapi is not None:
            assert openapi.check_all(discord) == []


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what is marked so on both databases."""
    uses_one = "database_settings" in metafunc.fixturenames
    if uses_one and metafunc.definition.get_closest_marker("both_databases"):
        databases = ["sqlite", "postgres"]
        metafunc.parametrize("database_settings", databases, indirect=True, scope="module")


DatabaseSettings = Callable[[], dict[str, str]]


@pytest.fixture(scope="module")
def database_settings(request: pytest.FixtureRequest) -> DatabaseSettings:
    """Return a maker of the settings that name a new database: none for SQLite, unless this is
    parametrized with ``postgres``."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return dict
    server: Server = request.getfixturevalue("postgres_server")
    return lambda: {"DATABASE_URL": server.database()}


@pytest.fixture
async def world(
    tmp_path: Path, openapi: OpenApi | None, database_settings: DatabaseSettings
) -> AsyncIterator[World]:
    """A world of the test's own, with Discord's rate limits."""
    async with make_world(tmp_path, openapi, rate_limits=True, **database_settings()) as ready:
        yield ready


@pytest.fixture(scope="module")
async def shared(
    tmp_path_factory: pytest.TempPathFactory,
    openapi: OpenApi | None,
    database_settings: DatabaseSettings,
) -> AsyncIterator[World]:
    """A world for tests that leave it as they found it."""
    path = tmp_path_factory.mktemp("world")
    more = {"USER_QUEUE_LIMIT": "50", **database_settings()}
    async with make_world(path, openapi, **more) as ready:
        yield ready


@pytest.fixture
def make(
    tmp_path: Path, openapi: OpenApi | None, database_settings: DatabaseSettings
) -> Iterator[Any]:
    """Return a maker of worlds with settings of the test's own."""

    def maker(**more: Any) -> Any:
        return make_world(tmp_path, openapi, **{**database_settings(), **more})

    return maker


@pytest.fixture
def needs_openapi(openapi: OpenApi | None) -> OpenApi:
    """Skip where Discord's description isn't there."""
    if openapi is None:
        pytest.skip(f"{description_path()} is absent")
    return openapi
