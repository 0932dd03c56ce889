"""Kill the bot again and again while members go on asking and pressing; then count the damage.

``python -m tests.e2e.campaign --kills 1000 --seed 7 --weather`` runs it by hand, in campaigns of
at most a hundred kills, each with a world and a seed of its own. With ``--database postgres`` there
are two workers beside the bot: any process is killed, workers are paused for longer than they may
be silent, and the server crashes and starts again.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext, redirect_stdout, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from aiohttp import web

from bot.store.workers import LEASE
from sandbox.bot_process import BotProcess
from sandbox.discord import LOADING, Fault, Interaction, LoopbackDiscord, Message, Request
from sandbox.genart import answer, reset_before, reset_during
from tests import postgres
from tests.e2e.conftest import (
    DESCRIBED,
    LABELS,
    OPTIONS,
    TILE_LABELS,
    World,
    generation_of,
    labels,
    make_world,
)
from tests.openapi import OpenApi, description_path

T = TypeVar("T")

SETTINGS: dict[str, Any] = {"tile": 32, "USER_QUEUE_LIMIT": "40"}
OUT = Path("test-output")
ROUND = 100  # kills in one world
DESCRIBES = 0.1  # of what members do is /describe
AT_ONCE = 8  # presses, when every button is tried at the end
FINAL = {"posted", "failed", "cancelled", "interrupted", "undelivered"}
UNFINISHED = ("In line:", "Starting…", "Started <t:")

CALM, SPELL = 0.03, 0.8  # of the requests in each meet a fault
LENGTH = (0.5, 8.0)  # seconds of each
DISCORD_FAULTS = [
    Fault(503, 0, "Service Unavailable"),
    Fault(retry_after=0.5),
    Fault(drop="before"),
    Fault(drop="after"),
]
GENART_FAULTS = [
    answer(503, "{}"),
    answer(429, "{}", headers={"Retry-After": "1"}),
    reset_before(),
    reset_during(),
]
TRY_LATER = "Try again later"
PAUSE = (LEASE.total_seconds() + 1, LEASE.total_seconds() + 4)
OUTAGE = (0.0, 3.0)  # seconds of the database's
START = 300.0  # in bad weather a bot tries again and again, every 30 s in the end
NOT_TAKEN = {429, 503}  # an answer with such a status has cost nothing


@dataclass
class Damage:
    """What no campaign may find. Each list names interactions, prompts or messages."""

    lost: list[object] = field(default_factory=list)
    charged_twice: list[object] = field(default_factory=list)
    posted_without_a_call: list[object] = field(default_factory=list)
    posted_twice: list[object] = field(default_factory=list)
    posted_but_not_recorded: list[object] = field(default_factory=list)
    missing_clicks: list[object] = field(default_factory=list)
    dead_cards: list[object] = field(default_factory=list)
    dead_buttons: list[object] = field(default_factory=list)
    tracebacks: list[object] = field(default_factory=list)


@dataclass
class Report:
    """What a campaign did, and what it found."""

    seed: int
    kills: int
    interactions: int
    calls: int
    states: Counter[str]
    damage: Damage

    def __str__(self) -> str:
        states = ", ".join(f"{count} {state}" for state, count in sorted(self.states.items()))
        found = {name: seen for name, seen in asdict(self.damage).items() if seen}
        return (
            f"seed {self.seed}: {self.kills} kills, {self.interactions} interactions, "
            f"{self.calls} calls; {states}; damage: {found or 'none'}"
        )


class Members:
    """Members who ask, press, remix and try again without end, as chance has it."""

    def __init__(self, world: World, chance: random.Random) -> None:
        self.world = world
        self.chance = chance
        self.answered: list[Interaction] = []
        self.clicked: list[Interaction] = []
        self.opened: list[Interaction] = []

    @asynccontextmanager
    async def busy(self) -> AsyncIterator[None]:
        """Keep them busy; on leaving, wait until Discord has given up on what has no answer."""
        async with asyncio.TaskGroup() as watching:
            acting = asyncio.create_task(self._run(watching))
            try:
                yield
            finally:
                acting.cancel()
                with suppress(asyncio.CancelledError):
                    await acting

    async def _run(self, watching: asyncio.TaskGroup) -> None:
        while True:
            await asyncio.sleep(self.chance.uniform(0.02, 0.25))
            watching.create_task(self._watch(await self._act()))

    async def _act(self) -> Interaction:
        discord, messages = self.world.discord, list(self.world.discord.messages.values())
        user = self.chance.choice([discord.alice, discord.bob, discord.moderator])
        grids = [m for m in messages if len(labels(m)) == len(LABELS)]
        retries = [m for m in messages if labels(m) == ["Try again"]]
        if self.chance.random() < DESCRIBES:
            return await discord.slash(user, "describe", {"image": self.world.upload()})
        what = self.chance.random()
        if what < 0.35 or not grids:
            prompt = f"crash {len(discord.interactions)}"
            options = {"prompt": prompt, "image": self.world.upload()}
            return await discord.slash(user, "vary", options)
        if what < 0.5 and retries:
            return await discord.press(user, self.chance.choice(retries), label="Try again")
        label = self.chance.choice([*OPTIONS, "Remix", "Remix", "All four"])
        pressed = await discord.press(user, self.chance.choice(grids), label=label)
        self.clicked.append(pressed)
        return pressed

    async def _watch(self, asked: Interaction) -> None:
        with suppress(TimeoutError):
            await asked.answered()
            if asked.modal is None:
                self.answered.append(asked)
                return
            self.opened.append(asked)
            words = {"prompt": f"remix {len(self.world.discord.interactions)}"}
            start = {"start": [str(self.chance.randrange(5))]}
            await self._watch(await self.world.discord.submit(asked, words | start))


class Weather(Generic[T]):
    """Turns between calm, when few requests meet any fault, and spells in which most meet one."""

    def __init__(self, faults: list[T], chance: random.Random) -> None:
        self._faults = faults
        self._chance = chance
        self._spell: T | None = None
        self._until = time.monotonic() + chance.uniform(*LENGTH)

    def fault(self) -> T | None:
        """Return what the next request meets."""
        if time.monotonic() >= self._until:
            self._spell = None if self._spell else self._chance.choice(self._faults)
            self._until = time.monotonic() + self._chance.uniform(*LENGTH)
        if self._chance.random() >= (SPELL if self._spell else CALM):
            return None
        return self._spell or self._chance.choice(self._faults)


@contextmanager
def bad_weather(world: World, seed: int) -> Iterator[None]:
    """Mix 503, 429, cut connections and lost answers in, at Discord and at the API."""
    at_discord = Weather(DISCORD_FAULTS, random.Random(seed))
    at_genart = Weather(GENART_FAULTS, random.Random(seed + 1))

    def discord(_: Request) -> Fault | None:
        return at_discord.fault()

    async def genart(request: web.Request) -> web.StreamResponse | None:
        fault = at_genart.fault()
        return await fault(request) if fault else None

    world.discord.faults.append(discord)
    world.genart.default = genart
    try:
        yield
    finally:
        world.discord.faults.remove(discord)
        world.genart.default = None


async def campaign(
    world: World,
    seed: int,
    kills: int,
    *,
    weather: bool = False,
    server: postgres.Server | None = None,
) -> Report:
    """Send ``kills`` SIGKILLs at random moments under load, and report what came of it. Where
    there are workers they are paused too, and where there is a ``server`` of its own, it crashes.

    The seed decides who does what and when; how far the bot has come by then it does not.
    """
    chance = random.Random(seed)
    members = Members(world, chance)
    world.genart.delay = 0.3
    async with members.busy():
        with bad_weather(world, seed) if weather else nullcontext():
            async with pausing(world.workers, chance):
                await kill_again_and_again(world, kills, chance, server)
    await world.settled(120)
    with suppress(TimeoutError):
        await world.discord.signal.until(lambda: not list(unfinished(world)), 30)
    damage = Damage()
    look_at_the_ledger(world, members, damage)
    look_at_the_messages(world, members, damage)
    states = Counter(state for (state,) in world.sql("select state from generations"))
    interactions, calls = len(world.discord.interactions), len(world.genart.calls)
    await try_the_buttons(world, chance, max(2, kills // 10), damage)
    logs = [line for process in world.processes for line in process.log.splitlines()]
    damage.tracebacks += [line for line in logs if "Traceback" in line]
    return Report(seed, kills, interactions, calls, states, damage)


async def kill_again_and_again(
    world: World, kills: int, chance: random.Random, server: postgres.Server | None
) -> None:
    """Send ``kills`` SIGKILLs, each up to a second after the last process works again; let the
    database's server crash as well before every fourth of them."""
    for number in range(kills):
        await asyncio.sleep(chance.uniform(0, 1))
        if server and number % 4 == 2:
            await asyncio.to_thread(server.stop)
            await asyncio.sleep(chance.uniform(*OUTAGE))
            await asyncio.to_thread(server.start)
            await asyncio.sleep(chance.uniform(0, 1))
        victim = chance.choice(world.processes)
        await victim.kill()
        if victim is world.bot:
            await victim.start(timeout=START)
        else:
            await victim.launch()


