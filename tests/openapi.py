"""Holds requests against Discord's published OpenAPI description of its REST API."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import jsonschema_rs

from sandbox.discord_model import Request

DEFAULT = Path(__file__).parents[2] / "shared" / "discord-openapi.json"


def description_path() -> Path:
    """Return where the description is expected."""
    return Path(os.environ.get("DISCORD_OPENAPI", DEFAULT))


class OpenApi:
    """Discord's description, ready to judge requests."""

    def __init__(self, path: Path) -> None:
        document: dict[str, Any] = json.loads(path.read_text())
        schemas = document["components"]["schemas"]
        # Discord takes ids as integers too, which its description doesn't say.
        schemas["SnowflakeType"] = {"anyOf": [schemas["SnowflakeType"], {"type": "integer"}]}
        self._components = document["components"]
        self._operations: list[tuple[re.Pattern[str], str, dict[str, Any]]] = []
        for template, methods in document["paths"].items():
            pattern = re.sub(r"\\{[^}]*\\}", "[^/]+", re.escape(template))
            for method, operation in methods.items():
                if method != "parameters":
                    self._operations.append((re.compile(pattern), method.upper(), operation))
        # The most literal path wins: `@original` before `{message_id}`.
        self._operations.sort(key=lambda entry: entry[0].pattern.count("[^/]+"))
        self._validators: dict[int, Any] = {}

    def check(self, request: Request) -> list[str]:
        """Return what is wrong with a request; nothing if Discord describes it so."""
        for pattern, method, operation in self._operations:
            if method == request.method and pattern.fullmatch(request.path):
                return self._check_body(request, operation)
        return [f"{request.method} {request.path}: no such operation"]

    def _check_body(self, request: Request, operation: dict[str, Any]) -> list[str]:
        content = operation.get("requestBody", {}).get("content", {})
        if request.json is None:
            required = operation.get("requestBody", {}).get("required", False)
            return [f"{request.method} {request.path}: no body"] if required else []
        if "application/json" not in content:
            return [f"{request.method} {request.path}: a body where none is described"]
        key = id(operation)
        if key not in self._validators:
            schema = content["application/json"]["schema"] | {"components": self._components}
            self._validators[key] = jsonschema_rs.Draft202012Validator(schema)
        errors = self._validators[key].iter_errors(request.json)
        return [f"{request.method} {request.path}: {error.message[:500]}" for error in errors]
