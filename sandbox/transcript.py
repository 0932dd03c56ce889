"""``python -m sandbox --headless``: the real bot, one scene after another, in the terminal.

``IMAGE`` (a path) and ``PROMPT`` in the environment replace the demo's own. Every image that the
bot posts is written to ``sandbox-out/``. Exits 0 only if everything came out right.
"""

from __future__ import annotations

import asyncio
import mimetypes
import os
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from PIL import Image

from sandbox.bot_process import BotProcess, environment
from sandbox.discord import (
    LOADING,
    Attachment,
    Interaction,
    LoopbackDiscord,
    Message,
    Upload,
    User,
    label_of,
)
from sandbox.genart import LoopbackGenArt
from sandbox.pictures import cut, draw, same_pixels

LABELS = ["U1", "U2", "U3", "U4", "🔄", "V1", "V2", "V3", "V4"]
OUT = Path("sandbox-out")


class Wrong(Exception):
    """Something that did not come out right."""


def expect(holds: bool, what: str) -> None:
    """Raise ``Wrong`` unless ``holds``."""
    if not holds:
        raise Wrong(what)


def say(who: str, text: str) -> None:
    """Print a line of the transcript."""
    sys.stdout.write(f"{who:>8}  {text}\n")
    sys.stdout.flush()


