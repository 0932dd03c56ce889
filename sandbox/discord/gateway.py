"""Discord's gateway: sessions that survive their connection, compressed as the client asks.

Source: documentation, "Gateway" and "Gateway Events".
"""

from __future__ import annotations

import asyncio
import json
import zlib
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from aiohttp import WSMsgType, web

from sandbox.discord.model import Json, stamp
from sandbox.discord.state import DiscordState, MakeEvent

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID, HELLO, ACK = 0, 1, 2, 6, 7, 9, 10, 11
UNKNOWN_OPERATION, DECODE_ERROR, NOT_AUTHENTICATED, BAD_TOKEN = 4001, 4002, 4003, 4004
ALREADY_AUTHENTICATED, INVALID_SHARD, INVALID_INTENTS = 4005, 4010, 4013
GUILDS, EVERY_INTENT = 1 << 0, 0x7FFFFFF
IGNORED = {3, 4, 8, 31}  # presence, voice, members, sound board
# How long a session waits for its client, and how many events it keeps: assumptions.
RESUME_LIFE, KEPT_EVENTS = 180.0, 5000


class Connection:
    """One WebSocket; what is sent goes out in order."""

    def __init__(self, request: web.Request) -> None:
        self.request = request
        self.ws = web.WebSocketResponse(max_msg_size=2**20)
        compressed = request.query.get("compress") == "zlib-stream"
        self._deflate = zlib.compressobj() if compressed else None
        self._queue: asyncio.Queue[Json] = asyncio.Queue()

    def send(self, payload: Json) -> None:
        """Send a payload in its turn; a connection that is gone swallows it."""
        self._queue.put_nowait(payload)

    async def write(self) -> None:
        """Send what is queued until cancelled."""
        with suppress(ConnectionError):
            while True:
                payload = await self._queue.get()
                if payload["op"] == ACK:
                    # Later than discord.py notes that it sent the heartbeat.
                    await asyncio.sleep(0.02)
                text = json.dumps(payload)
                if self._deflate is None:
                    await self.ws.send_str(text)
                else:
                    data = self._deflate.compress(text.encode())
                    await self.ws.send_bytes(data + self._deflate.flush(zlib.Z_SYNC_FLUSH))

    async def close(self, code: int | None) -> None:
        """End the connection: with a close code, or abruptly without one."""
        if code is not None:
            await self.ws.close(code=code)
        elif self.request.transport:
            self.request.transport.abort()


@dataclass
class Session:
    """A shard's session with the events that a RESUME may ask for again.

    ``left``: when its connection went, in unix seconds.
    """

    id: str
    shard: tuple[int, int]
    intents: int
    connection: Connection | None
    left: float = 0.0
    sequence: int = 0
    events: deque[Json] = field(default_factory=lambda: deque[Json](maxlen=KEPT_EVENTS))

    def dispatch(self, name: str, data: Any) -> None:
        """Send an event and keep it."""
        self.sequence += 1
        event = {"op": DISPATCH, "t": name, "s": self.sequence, "d": data}
        self.events.append(event)
        if self.connection:
            self.connection.send(event)

    def missed(self, sequence: int) -> list[Json] | None:
        """Return the events after ``sequence``; ``None`` where they are no longer kept."""
        first = self.sequence - len(self.events)
        if not first <= sequence <= self.sequence:
            return None
        return list(self.events)[sequence - first :]


