"""Discord's own limits on messages and commands. Each breach raises ``ApiError``."""

from __future__ import annotations

import re
from typing import Any, cast

from sandbox.discord_model import COMPONENTS_V2, ApiError, Json, invalid, safe_name, walk

ROW, BUTTON, SECTION, TEXT, THUMBNAIL, GALLERY, FILE, SEPARATOR, CONTAINER = (
    1, 2, 9, 10, 11, 12, 13, 14, 17,
)  # fmt: skip
SELECTS = {3, 5, 6, 7, 8}
IN_CONTAINER = {ROW, SECTION, TEXT, GALLERY, FILE, SEPARATOR}


def check_message(
    content: str, embeds: list[Json], components: list[Json], flags: int, names: set[str]
) -> None:
    """Check a whole message; ``names`` are its attachments' file names."""
    v2 = bool(flags & COMPONENTS_V2)
    if v2 and (content or embeds):
        code = "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2"
        field = "content" if content else "embeds"
        raise invalid(field, code, "The 'content' and 'embeds' fields cannot be used here")
    if not components and (v2 or not (content or embeds or names)):
        raise ApiError(400, 50006, "Cannot send an empty message")
    _length("content", content, 0, 2000)
    _length("embeds", embeds, 0, 10)
    for number, embed in enumerate(embeds):
        _length(f"embeds.{number}.description", embed.get("description") or "", 0, 4096)
    if not v2:
        _length("components", components, 0, 5)
    for number, component in enumerate(components):
        _component(f"components.{number}", component, IN_CONTAINER | {CONTAINER} if v2 else {ROW})
    everything = list(walk(components))
    _length("components", everything, 0, 40)
    _length("components", "".join(c["content"] for c in everything if c["type"] == TEXT), 0, 4000)
    ids = [c["custom_id"] for c in everything if "custom_id" in c]
    if len(ids) != len(set(ids)):
        code = "COMPONENT_CUSTOM_ID_DUPLICATED"
        raise invalid("components", code, "Component custom id cannot be duplicated")
    for url in re.findall(r"attachment://([^'\"]+)", repr(components)):
        if safe_name(url) not in names:
            raise invalid("components", "UNKNOWN_ATTACHMENT", f"No attachment is named {url}")


def _length(where: str, value: Any, least: int, most: int) -> None:
    if not least <= len(value) <= most:
        raise invalid(
            where, "BASE_TYPE_BAD_LENGTH", f"Must be between {least} and {most} in length."
        )


def _component(where: str, component: Json, allowed: set[int]) -> None:
    kind: int = component.get("type", 0)
    if kind not in allowed:
        raise invalid(where, "UNION_TYPE_CHOICES", f"Type must be one of {sorted(allowed)}.")
    children: list[Json] = component.get("components", [])
    inside: set[int] = set()
    if kind == ROW:
        inside = {BUTTON} if children and children[0].get("type") == BUTTON else SELECTS
        _length(f"{where}.components", children, 1, 5 if inside == {BUTTON} else 1)
    elif kind == SECTION:
        inside = {TEXT}
        _length(f"{where}.components", children, 1, 3)
        _component(f"{where}.accessory", component.get("accessory", {}), {BUTTON, THUMBNAIL})
    elif kind == CONTAINER:
        inside = IN_CONTAINER
        _length(f"{where}.components", children, 1, 40)
    elif kind == TEXT:
        _length(f"{where}.content", component.get("content", ""), 1, 4000)
    elif kind == GALLERY:
        _length(f"{where}.items", component.get("items", []), 1, 10)
        for number, item in enumerate(component["items"]):
            _media(f"{where}.items.{number}", item, "media")
    elif kind in {THUMBNAIL, FILE}:
        _media(where, component, "media" if kind == THUMBNAIL else "file")
    elif kind == BUTTON:
        _button(where, component)
    elif kind in SELECTS:
        _length(f"{where}.custom_id", component.get("custom_id", ""), 1, 100)
        if kind == 3:
            _length(f"{where}.options", component.get("options", []), 1, 25)
    for number, child in enumerate(children):
        _component(f"{where}.components.{number}", child, inside)


