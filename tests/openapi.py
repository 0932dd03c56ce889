"""Holds requests, answers and events against Discord's published OpenAPI description."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import jsonschema_rs

from sandbox.discord import LoopbackDiscord, Request

DEFAULT = Path(__file__).parents[2] / "shared" / "discord-openapi.json"
# Works, and is described nowhere.
UNDESCRIBED = {"/attachments/refresh-urls"}
# What an interaction resolves, and the schema of each.
RESOLVED = {"users": "UserResponse", "members": "BasicGuildMemberResponse"}
RESOLVED |= {"messages": "MessageResponse", "attachments": "MessageAttachmentResponse"}
RESOLVED |= {"roles": "GuildRoleResponse"}
CHANNELS = ("GuildChannelResponse", "PrivateChannelResponse", "PrivateGroupChannelResponse")
CHANNELS += ("ThreadResponse",)


def description_path() -> Path:
    """Return where the description is expected."""
    return Path(os.environ.get("DISCORD_OPENAPI", DEFAULT))


class OpenApi:
    """Discord's description, ready to judge what a bot sends and what it is sent."""

    def __init__(self, path: Path) -> None:
        document: dict[str, Any] = json.loads(path.read_text())
        schemas = document["components"]["schemas"]
        # Discord takes ids as integers too, which its description doesn't say.
        schemas["SnowflakeType"] = {"anyOf": [schemas["SnowflakeType"], {"type": "integer"}]}
        # Its documentation has forwards ("Message Reference Types").
        schemas["MessageReferenceType"]["oneOf"].append({"title": "FORWARD", "const": 1})
        # Its documentation shows a field's error with a code of letters, and a 429 without a code.
        schemas["Error"]["properties"]["code"] = {"type": ["integer", "string"]}
        schemas["RatelimitedResponse"] = schemas["RatelimitedResponse"]["allOf"][1]
        self._components = document["components"]
        self._operations: list[tuple[re.Pattern[str], str, dict[str, Any]]] = []
        for template, methods in document["paths"].items():
            pattern = re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(template))
            for method, operation in methods.items():
                if method != "parameters":
                    self._operations.append((re.compile(pattern), method.upper(), operation))
        # The most literal path wins: `@original` before `{message_id}`.
        self._operations.sort(key=lambda entry: entry[0].pattern.count("[^/]+"))
        self._validators: dict[str, Any] = {}

    def check(self, request: Request) -> list[str]:
        """Return what is wrong with a request; nothing if Discord describes it so."""
        if request.path in UNDESCRIBED:
            return []
        if (operation := self._operation(request)) is None:
            return [f"{request.method} {request.path}: no such operation"]
        return self._check_body(request, operation)

    def check_response(self, request: Request) -> list[str]:
        """Return what is wrong with the answer to a request."""
        operation = self._operation(request)
        if not request.status or operation is None:
            return []
        responses = operation["responses"]
        where = f"{request.method} {request.path}: {request.status}"
        status = str(request.status)
        if status.startswith("5"):
            return []
        described = responses.get(status) or responses.get(f"{status[0]}XX")
        if described is None:
            return [f"{where} is not described"]
        if "$ref" in described:
            described = self._components["responses"][described["$ref"].rpartition("/")[2]]
        content = described.get("content", {}).get("application/json")
        if content is None or not request.answer:
            return [] if bool(content) == bool(request.answer) else [f"{where}: wrong body"]
        key = f"answer {request.method} {id(operation)} {status}"
        return self._validate(key, content["schema"], json.loads(request.answer), where)

    def check_event(self, event: dict[str, Any]) -> list[str]:
        """Return what is wrong with the described objects in a gateway event."""
        name, data = event["t"], event["d"]
        if name in ("MESSAGE_CREATE", "MESSAGE_UPDATE"):
            return self._check_object("MessageResponse", data, name)
        if name != "INTERACTION_CREATE":
            return []
        errors = self._check_channel(data["channel"], f"{name} channel")
        parts = [("UserResponse", data.get("user")), ("MessageResponse", data.get("message"))]
        parts.append(("GuildMemberResponse", data.get("member")))
        resolved = data["data"].get("resolved", {})
        for key, schema in RESOLVED.items():
            parts += [(schema, one) for one in resolved.get(key, {}).values()]
        for one in resolved.get("channels", {}).values():
            errors += self._check_channel(one, f"{name} resolved channel")
        for schema, value in parts:
            if value is not None:
                errors += self._check_object(schema, value, f"{name} {schema}")
        return errors

    def check_object(self, name: str, value: Any) -> list[str]:
        """Return what is wrong with an object that a schema describes."""
        return self._check_object(name, value, name)

    def check_all(self, discord: LoopbackDiscord) -> list[str]:
        """Return what is wrong with everything that a bot and a loopback said to each other."""
        # What was still being sent when a bot was killed has neither body nor answer.
        whole = [r for r in discord.requests if r.status or r.json is not None]
        errors = [error for request in whole for error in self.check(request)]
        errors += [error for request in whole for error in self.check_response(request)]
        return errors + [error for event in discord.events for error in self.check_event(event)]

    def _operation(self, request: Request) -> dict[str, Any] | None:
        for pattern, method, operation in self._operations:
            if method == request.method and pattern.fullmatch(request.path):
                return operation
        return None

    def _check_body(self, request: Request, operation: dict[str, Any]) -> list[str]:
        content = operation.get("requestBody", {}).get("content", {})
        where = f"{request.method} {request.path}"
        if request.json is None:
            required = operation.get("requestBody", {}).get("required", False)
            return [f"{where}: no body"] if required else []
        if "application/json" not in content:
            return [f"{where}: a body where none is described"]
        key = f"request {request.method} {id(operation)}"
        return self._validate(key, content["application/json"]["schema"], request.json, where)

    def _check_object(self, name: str, value: Any, where: str) -> list[str]:
        return self._validate(f"schema {name}", self._components["schemas"][name], value, where)

    def _check_channel(self, value: Any, where: str) -> list[str]:
        schemas = [self._components["schemas"][name] for name in CHANNELS]
        return self._validate("channel", {"anyOf": schemas}, value, where)

    def _validate(self, key: str, schema: dict[str, Any], value: Any, where: str) -> list[str]:
        if key not in self._validators:
            whole = schema | {"components": self._components}
            self._validators[key] = jsonschema_rs.Draft202012Validator(whole)
        errors = self._validators[key].iter_errors(value)
        return [f"{where}: {list(error.instance_path)} {error.message[:700]}" for error in errors]