class DiscordGateway:
    """Every session of the bot. ``identifies`` and ``resumes`` count what was accepted;
    ``identified_at`` are the times of the former in unix seconds. While it is ``silent``, new
    connections are ``ignored``: they hear nothing."""

    def __init__(self, state: DiscordState) -> None:
        self.state = state
        self.sessions: dict[str, Session] = {}
        self.identifies = self.resumes = self.ignored = 0
        self.silent = False
        self.identified_at: list[float] = []

    @property
    def connected(self) -> list[Session]:
        """The sessions that have a connection, newest last."""
        return [session for session in self.sessions.values() if session.connection]

    def interaction(self, data: Json, guild_id: int | None) -> None:
        """Tell the guild's shard of an interaction; without a session it is lost, as at Discord."""
        self.state.events.append({"t": "INTERACTION_CREATE", "d": data})
        if found := self._session(guild_id):
            found.dispatch("INTERACTION_CREATE", data)

    def publish(self, name: str, guild_id: int | None, intent: int, make: MakeEvent) -> None:
        """Tell the guild's shard of an event if it asked for ``intent``."""
        if (found := self._session(guild_id)) and found.intents & intent:
            data = make(found.intents)
            self.state.events.append({"t": name, "d": data})
            found.dispatch(name, data)

    def _session(self, guild_id: int | None) -> Session | None:
        """Return the newest session of the shard that a guild or direct messages belong to."""
        for session in reversed(list(self.sessions.values())):
            if session.shard[0] == ((guild_id or 0) >> 22) % session.shard[1]:
                return session
        return None

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one connection until it ends."""
        connection = Connection(request)
        await connection.ws.prepare(request)
        if self.silent:
            self.ignored += 1
            self.state.signal.notify()
            await connection.ws.receive()
            return connection.ws
        connection.send({"op": HELLO, "s": None, "t": None, "d": {"heartbeat_interval": 41250}})
        writer = asyncio.create_task(connection.write())
        session: Session | None = None
        try:
            async for frame in connection.ws:
                if frame.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    continue
                found = self._receive(connection, frame.data, session)
                if isinstance(found, int):
                    await connection.ws.close(code=found)
                    break
                session = found
        finally:
            writer.cancel()
        if session and session.connection is connection:
            self._left(session)
            if connection.ws.close_code in (1000, 1001):
                self.sessions.pop(session.id, None)
        self.state.signal.notify()
        return connection.ws

    def _receive(
        self, connection: Connection, raw: str | bytes, session: Session | None
    ) -> Session | int | None:
        """Act on a frame; return the connection's session, or the code to close it with."""
        try:
            message: Json = json.loads(raw)
            operation: int = message["op"]
            data: Any = message["d"]
        except (ValueError, KeyError, TypeError):
            return DECODE_ERROR
        if operation == HEARTBEAT:
            connection.send({"op": ACK, "s": None, "t": None, "d": None})
            return session
        if operation in (IDENTIFY, RESUME):
            if session:
                return ALREADY_AUTHENTICATED
            if data["token"].removeprefix("Bot ") != self.state.token:
                return BAD_TOKEN
            begin = self._identify if operation == IDENTIFY else self._resume
            return begin(connection, data)
        if session is None:
            return NOT_AUTHENTICATED
        return session if operation in IGNORED else UNKNOWN_OPERATION

    def _identify(self, connection: Connection, data: Json) -> Session | int:
        first, count = data.get("shard") or (0, 1)
        if not 0 <= first < count:
            return INVALID_SHARD
        if not 0 <= data["intents"] <= EVERY_INTENT:
            return INVALID_INTENTS
        self.sessions = {k: s for k, s in self.sessions.items() if s.shard != (first, count)}
        key = f"{self.state.new_id():x}"
        session = Session(key, (first, count), data["intents"], connection)
        self.sessions[session.id] = session
        mine = [g for g in self.state.guild_ids if (g >> 22) % count == first]
        session.dispatch(
            "READY",
            {
                "v": 10,
                "user": self.state.bot.payload() | {"mfa_enabled": True, "verified": True},
                "application": {"id": str(self.state.application_id), "flags": 0},
                "session_id": session.id,
                "resume_gateway_url": f"ws://{connection.request.host}/gateway",
                "guilds": [{"id": str(guild), "unavailable": True} for guild in mine],
                "shard": [first, count],
                "private_channels": [],
            },
        )
        if session.intents & GUILDS:
            for guild in mine:
                session.dispatch("GUILD_CREATE", self.guild(guild))
        self.identifies += 1
        self.identified_at.append(self.state.now())
        self.state.signal.notify()
        return session

    def _resume(self, connection: Connection, data: Json) -> Session | int | None:
        session = self.sessions.get(data["session_id"])
        age = self.state.now() - session.left if session and not session.connection else 0.0
        missed = session.missed(data["seq"] or 0) if session else None
        if session is None or missed is None or age > RESUME_LIFE:
            self.sessions.pop(data["session_id"], None)
            connection.send({"op": INVALID, "s": None, "t": None, "d": False})
            return None
        for event in missed:
            connection.send(event)
        session.connection = connection
        session.dispatch("RESUMED", {})
        self.resumes += 1
        self.state.signal.notify()
        return session

    def _left(self, session: Session) -> None:
        session.connection, session.left = None, self.state.now()

    async def end(self, code: int | None) -> None:
        """Close every connection, abruptly if no code is given. Sessions can be resumed."""
        for session in self.connected:
            if connection := session.connection:
                self._left(session)
                await connection.close(code)

    def tell(self, operation: Literal[7, 9], data: bool | None = None) -> None:
        """Send a control payload (RECONNECT or INVALID) on every connection."""
        for session in self.connected:
            if operation == INVALID and not data:
                del self.sessions[session.id]
            if session.connection:
                session.connection.send({"op": operation, "s": None, "t": None, "d": data})

    def guild(self, guild_id: int) -> Json:
        """Return a server as GUILD_CREATE tells of it."""
        state = self.state
        mine = [channel for channel in state.channels.values() if channel.guild_id == guild_id]
        channels = [c.payload(state.permissions_in(c)) for c in mine]
        bot = state.bot.member()
        return {
            "id": str(guild_id),
            "name": "The loopback's server",
            "owner_id": str(state.owner.id),
            "roles": [role.payload() for role in state.roles_of(guild_id)],
            "members": [bot],
            "channels": [c for c in channels if c["type"] != 11],
            "threads": [c for c in channels if c["type"] == 11],
            "joined_at": stamp(state.now()),
            "member_count": len(state.users),
            "large": False,
            "unavailable": False,
            "preferred_locale": state.guild_locale,
            "afk_channel_id": None,
            "afk_timeout": 300,
            "premium_tier": 0,
            "premium_subscription_count": 0,
            "premium_progress_bar_enabled": False,
            "verification_level": 0,
            "default_message_notifications": 0,
            "explicit_content_filter": 0,
            "mfa_level": 0,
            "nsfw": False,
            "nsfw_level": 0,
            "system_channel_flags": 0,
            "max_members": 500000,
            "max_video_channel_users": 25,
            "max_stage_video_channel_users": 50,
            **{key: [] for key in EMPTY},
            **dict.fromkeys(NOTHING),
        }


EMPTY = (
    "emojis", "features", "stickers", "presences", "voice_states", "stage_instances",
    "guild_scheduled_events", "soundboard_sounds", "activity_instances", "embedded_activities",
)  # fmt: skip
NOTHING = (
    "icon", "splash", "discovery_splash", "banner", "description", "vanity_url_code",
    "application_id", "system_channel_id", "rules_channel_id", "public_updates_channel_id",
    "safety_alerts_channel_id", "widget_channel_id", "max_presences", "hub_type",
    "incidents_data",
)  # fmt: skip
