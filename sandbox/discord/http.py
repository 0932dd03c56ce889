"""A REST request as it came, and the ways in which its answer can be no success."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox.discord.components import Json


class ApiError(Exception):
    """An answer of Discord's that is no success: HTTP status, JSON code and message.

    ``retry_after``: seconds to wait before the next try.
    """

    def __init__(
        self,
        status: int,
        code: int,
        message: str,
        errors: Json | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body: Json = {"message": message, "code": code}
        if errors:
            self.body["errors"] = errors
        if retry_after is not None:
            self.body |= {"retry_after": retry_after, "global": False}


def invalid(where: str, code: str, message: str) -> ApiError:
    """Return 50035, which names the field (``a.b.c``) at fault."""
    errors: Json = {"_errors": [{"code": code, "message": message}]}
    for key in reversed(where.split(".")):
        errors = {key: errors}
    return ApiError(400, 50035, "Invalid Form Body", errors)


@dataclass
class Request:
    """A REST request as received; ``status`` is what it was answered (0: the line was cut).

    ``answer`` is the answer's body.
    """

    method: str
    path: str
    json: Any = None
    files: list[tuple[str, bytes, str]] = field(default_factory=list[tuple[str, bytes, str]])
    status: int = 0
    at: float = 0.0
    answer: bytes = b""


@dataclass(frozen=True)
class Fault:
    """A failure instead of an answer.

    ``retry_after`` (seconds) makes a 429; ``drop`` cuts the connection before or after the effect;
    ``delay`` (seconds) comes first, and with status 200 the request is then carried out;
    ``carried_out``: so it is with another status.
    """

    status: int = 200
    code: int = 0
    message: str = "Fault"
    retry_after: float | None = None
    everywhere: bool = False
    drop: Literal["before", "after"] | None = None
    delay: float = 0.0
    carried_out: bool = False
