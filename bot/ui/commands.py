"""Whether the commands that Discord has are the bot's own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

_FIELDS = (
    "type",
    "name",
    "name_localizations",
    "description",
    "description_localizations",
    "options",
    "choices",
    "value",
    "required",
    "autocomplete",
    "channel_types",
    "min_value",
    "max_value",
    "min_length",
    "max_length",
    "default_member_permissions",
    "nsfw",
    "contexts",
    "integration_types",
)
"""What an application says of its commands and their options (Discord's application commands
reference). Discord adds ids, versions and fields of its own, which nobody can compare."""

_UNORDERED = {"contexts", "integration_types", "channel_types"}


def same_commands(
    ours: Iterable[Mapping[str, Any]], registered: Iterable[Mapping[str, Any]]
) -> bool:
    """Tell whether two lists of commands, as they are sent to Discord and as it returns them,
    say the same. Discord leaves out some of what is empty, and doesn't keep the order."""
    return _by_name(ours) == _by_name(registered)


def _by_name(commands: Iterable[Mapping[str, Any]]) -> dict[tuple[int, str], dict[str, Any]]:
    return {(command.get("type", 1), command["name"]): _essence(command) for command in commands}


def _essence(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a command, an option or a choice that say something."""
    found = {field: _value(field, item.get(field)) for field in _FIELDS}
    return {field: value for field, value in found.items() if not _is_empty(value)}


def _value(field: str, value: Any) -> Any:
    if field in {"options", "choices"}:
        return [_essence(one) for one in cast("list[Mapping[str, Any]]", value or [])]
    if field == "default_member_permissions" and value is not None:
        return str(value)
    return sorted(value or []) if field in _UNORDERED else value


def _is_empty(value: Any) -> bool:
    return value is None or value is False or value in ("", [], {})