@asynccontextmanager
async def pausing(workers: Sequence[BotProcess], chance: random.Random) -> AsyncIterator[None]:
    """Pause one worker after the other meanwhile, for longer than it may be silent."""

    async def pause() -> None:
        while True:
            worker = chance.choice(workers)
            await asyncio.sleep(chance.uniform(0, 2))
            pid = worker.pid
            with suppress(ProcessLookupError):
                worker.signal(signal.SIGSTOP)
                await asyncio.sleep(chance.uniform(*PAUSE))
                if worker.pid == pid:
                    worker.signal(signal.SIGCONT)

    paused = asyncio.create_task(pause()) if workers else None
    try:
        yield
    finally:
        if paused:
            paused.cancel()
            await asyncio.gather(paused, return_exceptions=True)
        for worker in workers:
            with suppress(ProcessLookupError):
                worker.signal(signal.SIGCONT)


def look_at_the_ledger(world: World, members: Members, damage: Damage) -> None:
    """Hold the ledger against what members were told and what the API was called for."""
    states = dict(world.sql("select id, state from generations"))
    told = [a.id for a in members.answered if not a.ephemeral]
    damage.lost += [id_ for id_ in told if states.get(id_) not in FINAL]

    # At most one call for each generation with that prompt, at least one for each that was posted,
    # and each answer that came back whole is posted, unless a kill interrupted its generation.
    # No fault here lasts, so what a row holds as its result must have reached its member.
    rows = world.sql("select prompt, state from generations where kind <> 'upscale'")
    asked = Counter(prompt for prompt, _ in rows)
    posted = Counter(prompt for prompt, state in rows if state == "posted")
    cut_off = Counter(prompt for prompt, state in rows if state == "interrupted")
    made = world.genart.calls
    paid = Counter(call.prompt for call in made if call.status not in NOT_TAKEN)
    whole = Counter(call.prompt for call in made if call.status == 200 and call.grid)
    damage.charged_twice += [p for p, n in paid.items() if n > asked[p]]
    damage.posted_without_a_call += [p for p, n in posted.items() if n > paid[p]]
    damage.lost += [p for p, n in whole.items() if n > posted[p] + cut_off[p]]
    has_result = "select id from generations where state <> 'posted' and result is not null"
    damage.lost += [id_ for (id_,) in world.sql(has_result)]

    clicks = Counter(id_ for (id_,) in world.sql("select id from clicks"))
    # Where the database was away the member was told so, and nothing is kept.
    pressed = [*members.answered, *members.opened]
    answered = {a.id for a in pressed if TRY_LATER not in said(world, a)}
    wrong = [a.id for a in members.clicked if a.id in answered and clicks[a.id] != 1]
    damage.missing_clicks += wrong


