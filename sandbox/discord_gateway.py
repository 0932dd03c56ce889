"""Discord's gateway: sessions that survive their connection, compressed as the client asks."""

from __future__ import annotations

import asyncio
import json
import zlib
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from sandbox.discord_model import Json
from sandbox.discord_state import DiscordState

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID, HELLO, ACK = 0, 1, 2, 6, 7, 9, 10, 11


class Line:
    """One WebSocket connection."""

    def __init__(self, request: web.Request) -> None:
        self.request = request
        self.ws = web.WebSocketResponse(max_msg_size=2**20)
        compressed = request.query.get("compress") == "zlib-stream"
        self.deflate = zlib.compressobj() if compressed else None

    async def send(self, payload: Json) -> None:
        """Send a payload; a connection that is gone swallows it."""
        if self.ws.closed:
            return
        text = json.dumps(payload)
        try:
            if self.deflate is None:
                await self.ws.send_str(text)
            else:
                data = self.deflate.compress(text.encode())
                await self.ws.send_bytes(data + self.deflate.flush(zlib.Z_SYNC_FLUSH))
        except ConnectionError:
            return

    async def close(self, code: int | None) -> None:
        """End the connection: with a close code, or abruptly without one."""
        if code is not None:
            await self.ws.close(code=code)
        elif self.request.transport:
            self.request.transport.abort()


@dataclass
class Session:
    """A shard's session with the events that a RESUME may ask for again."""

    id: str
    shard: tuple[int, int]
    line: Line | None
    events: list[Json] = field(default_factory=list[Json])

    async def dispatch(self, name: str, data: Any) -> None:
        event = {"op": DISPATCH, "t": name, "s": len(self.events) + 1, "d": data}
        self.events.append(event)
        if self.line:
            await self.line.send(event)


class DiscordGateway:
    """Every session of the bot. ``identifies`` and ``resumes`` count what was accepted."""

    def __init__(self, state: DiscordState) -> None:
        self.state = state
        self.sessions: dict[str, Session] = {}
        self.identifies = self.resumes = 0

    @property
    def connected(self) -> list[Session]:
        """The sessions that have a connection, newest last."""
        return [session for session in self.sessions.values() if session.line]

    async def dispatch(self, name: str, data: Json, guild_id: int | None) -> None:
        """Send an event to the shard of a guild; without a session it is lost, as at Discord."""
        for session in reversed(list(self.sessions.values())):
            if session.shard[0] == ((guild_id or 0) >> 22) % session.shard[1]:
                await session.dispatch(name, data)
                return

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one connection until it ends."""
        line = Line(request)
        await line.ws.prepare(request)
        await line.send({"op": HELLO, "d": {"heartbeat_interval": 41250}})
        session: Session | None = None
        async for frame in line.ws:
            if frame.type is not WSMsgType.TEXT:
                continue
            message: Json = json.loads(frame.data)
            operation: int = message["op"]
            data: Any = message.get("d")
            if operation == HEARTBEAT:
                # Sooner than any network: discord.py notes when it sent one only after sending it.
                await asyncio.sleep(0.02)
                await line.send({"op": ACK})
            elif operation in (IDENTIFY, RESUME) and data["token"] != self.state.token:
                await line.ws.close(code=4004, message=b"Authentication failed.")
            elif operation == IDENTIFY:
                session = await self._identify(line, data)
            elif operation == RESUME:
                session = await self._resume(line, data)
        if session and session.line is line:
            session.line = None
        self.state.signal.notify()
        return line.ws

    async def _identify(self, line: Line, data: Json) -> Session:
        first, count = data.get("shard", [0, 1])
        self.sessions = {k: s for k, s in self.sessions.items() if s.shard != (first, count)}
        session = Session(f"{self.state.new_id():x}", (first, count), line)
        self.sessions[session.id] = session
        guilds = (self.state.guild_id, self.state.other_guild_id)
        ready: Json = {
            "v": 10,
            "user": self.state.bot.payload(),
            "application": {"id": str(self.state.application_id), "flags": 0},
            "session_id": session.id,
            "resume_gateway_url": f"ws://{line.request.host}/gateway",
            "guilds": [
                {"id": str(g), "unavailable": True} for g in guilds if (g >> 22) % count == first
            ],
            "shard": [first, count],
            "private_channels": [],
        }
        await session.dispatch("READY", ready)
        self.identifies += 1
        self.state.signal.notify()
        return session

    async def _resume(self, line: Line, data: Json) -> Session | None:
        session = self.sessions.get(data["session_id"])
        if session is None:
            await line.send({"op": INVALID, "d": False})
            return None
        for event in session.events[data["seq"] or 0 :]:
            await line.send(event)
        session.line = line
        await session.dispatch("RESUMED", {})
        self.resumes += 1
        self.state.signal.notify()
        return session

    async def end(self, code: int | None) -> None:
        """Close every connection, abruptly if no code is given. Sessions can be resumed."""
        for session in self.connected:
            if session.line:
                await session.line.close(code)
                session.line = None

    async def tell(self, operation: int, data: bool | None = None) -> None:
        """Send a control payload (RECONNECT or INVALID) on every connection."""
        for session in self.connected:
            if operation == INVALID and not data:
                del self.sessions[session.id]
            if session.line:
                await session.line.send({"op": operation, "d": data})
