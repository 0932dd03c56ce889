"""Modals: Discord's limits on them, and what comes of one that a member submits.

Source: documentation, "Component Reference".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from sandbox.discord.components import (
    CHECKBOX,
    CHECKBOXES,
    FILE_UPLOAD,
    INPUT,
    LABEL,
    RADIO,
    ROW,
    SELECT,
    SELECTS,
    TEXT,
    walk,
)
from sandbox.discord.http import invalid
from sandbox.discord.model import Json, Upload
from sandbox.discord.rules import check_ids, check_length, check_select

IN_LABEL = {INPUT, *SELECTS, FILE_UPLOAD, RADIO, CHECKBOXES, CHECKBOX}
# Takes what a member gave for a component and returns the ids by which the app knows it.
Resolve = Callable[[Any], list[str]]


def check_modal(data: Json) -> None:
    """Check a modal that answers an interaction."""
    check_length("title", data.get("title", ""), 1, 45)
    check_length("custom_id", data.get("custom_id", ""), 1, 100)
    components: list[Json] = data.get("components", [])
    check_length("components", components, 1, 5)
    for number, component in enumerate(components):
        where = f"components.{number}"
        if component.get("type") == LABEL:
            check_length(f"{where}.label", component.get("label", ""), 1, 45)
            check_length(f"{where}.description", component.get("description") or "", 0, 100)
            _field(f"{where}.component", component.get("component", {}), IN_LABEL)
        elif component.get("type") == ROW:
            check_length(f"{where}.components", component.get("components", []), 1, 1)
            field = component["components"][0]
            check_length(f"{where}.components.0.label", field.get("label") or "", 1, 45)
            _field(f"{where}.components.0", field, {INPUT})
        elif component.get("type") == TEXT:
            check_length(f"{where}.content", component.get("content", ""), 1, 4000)
        else:
            raise invalid(where, "UNION_TYPE_CHOICES", f"Type must be one of {[ROW, TEXT, LABEL]}.")
    found = list(walk(components))
    ids = [c["custom_id"] for c in found if "custom_id" in c]
    if len(ids) != len(set(ids)):
        code = "COMPONENT_CUSTOM_ID_DUPLICATED"
        raise invalid("components", code, "Component custom id cannot be duplicated")
    check_ids([c["id"] for c in found if c.get("id")])


def _field(where: str, field: Json, allowed: set[int]) -> None:
    kind: int = field.get("type", 0)
    if kind not in allowed:
        raise invalid(where, "UNION_TYPE_CHOICES", f"Type must be one of {sorted(allowed)}.")
    check_length(f"{where}.custom_id", field.get("custom_id", ""), 1, 100)
    if field.get("disabled"):
        raise invalid(f"{where}.disabled", "COMPONENT_DISABLED", "Not available in modals")
    options: list[Json] = field.get("options", [])
    if kind == INPUT:
        check_length(f"{where}.placeholder", field.get("placeholder") or "", 0, 100)
        check_length(f"{where}.value", field.get("value") or "", 0, 4000)
        least, most = field.get("min_length") or 0, field.get("max_length") or 4000
        if field.get("style") not in {1, 2} or not 0 <= least <= most <= 4000:
            raise invalid(where, "BASE_TYPE_CHOICES", "style, min_length or max_length is wrong")
    elif kind in SELECTS:
        check_select(where, field)
    elif kind in {RADIO, CHECKBOXES}:
        check_length(f"{where}.options", options, 2 if kind == RADIO else 1, 10)
    least = _or(field.get("min_values"), 1)
    if field.get("required", True) and least < 1 and kind != CHECKBOX:
        raise invalid(f"{where}.min_values", "BASE_TYPE_MIN", "Must be 1 where it is required")


def _or(number: int | None, default: int) -> int:
    return default if number is None else number


def fill(modal: Json, given: dict[str, Any], resolve: Resolve) -> list[Json]:
    """Return the components of a submitted modal.

    ``given`` holds a member's values by custom_id: text, a list of values, uploads or a bool.
    ``ValueError`` names what Discord's client would not let through.
    """
    fields = [c for c in walk(modal["components"]) if "custom_id" in c]
    if unknown := set(given) - {field["custom_id"] for field in fields}:
        raise ValueError(f"no such fields: {sorted(unknown)}")
    return [_filled(component, given, resolve) for component in modal["components"]]


def _filled(component: Json, given: dict[str, Any], resolve: Resolve) -> Json:
    found: Json = {"type": component["type"], "id": component["id"]}
    if component["type"] == LABEL:
        return found | {"component": _filled(component["component"], given, resolve)}
    if component["type"] == ROW:
        inner: list[Json] = component["components"]
        return found | {"components": [_filled(child, given, resolve) for child in inner]}
    if component["type"] == TEXT:
        return found
    found["custom_id"] = name = component["custom_id"]
    required: bool = component.get("required", True)
    value: Any = given.get(name)
    kind = component["type"]
    if kind == INPUT:
        text: str = component.get("value") or "" if value is None else value
        least, most = component.get("min_length") or 0, component.get("max_length") or 4000
        if (required or text) and not max(least, required) <= len(text) <= most:
            raise ValueError(f"{name} takes {least} to {most} characters")
        return found | {"value": text}
    if kind == CHECKBOX:
        return found | {"value": component.get("default", False) if value is None else value}
    defaults = [o["value"] for o in component.get("options", []) if o.get("default")]
    value = defaults if value is None else value
    chosen: list[Any] = list(cast("list[Any]", value)) if isinstance(value, list) else [value]
    if required and not chosen:
        raise ValueError(f"{name} is required")
    if kind == RADIO:
        return found | {"value": chosen[0] if chosen else None}
    all_of_them = len(component.get("options", [])) if kind == CHECKBOXES else 1
    least, most = _or(component.get("min_values"), 1), component.get("max_values") or all_of_them
    if len(chosen) > most or (chosen and len(chosen) < least):
        raise ValueError(f"{name} takes {least} to {most} values")
    values = [str(one) for one in chosen] if kind in {SELECT, CHECKBOXES} else []
    for one in chosen if kind not in {SELECT, CHECKBOXES} else []:
        if kind == FILE_UPLOAD and not isinstance(one, Upload):
            raise ValueError(f"{name} takes files")
        values += resolve(one)
    return found | {"values": values}