def said(world: World, asked: Interaction) -> str:
    """Return the words of an answer."""
    return world.discord.text_of(asked.message) if asked.message else ""


def look_at_the_messages(world: World, members: Members, damage: Damage) -> None:
    """Hold the channel against the ledger."""
    descriptions = [m for m in world.discord.messages.values() if labels(m) == DESCRIBED]
    seen = Counter(generation_of(m) for m in [*grids_of(world), *descriptions])
    rows = world.sql("select id from generations where kind <> 'upscale' and state = 'posted'")
    recorded = {id_ for (id_,) in rows}
    damage.posted_twice += [id_ for id_, n in seen.items() if n > 1]
    damage.posted_but_not_recorded += sorted(seen.keys() - recorded)
    damage.lost += sorted(recorded - seen.keys())

    # Two members who press one U before either tile is there get one each.
    tiles = Counter(
        (m.reply_to, a.filename.partition(".")[0])
        for m in world.discord.messages.values()
        for a in m.attachments
        if m.reply_to and a.filename.startswith("tile-") and labels(m) == TILE_LABELS
    )
    rows = world.sql(
        "select grid.message_id, 'tile-' || g.tile from generations g join generations grid"
        " on grid.id = g.parent_id where g.kind = 'upscale' and g.state = 'posted'"
    )
    recorded_tiles = Counter(rows)
    damage.posted_twice += [tile for tile, n in tiles.items() if n > recorded_tiles[tile]]

    damage.dead_cards += unfinished(world)
    rows = world.sql("select id from generations where state = 'interrupted'")
    interrupted = {id_ for (id_,) in rows}
    for asked in members.answered:
        card = asked.message
        if asked.id in interrupted and card and not card.deleted and not card.ephemeral:
            alive = len(labels(card)) == 1  # Try again, or a link to what came of it.
            damage.dead_cards += [] if alive else [describe(card)]


