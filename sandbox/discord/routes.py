"""What a REST route is: its handler takes the request, its JSON and its files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from sandbox.discord.http import ApiError
from sandbox.discord.model import Upload

Files = dict[int, Upload]
# Returns what is answered as JSON; None for 204 No Content.
Route = Callable[[web.Request, Any, Files], Any]
Routes = dict[str, Route]


def path_id(request: web.Request, name: str) -> int:
    """Return an id of the path; 50035 if it is none."""
    value = request.match_info[name]
    if not value.isdigit():
        raise ApiError(400, 50035, f"Invalid Form Body: {value!r} is not snowflake.")
    return int(value)
