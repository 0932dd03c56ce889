"""Message components: walking through them, and how they read in a payload."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

Json = dict[str, Any]

ROW, BUTTON, SECTION, TEXT, THUMBNAIL, GALLERY, FILE, SEPARATOR, CONTAINER = (
    1, 2, 9, 10, 11, 12, 13, 14, 17,
)  # fmt: skip
SELECT, INPUT, LABEL, FILE_UPLOAD, RADIO, CHECKBOXES, CHECKBOX = 3, 4, 18, 19, 21, 22, 23
SELECTS = {SELECT, 5, 6, 7, 8}
ATTACHED = "attachment://"

# What a payload holds even where the sender left it out.
DEFAULTS: dict[int, Json] = {
    BUTTON: {"style": 2},
    SELECT: {"min_values": 1, "max_values": 1},
    THUMBNAIL: {"description": None, "spoiler": False},
    FILE: {"spoiler": False},
    SEPARATOR: {"divider": True, "spacing": 1},
    CONTAINER: {"accent_color": None, "spoiler": False},
} | {kind: {"min_values": 1, "max_values": 1} for kind in SELECTS}


def safe_name(filename: str) -> str:
    """Return a file's name as Discord keeps it."""
    return re.sub(r"[^\w.-]+", "_", filename, flags=re.ASCII)


def walk(components: list[Json]) -> Iterator[Json]:
    """Yield every component in order, nested ones included."""
    for component in components:
        yield component
        yield from walk(component.get("components", []))
        for key in ("accessory", "component"):
            if key in component:
                yield from walk([component[key]])


def number(components: list[Json]) -> None:
    """Give every component without an ``id`` (or with 0) the next one that is free."""
    found = list(walk(components))
    taken = {component["id"] for component in found if component.get("id")}
    free = (n for n in range(1, 2**31) if n not in taken)
    for component in found:
        component["id"] = component.get("id") or next(free)


def media_of(components: list[Json]) -> Iterator[Json]:
    """Yield every media item (``{"url": …}``) that the components show."""
    for component in walk(components):
        for holder in (component, *component.get("items", [])):
            for key in ("media", "file"):
                if key in holder:
                    yield holder[key]


def names_in(components: list[Json], embeds: list[Json]) -> set[str]:
    """Return the names of the attachments that components and embeds show."""
    urls = [media.get("url", "") for media in media_of(components)]
    urls += [
        embed[key]["url"] for embed in embeds for key in ("image", "thumbnail") if key in embed
    ]
    return {safe_name(url.removeprefix(ATTACHED)) for url in urls if url.startswith(ATTACHED)}


def resolve(component: Json, files: dict[str, Json], sign: Callable[[str], str]) -> Json:
    """Return a component as a payload holds it.

    ``files`` are the attachments' payloads by name; ``sign`` makes a link fresh.
    """
    found = DEFAULTS.get(component["type"], {}) | component
    if found.get("emoji"):  # A Unicode emoji has no id; an app may send null for it.
        found["emoji"] = {k: v for k, v in found["emoji"].items() if v is not None}
    if "media" in found:
        found["media"] = _media(found["media"]["url"], files, sign, found["id"])
    if "file" in found:
        file = files[safe_name(found["file"]["url"].removeprefix(ATTACHED))]
        found |= {"name": file["filename"], "size": file["size"]}
        found["file"] = _media(found["file"]["url"], files, sign, found["id"])
    if "items" in found:
        items: list[Json] = [{"description": None, "spoiler": False} | i for i in found["items"]]
        for item in items:
            item["media"] = _media(item["media"]["url"], files, sign, found["id"])
        found["items"] = items
    if "components" in found:
        found["components"] = [resolve(child, files, sign) for child in found["components"]]
    if "accessory" in found:
        found["accessory"] = resolve(found["accessory"], files, sign)
    return found


def _media(url: str, files: dict[str, Json], sign: Callable[[str], str], number: int) -> Json:
    common: Json = {"id": str(number), "placeholder": None, "placeholder_version": None, "flags": 0}
    if not url.startswith(ATTACHED):
        return common | {"url": sign(url), "proxy_url": sign(url), "loading_state": 0}
    file = files[safe_name(url.removeprefix(ATTACHED))]
    keys = ("url", "proxy_url", "width", "height", "content_type")
    media = {key: file[key] for key in keys if key in file}
    return common | media | {"attachment_id": file["id"], "loading_state": 2}