def grids_of(world: World) -> list[Message]:
    """Return every message that is a grid."""
    return [m for m in world.discord.messages.values() if len(labels(m)) == len(LABELS)]


def unfinished(world: World) -> Iterator[str]:
    """Yield the id and words of each message that says, or shows, that its work isn't over."""
    for message in world.discord.messages.values():
        words = world.discord.text_of(message)
        waits = labels(message) == ["Cancel"] or any(word in words for word in UNFINISHED)
        if waits or message.flags & LOADING:
            yield describe(message)


def describe(message: Message) -> str:
    """Return a message's id, buttons and last words."""
    words = "is thinking" if message.flags & LOADING else LoopbackDiscord.text_of(message)
    return f"{message.id} {labels(message)} {words[-80:]!r}"


async def try_the_buttons(world: World, chance: random.Random, some: int, damage: Damage) -> None:
    """Press one U on every grid, and one V or 🔄 on ``some`` of them."""
    world.genart.delay = 0

    async def press(grid: Message, label: str) -> None:
        try:
            pressed = await world.press(grid, label)
            if label not in OPTIONS[:4]:
                assert labels(await world.result(pressed)) == LABELS
            elif not pressed.ephemeral:
                await world.tile(pressed)
        except TimeoutError:
            damage.dead_buttons.append((grid.id, label))

    grids = grids_of(world)
    presses = [(grid, chance.choice(OPTIONS[:4])) for grid in grids]
    sample = chance.sample(grids, min(some, len(grids)))
    presses += [(grid, chance.choice(OPTIONS[4:])) for grid in sample]
    for start in range(0, len(presses), AT_ONCE):
        await asyncio.gather(*(press(*one) for one in presses[start : start + AT_ONCE]))


async def by_hand(seed: int, kills: int, *, weather: bool, database: str) -> bool:
    """Run campaigns until there were ``kills``, print a line for each; return whether all held."""
    held = True
    while kills > 0:
        with (
            tempfile.TemporaryDirectory(prefix="vary-campaign-") as folder,
            postgres.running() if database == "postgres" else nullcontext() as server,
            (OUT / f"campaign-{seed}.log").open("w") as log,
            redirect_stdout(log),
        ):
            report = await one(Path(folder), seed, min(kills, ROUND), weather, server)
        print(report, flush=True)
        held = held and report.damage == Damage()
        seed, kills = seed + 1, kills - ROUND
    return held


async def one(
    folder: Path, seed: int, kills: int, weather: bool, server: postgres.Server | None
) -> Report:
    """Run one campaign in a world of its own."""
    path = description_path()
    openapi = OpenApi(path) if path.exists() else None
    more = {"workers": 2, "DATABASE_URL": server.database()} if server else {}
    async with make_world(folder, openapi, **SETTINGS, **more) as world:
        return await campaign(world, seed, kills, weather=weather, server=server)


def main() -> int:
    """Read the command line, run, return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.campaign", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--weather", action="store_true", help="mix faults of both services in")
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    arguments = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    held = asyncio.run(
        by_hand(
            arguments.seed,
            arguments.kills,
            weather=arguments.weather,
            database=arguments.database,
        )
    )
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