def _media(where: str, item: Json, key: str) -> None:
    url: str = item.get(key, {}).get("url", "")
    if not url.startswith(("attachment://", "https://", "http://")):
        raise invalid(f"{where}.{key}.url", "URL_TYPE_INVALID_SCHEME", "Not a well formed URL.")
    if key == "file" and not url.startswith("attachment://"):
        raise invalid(f"{where}.file.url", "URL_TYPE_INVALID_SCHEME", "Must be an attachment.")
    _length(f"{where}.description", item.get("description") or "", 0, 1024)


def _button(where: str, button: Json) -> None:
    label: str = button.get("label") or ""
    _length(f"{where}.label", label, 0, 80)
    if not label and not button.get("emoji"):
        raise invalid(where, "BUTTON_COMPONENT_INVALID", "A button needs a label or an emoji")
    style = button.get("style")
    if style not in {1, 2, 3, 4, 5, 6}:
        raise invalid(f"{where}.style", "BASE_TYPE_CHOICES", "Must be one of 1 to 6.")
    if style == 5:
        _length(f"{where}.url", button.get("url", ""), 1, 512)
    elif style != 6:
        _length(f"{where}.custom_id", button.get("custom_id") or "", 1, 100)
    if ("url" in button) != (style == 5) or (style in {5, 6} and "custom_id" in button):
        raise invalid(where, "BUTTON_COMPONENT_INVALID", "A link has a url, others a custom_id")


def pings_of(text: str, allowed: Json | None, replied: int | None) -> list[str]:
    """Return who a new message notifies: "everyone", "role:<id>", or user ids.

    ``allowed`` is the message's ``allowed_mentions``; without one everything in the text pings.
    """
    everything: Json = {"parse": ["everyone", "roles", "users"], "replied_user": True}
    rule = everything if allowed is None else allowed
    parse: list[str] = rule.get("parse", [])
    for kind in ("users", "roles"):
        _length(f"allowed_mentions.{kind}", rule.get(kind) or [], 0, 100)
        if kind in parse and rule.get(kind):
            code = "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE"
            raise invalid("allowed_mentions", code, f"parse and {kind} exclude each other")
    found = ["everyone"] if "everyone" in parse and re.search("@everyone|@here", text) else []
    for sign, kind, prefix in (("&", "roles", "role:"), ("!?", "users", "")):
        named = [str(one) for one in cast("list[Any]", rule.get(kind) or [])]
        mentioned = re.findall(rf"<@{sign}(\d+)>", text)
        found += [prefix + one for one in mentioned if kind in parse or one in named]
    if replied and rule.get("replied_user"):
        found.append(str(replied))
    return list(dict.fromkeys(found))


def check_commands(commands: list[Json]) -> None:
    """Check what is registered as the application's commands."""
    _length("commands", commands, 0, 100)
    for number, command in enumerate(commands):
        if command.get("type", 1) == 1:
            _command(str(number), command)
        else:
            _length(f"{number}.name", command["name"], 1, 32)
    names = [(c["name"], c.get("type", 1)) for c in commands]
    if len(names) != len(set(names)):
        raise ApiError(400, 50035, "Application command names must be unique")


def _command(where: str, command: Json) -> None:
    name: str = command["name"]
    if not re.fullmatch(r"[-_'\w]{1,32}", name) or name != name.lower():
        raise invalid(f"{where}.name", "APPLICATION_COMMAND_INVALID_NAME", "Invalid name")
    _length(f"{where}.description", command.get("description", ""), 1, 100)
    options: list[Json] = command.get("options", [])
    _length(f"{where}.options", options, 0, 25)
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
