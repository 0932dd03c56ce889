"""Discord's limits on what an application registers, and on what members type into it.

Source: documentation, "Application Commands".
"""

from __future__ import annotations

import re
from typing import Any

from sandbox.discord.http import ApiError, invalid
from sandbox.discord.model import Json
from sandbox.discord.rules import check_length

CHAT, USER, MESSAGE = 1, 2, 3
COUNTS = {CHAT: 100, USER: 15, MESSAGE: 15}
CHARACTERS = 8000  # over names, descriptions and values of a command, its options and choices


def check_commands(commands: list[Json]) -> None:
    """Check what is registered as the application's commands."""
    kinds = [command.get("type", CHAT) for command in commands]
    if any(kinds.count(kind) > count for kind, count in COUNTS.items()):
        raise ApiError(400, 30032, "Maximum number of application commands reached (100)")
    for number, command in enumerate(commands):
        if command.get("type", CHAT) == CHAT:
            _command(str(number), command)
            if _characters(command) > CHARACTERS:
                code = "APPLICATION_COMMAND_TOO_LARGE"
                raise invalid(str(number), code, "Command exceeds maximum size (8000)")
        else:
            check_length(f"{number}.name", command["name"], 1, 32)
            if command.get("description") or command.get("options"):
                code = "APPLICATION_COMMAND_INVALID_DESCRIPTION"
                raise invalid(str(number), code, "Menus have neither description nor options")
    names = [(c["name"], c.get("type", CHAT)) for c in commands]
    if len(names) != len(set(names)):
        raise ApiError(400, 50035, "Application command names must be unique")


def _characters(item: Json) -> int:
    """Count an item's characters, of each translated field the longest."""
    count = 0
    for field in ("name", "description"):
        translated: dict[str, str] = item.get(f"{field}_localizations") or {}
        texts: list[str] = [item.get(field) or "", *translated.values()]
        count += max(len(text) for text in texts)
    count += len(item["value"]) if isinstance(item.get("value"), str) else 0
    inner: list[Json] = [*(item.get("options") or []), *(item.get("choices") or [])]
    return count + sum(_characters(one) for one in inner)


def _command(where: str, command: Json) -> None:
    name: str = command["name"]
    if not re.fullmatch(r"[-_'\w]{1,32}", name) or name != name.lower():
        raise invalid(f"{where}.name", "APPLICATION_COMMAND_INVALID_NAME", "Invalid name")
    check_length(f"{where}.description", command.get("description", ""), 1, 100)
    options: list[Json] = command.get("options", [])
    check_length(f"{where}.options", options, 0, 25)
    required = [option.get("required", False) for option in options]
    if required != sorted(required, reverse=True):
        code = "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID"
        raise invalid(f"{where}.options", code, "Required options must come first")
    for number, option in enumerate(options):
        _command(f"{where}.options.{number}", option)


def check_options(declared: list[Json], given: dict[str, Any]) -> None:
    """Check what a member typed as Discord's client does; ``ValueError`` names the option."""
    if unknown := set(given) - {option["name"] for option in declared}:
        raise ValueError(f"no such options: {sorted(unknown)}")
    for option in declared:
        name = option["name"]
        if name not in given:
            if option.get("required"):
                raise ValueError(f"{name} is required")
            continue
        size = len(given[name]) if isinstance(given[name], str) else given[name]
        for key, wrong in (("min", int.__lt__), ("max", int.__gt__)):
            limit = option.get(f"{key}_length", option.get(f"{key}_value"))
            if limit is not None and wrong(int(size), int(limit)):
                raise ValueError(f"{name} breaks {key} {limit}")
        choices = [choice["value"] for choice in option.get("choices", [])]
        if choices and given[name] not in choices:
            raise ValueError(f"{name} must be one of {choices}")