class Demo:
    """The scenes, in order, and what they share."""

    def __init__(self, discord: LoopbackDiscord, genart: LoopbackGenArt, database: Path) -> None:
        self.discord, self.genart, self.database = discord, genart, database
        self.bot = BotProcess(discord, environment(discord, genart, database))
        self.prompt = os.environ.get("PROMPT", "a paper lantern city at dusk, watercolour")
        path = os.environ.get("IMAGE")
        self.picture = Path(path).read_bytes() if path else draw()
        self.name = Path(path).name if path else "evening-hills.png"
        self.seen: set[int] = set()
        self.written = 0

    async def play(self) -> None:
        """Play every scene; ``Wrong`` or ``TimeoutError`` when one fails."""
        say("bot", f"started in {await self.bot.start():.1f} s")
        first = await self.vary()
        await self.upscale(first, "U2", self.discord.alice)
        await self.again(first, "V3", self.discord.bob)
        await self.again(first, "🔄", self.discord.alice)
        began = time.monotonic()
        expect(await self.bot.stop() == 0, "the bot did not stop with exit status 0")
        say("bot", f"stopped with exit status 0, {time.monotonic() - began:.1f} s after SIGTERM")
        say("bot", f"started again in {await self.bot.start():.1f} s")
        await self.upscale(first, "U1", self.discord.bob)
        expect(await self.bot.stop() == 0, "the bot did not stop with exit status 0")
        self.clicks()
        refused = [r for r in self.discord.requests if r.status >= 400]
        expect(not refused, f"Discord refused {[(r.method, r.path, r.status) for r in refused]}")

    async def vary(self) -> Message:
        """Alice sends /vary with the picture; the grid's message comes back."""
        kind = mimetypes.guess_type(self.name)[0] or "image/png"
        upload = Upload(self.name, self.picture, kind)
        say("alice", f'/vary prompt:"{self.prompt}" image:{self.name}')
        options = {"prompt": self.prompt, "image": upload}
        card = await self.discord.slash(self.discord.alice, "vary", options)
        message = await self.grid(card, "vary")
        call = self.genart.calls[-1]
        expect(call.prompt == self.prompt, f"the API was given another prompt: {call.prompt!r}")
        expect(call.source == self.picture, "the API was given another picture")
        return message

    async def upscale(self, message: Message, label: str, user: User) -> None:
        """Press U-n: the tile takes the place of the deferred reply."""
        pressed = await self.press(message, label, user)
        tile = await self.discord.wait_for(
            lambda m: m is pressed.message and not m.flags & LOADING and self.has_image(m)
        )
        attachment = self.discord.images_of(tile)[0]
        number = int(label[1])
        exact = same_pixels(attachment.data, cut(self.grid_of(message).data, number))
        expect(exact, f"{label} is not tile {number} of the grid, pixel for pixel")
        self.write(attachment, label)
        say("", f"tile {number}, every pixel as in the grid")

    async def again(self, message: Message, label: str, user: User) -> None:
        """Press V-n or 🔄: a new grid, from the tile or from the first picture."""
        pressed = await self.press(message, label, user)
        await self.grid(pressed, label)
        call = self.genart.calls[-1]
        expect(call.prompt == self.prompt, f"{label} was sent with another prompt: {call.prompt!r}")
        if label == "🔄":
            expect(call.source == self.picture, "🔄 was sent with another picture")
            say("", "same prompt, same picture, another grid")
        else:
            number = int(label[1])
            exact = same_pixels(call.source, cut(self.grid_of(message).data, number))
            expect(exact, f"the API was not given tile {number}")
            say("", f"the API read tile {number} from the link that it was given")

    async def press(self, message: Message, label: str, user: User) -> Interaction:
        """Press a button and wait for the answer."""
        pressed = await self.discord.press(user, message, label=label)
        await pressed.answered()
        say(user.name, f"presses {label}, answered in {1000 * (pressed.latency or 0):.0f} ms")
        return pressed

    async def grid(self, asked: Interaction, title: str) -> Message:
        """Follow an answer from its card to the grid's own message, and check that."""
        began = time.monotonic()
        await asked.answered()
        card = asked.message
        if card is None:
            raise Wrong(f"{title} was not answered with a message")
        if asked.type == 2:
            say("bot", f"answers in {1000 * (asked.latency or 0):.0f} ms")
        say("", "card: " + " / ".join(self.discord.text_of(card).split("\n")))
        known = self.seen | {card.id}
        found = await self.discord.wait_for(
            lambda m: m.id not in known and self.has_image(m) and len(self.labels(m)) >= len(LABELS)
        )
        self.seen.add(found.id)
        say("bot", f"posts the grid {time.monotonic() - began:.1f} s after the answer")
        say("", " ".join(self.labels(found)) + f"; pings {self.names(found.pings)}")
        expect(self.labels(found)[:9] == LABELS, f"the buttons are {self.labels(found)}")
        expect(found.pings == [str(asked.user.id)], "the grid must ping the asker, nobody else")
        for attachment in self.discord.images_of(found):
            self.write(attachment, title)
        await self.discord.signal.until(lambda: card.deleted, 10)
        return found

    def grid_of(self, message: Message) -> Attachment:
        """Return the grid among a message's attachments."""
        images = self.discord.images_of(message)
        return next((a for a in images if a.filename.startswith("grid.")), images[0])

    def has_image(self, message: Message) -> bool:
        """Tell whether a message shows an image."""
        return bool(self.discord.images_of(message))

    def labels(self, message: Message) -> list[str]:
        """Return what a message's buttons show, in order."""
        return [label_of(button) for button in self.discord.buttons_of(message)]

    def names(self, pings: list[str]) -> str:
        """Return pings as a reader would name them."""
        known = {str(user.id): user.name for user in self.discord.users.values()}
        return ", ".join(known.get(one, one) for one in pings) or "nobody"

    def write(self, attachment: Attachment, title: str) -> None:
        """Write a posted image into ``sandbox-out/``."""
        self.written += 1
        title = {"🔄": "reroll"}.get(title, title.lower())
        stem, _, suffix = attachment.filename.rpartition(".")
        path = OUT / f"{self.written:02}-{title}-{stem}.{suffix}"
        path.write_bytes(attachment.data)
        with Image.open(path) as image:
            size = f"{image.width}x{image.height}"
        say("", f"{path} ({size}, {len(attachment.data) / 2**20:.1f} MiB)")

    def clicks(self) -> None:
        """Read the clicks out of the bot's own file."""
        query = "SELECT user_id, label, outcome FROM clicks ORDER BY clicked_at"
        with closing(sqlite3.connect(self.database)) as connection:
            rows: list[tuple[int, str, str]] = connection.execute(query).fetchall()
        found: dict[str, list[str]] = {}
        for user_id, label, outcome in rows:
            found.setdefault(self.names([str(user_id)]), []).append(f"{label} ({outcome})")
        for name, labels in found.items():
            say("SQLite", f"clicks of {name}: {', '.join(labels)}")
        per_user = {name: [one.split()[0] for one in labels] for name, labels in found.items()}
        wanted = {"alice": ["U2", "🔄"], "bob": ["V3", "U1"]}
        expect(per_user == wanted, f"the clicks should be {wanted}")


async def run() -> int:
    """Run the demo and return the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        async with LoopbackDiscord() as discord, LoopbackGenArt(delay=2) as genart:
            demo = Demo(discord, genart, Path(folder) / "vary.db")
            try:
                await demo.play()
            except (Wrong, TimeoutError, RuntimeError, LookupError, sqlite3.Error) as error:
                await demo.bot.end()
                tail = "".join(demo.bot.log.splitlines(keepends=True)[-40:])
                sys.stdout.write(f"\nThe bot's log ends with:\n{tail}\nWrong: {error!r}\n")
                return 1
    sys.stdout.write("All right.\n")
    return 0


def main() -> int:
    """Empty ``sandbox-out/`` of an earlier run's images, then run the demo."""
    OUT.mkdir(exist_ok=True)
    for old in OUT.glob("[0-9][0-9]-*"):
        old.unlink()
    return asyncio.run(run())
