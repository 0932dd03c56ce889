"""The sentences about the options of ``/vary``, and about where its result comes."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.domain import TOKEN_LIFETIME, Generation

ASPECT = "The shape, width to height; instead of an --ar in the prompt"
STRENGTH = "How closely the picture is followed, 0 to 3; instead of an --iw in the prompt"
AVOID = "Words for what shall not be there; added to a --no in the prompt"
PRIVATE = "Only you see the picture and what you make of it"

_LATER = "Later it comes as a direct message; where you take none from me, /fetch gets it."
_PRIVATE = f"-# Only you see this. The picture comes here within 15 minutes. {_LATER}"
_ANSWER_ONLY = (
    "-# I'm no member here, so the picture can come here only within 15 minutes of your asking. "
    f"{_LATER}"
)


_LATE = (
    "-# This takes long: what isn't here in a minute comes as a direct message; where you take "
    "none from me, /fetch gets it."
)
_LAST_WORDS = timedelta(minutes=1)
"""How long before its token is void a card says so: it can't be edited afterwards."""


def delivery(generation: Generation, now: datetime | None) -> str | None:
    """Say where a result comes, if that isn't simply the channel."""
    if not generation.answer_only:
        return None
    if now and generation.token_at and now > generation.token_at + TOKEN_LIFETIME - _LAST_WORDS:
        return _LATE
    return _PRIVATE if generation.private else _ANSWER_ONLY


def origin(link: str) -> str:
    """Say which message the picture was taken from."""
    return f"-# From [this message]({link})"
