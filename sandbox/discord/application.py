"""Routes about the application itself: who it is, its gateway and its commands."""

from __future__ import annotations

from aiohttp import web

from sandbox.discord.commands import check_commands
from sandbox.discord.http import ApiError, invalid
from sandbox.discord.model import Json
from sandbox.discord.routes import Routes, path_id
from sandbox.discord.state import DiscordState

REFRESHED = 50  # links of one request


class ApplicationRoutes:
    """Handlers that need nothing but the state."""

    def __init__(self, state: DiscordState) -> None:
        self.state = state

    def routes(self) -> Routes:
        """Return the handlers by method and path."""
        return {
            "GET /users/@me": self.me,
            "GET /users/@me/guilds": self.guilds,
            "GET /users/{user}": self.get_user,
            "POST /users/@me/channels": self.open_direct,
            "GET /oauth2/applications/@me": self.application,
            "GET /applications/@me": self.application,
            "GET /gateway/bot": self.gateway,
            "GET /applications/{app}/commands": self.get_commands,
            "PUT /applications/{app}/commands": self.put_commands,
            "POST /attachments/refresh-urls": self.refresh,
        }

    def me(self, *_: object) -> Json:
        private = {"mfa_enabled": True, "locale": "en-US", "verified": True, "email": None}
        return self.state.bot.payload() | private

    def application(self, *_: object) -> Json:
        state = self.state
        return {
            "id": str(state.application_id),
            "name": state.bot.name,
            "description": "",
            "icon": None,
            "type": None,
            "flags": 0,
            "flags_new": "0",
            "bot": state.bot.payload(),
            "bot_public": True,
            "bot_require_code_grant": False,
            "verify_key": state.public_key,
            "owner": state.owner.payload(),
            "team": state.team,
            "redirect_uris": [],
            "interactions_endpoint_url": state.interactions_endpoint_url,
            "role_connections_verification_url": None,
            "integration_types_config": {"0": {}, "1": {}},
            "approximate_guild_count": len(state.guild_ids),
            "approximate_user_install_count": len(state.user_installs),
            "approximate_user_authorization_count": 0,
            "explicit_content_filter": 0,
            "eligible_oauth2_scopes": [],
        }

    def gateway(self, request: web.Request, *_: object) -> Json:
        limit = {"total": 1000, "remaining": 999, "reset_after": 0}
        limit["max_concurrency"] = self.state.max_concurrency
        address = f"ws://{request.host}/gateway"
        return {"url": address, "shards": self.state.shards, "session_start_limit": limit}

    def get_user(self, request: web.Request, *_: object) -> Json:
        if (user := self.state.users.get(path_id(request, "user"))) is None:
            raise ApiError(404, 10013, "Unknown User")
        return user.payload()

    def open_direct(self, _: object, data: Json, __: object) -> Json:
        if int(data["recipient_id"]) not in self.state.users:
            raise ApiError(400, 50033, "Invalid Recipient(s)")
        return self.state.channel_payload(self.state.direct_channel(int(data["recipient_id"])))

    def guilds(self, request: web.Request, *_: object) -> list[Json]:
        """Return the bot's servers by id, 200 at most."""
        after, limit = int(request.query.get("after", 0)), int(request.query.get("limit", 200))
        found = [guild for guild in sorted(self.state.guild_ids) if guild > after][:limit]
        common: Json = {"name": "The loopback's server", "icon": None, "banner": None}
        common |= {"owner": False, "permissions": str(self.state.app_permissions), "features": []}
        return [{"id": str(guild), **common} for guild in found]

    def get_commands(self, *_: object) -> list[Json]:
        return self.state.commands

    def put_commands(self, _: object, commands: list[Json], __: object) -> list[Json]:
        check_commands(commands)
        known = {(c["name"], c["type"]): c["id"] for c in self.state.commands}
        application = str(self.state.application_id)
        self.state.commands = []
        for command in commands:
            made: Json = {"type": 1, "description": "", "nsfw": False, "options": []}
            made |= {"default_member_permissions": None, "dm_permission": True, "contexts": None}
            # What an application itself is set to, which for new ones is both.
            made |= {"integration_types": [0, 1], "application_id": application}
            made |= {key: value for key, value in command.items() if value is not None}
            if (needed := made["default_member_permissions"]) is not None:
                made["default_member_permissions"] = str(needed)
            made["version"] = str(self.state.new_id())
            made["id"] = known.get((made["name"], made["type"])) or str(self.state.new_id())
            self.state.commands.append(made)
        self.state.command_puts += 1
        return self.state.commands

    def refresh(self, _: object, data: Json, __: object) -> Json:
        """Sign up to 50 links anew. Undocumented: whether the files still exist is not told."""
        urls: list[str] = data.get("attachment_urls", [])
        if not 1 <= len(urls) <= REFRESHED:
            raise invalid("attachment_urls", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 50.")
        fresh = [(url, self.state.sign_anew(url)) for url in urls]
        return {"refreshed_urls": [{"original": url, "refreshed": new} for url, new in fresh]}
