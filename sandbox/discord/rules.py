"""Discord's own limits on messages. Each breach raises ``ApiError``.

Sources: documentation, "Component Reference", "Create Message" and "Allowed Mentions Object".
"""

from __future__ import annotations

import re
from typing import Any, cast

from sandbox.discord.components import (
    BUTTON,
    CONTAINER,
    FILE,
    GALLERY,
    ROW,
    SECTION,
    SELECT,
    SELECTS,
    SEPARATOR,
    TEXT,
    THUMBNAIL,
)
from sandbox.discord.http import ApiError, invalid
from sandbox.discord.model import COMPONENTS_V2, Json, walk

IN_CONTAINER = {ROW, SECTION, TEXT, GALLERY, FILE, SEPARATOR}


def check_message(
    content: str,
    embeds: list[Json],
    components: list[Json],
    flags: int,
    names: set[str],
    shown: set[str],
) -> None:
    """Check a whole message.

    ``names`` are the files that it may refer to, ``shown`` those that it does.
    """
    v2 = bool(flags & COMPONENTS_V2)
    if v2 and (content or embeds):
        code = "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2"
        field = "content" if content else "embeds"
        raise invalid(field, code, "The 'content' and 'embeds' fields cannot be used here")
    if not components and (v2 or not (content or embeds or names)):
        raise ApiError(400, 50006, "Cannot send an empty message")
    check_length("content", content, 0, 2000)
    check_length("embeds", embeds, 0, 10)
    for number, embed in enumerate(embeds):
        check_length(f"embeds.{number}.description", embed.get("description") or "", 0, 4096)
    if not v2:
        check_length("components", components, 0, 5)
    for number, component in enumerate(components):
        _component(f"components.{number}", component, IN_CONTAINER | {CONTAINER} if v2 else {ROW})
    everything = list(walk(components))
    check_length("components", everything, 0, 40)
    check_length(
        "components", "".join(c["content"] for c in everything if c["type"] == TEXT), 0, 4000
    )
    ids = [c["custom_id"] for c in everything if "custom_id" in c]
    if len(ids) != len(set(ids)):
        code = "COMPONENT_CUSTOM_ID_DUPLICATED"
        raise invalid("components", code, "Component custom id cannot be duplicated")
    check_ids([c["id"] for c in everything if c.get("id")])
    if missing := sorted(shown - names):
        code = "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND"
        raise invalid("components", code, f"The referenced attachment {missing[0]} was not found")


def check_ids(ids: list[int]) -> None:
    """Check that components' ids are unique in their message or modal."""
    if len(ids) != len(set(ids)):
        raise invalid("components", "COMPONENT_ID_DUPLICATED", "Component id is duplicated")


def check_length(where: str, value: Any, least: int, most: int) -> None:
    """Check that text or a list has ``least`` to ``most`` characters or items."""
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
        check_length(f"{where}.components", children, 1, 5 if inside == {BUTTON} else 1)
    elif kind == SECTION:
        inside = {TEXT}
        check_length(f"{where}.components", children, 1, 3)
        _component(f"{where}.accessory", component.get("accessory", {}), {BUTTON, THUMBNAIL})
    elif kind == CONTAINER:
        inside = IN_CONTAINER
        check_length(f"{where}.components", children, 1, 40)
    elif kind == TEXT:
        check_length(f"{where}.content", component.get("content", ""), 1, 4000)
    elif kind == GALLERY:
        check_length(f"{where}.items", component.get("items", []), 1, 10)
        for number, item in enumerate(component["items"]):
            _media(f"{where}.items.{number}", item, "media")
    elif kind in {THUMBNAIL, FILE}:
        _media(where, component, "media" if kind == THUMBNAIL else "file")
    elif kind == BUTTON:
        _button(where, component)
    elif kind in SELECTS:
        check_length(f"{where}.custom_id", component.get("custom_id", ""), 1, 100)
        check_select(where, component)
    for number, child in enumerate(children):
        _component(f"{where}.components.{number}", child, inside)


def _media(where: str, item: Json, key: str) -> None:
    url: str = item.get(key, {}).get("url", "")
    if not url.startswith(("attachment://", "https://", "http://")):
        raise invalid(f"{where}.{key}.url", "URL_TYPE_INVALID_SCHEME", "Not a well formed URL.")
    if key == "file" and not url.startswith("attachment://"):
        raise invalid(f"{where}.file.url", "URL_TYPE_INVALID_SCHEME", "Must be an attachment.")
    if (description := item.get("description")) is not None:
        check_length(f"{where}.description", description, 1, 1024)


def check_select(where: str, select: Json) -> None:
    """Check a select menu of a message or a modal."""
    check_length(f"{where}.placeholder", select.get("placeholder") or "", 0, 150)
    least, most = select.get("min_values", 1), select.get("max_values", 1)
    if not 0 <= least <= 25 or not 1 <= most <= 25 or least > most:
        raise invalid(f"{where}.min_values", "BASE_TYPE_CHOICES", "Must be between 0 and 25.")
    if select["type"] == SELECT:
        options: list[Json] = select.get("options", [])
        check_length(f"{where}.options", options, 1, 25)
        for number, option in enumerate(options):
            for key in ("label", "value"):
                check_length(f"{where}.options.{number}.{key}", option.get(key, ""), 1, 100)


def _button(where: str, button: Json) -> None:
    label: str = button.get("label") or ""
    check_length(f"{where}.label", label, 0, 80)
    if not label and not button.get("emoji"):
        raise invalid(where, "BUTTON_COMPONENT_INVALID", "A button needs a label or an emoji")
    style = button.get("style")
    if style not in {1, 2, 3, 4, 5, 6}:
        raise invalid(f"{where}.style", "BASE_TYPE_CHOICES", "Must be one of 1 to 6.")
    if style == 5:
        check_length(f"{where}.url", button.get("url", ""), 1, 512)
    elif style != 6:
        check_length(f"{where}.custom_id", button.get("custom_id") or "", 1, 100)
    if ("url" in button) != (style == 5) or (style in {5, 6} and "custom_id" in button):
        raise invalid(where, "BUTTON_COMPONENT_INVALID", "A link has a url, others a custom_id")


def check_mentions(rule: Json) -> None:
    """Check ``allowed_mentions``."""
    for kind in ("users", "roles"):
        check_length(f"allowed_mentions.{kind}", rule.get(kind) or [], 0, 100)
        if kind in rule.get("parse", []) and rule.get(kind):
            code = "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE"
            raise invalid("allowed_mentions", code, f"parse and {kind} exclude each other")


def mentions_of(text: str, rule: Json, replied: int | None) -> list[str]:
    """Return whom a text mentions under ``allowed_mentions``: "everyone", "role:<id>", user ids."""
    parse: list[str] = rule.get("parse", [])
    found = ["everyone"] if "everyone" in parse and re.search("@everyone|@here", text) else []
    for sign, kind, prefix in (("&", "roles", "role:"), ("!?", "users", "")):
        named = [str(one) for one in cast("list[Any]", rule.get(kind) or [])]
        mentioned = re.findall(rf"<@{sign}(\d+)>", text)
        found += [prefix + one for one in mentioned if kind in parse or one in named]
    if replied and rule.get("replied_user"):
        found.append(str(replied))
    return list(dict.fromkeys(found))
