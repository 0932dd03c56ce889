"""What was chosen and written in the panel of ``/settings``, as a policy.

A client shows what may be chosen, and could send anything else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import IntEnum, StrEnum
from typing import TypeVar

from bot.errors import BadLimit, Refused, TooManyWords
from bot.policy import Policy, Pressers, Spoilers, clean_words
from bot.store.admission import Limits
from bot.ui.settings import AS_SERVER, CHOSEN_AT_MOST, WORDS_LENGTH, Choice, Form

N = TypeVar("N", bound=IntEnum)
S = TypeVar("S", bound=StrEnum)

_MOST_STARS = 1_000


def chosen(policy: Policy, choice: Choice, values: Sequence[str]) -> Policy:
    """Return a policy with what was chosen in a select menu.

    Raises:
        Refused: the panel offers no such thing.
    """
    match choice:
        case Choice.CHANNELS:
            return replace(policy, channels=frozenset(_ids(values)))
        case Choice.ROLE:
            return replace(policy, role=_id(values))
        case Choice.PRESSERS:
            return replace(policy, pressers=_name_in(Pressers, values))
        case Choice.PRESSER_ROLE:
            return replace(policy, presser_role=_id(values))
        case Choice.BLOCKED:
            return replace(policy, blocked=frozenset(_ids(values)))
        case Choice.EXEMPT:
            return replace(policy, exempt_roles=frozenset(_ids(values)))
        case Choice.SPOILERS:
            return replace(policy, spoilers=_name_in(Spoilers, values))
        case Choice.LOG:
            return replace(policy, log_channel=_id(values))
        case Choice.SHOWCASE:
            return replace(policy, showcase_channel=_id(values))
        case _:
            raise Refused


def written(policy: Policy, form: Form, given: dict[str, list[str]], limits: Limits) -> Policy:
    """Return a policy with what was written in a modal.

    Raises:
        BadLimit: a number is none, or above the operator's limit.
        TooManyWords
    """
    match form:
        case Form.LIMITS:
            return replace(
                policy,
                member_daily=_limit(given.get("member"), limits.daily),
                server_daily=_limit(given.get("server"), limits.server_daily),
            )
        case Form.ROLE_LIMIT:
            roles = _ids(given.get("roles", []))
            limit = _limit(given.get("limit"), limits.daily)
            kept = {id_: n for id_, n in policy.role_daily.items() if id_ not in roles}
            new = dict.fromkeys(roles, limit) if limit else {}
            if len(kept | new) > CHOSEN_AT_MOST:
                raise BadLimit(str(len(kept | new)), CHOSEN_AT_MOST)
            return replace(policy, role_daily=kept | new)
        case Form.CHANNEL_SPOILERS:
            channels = _ids(given.get("channels", []))
            rule = given.get("spoilers", [])
            kept = {id_: r for id_, r in policy.channel_spoilers.items() if id_ not in channels}
            if rule != [AS_SERVER]:
                kept |= dict.fromkeys(channels, _name_in(Spoilers, rule))
            if len(kept) > CHOSEN_AT_MOST:
                raise BadLimit(str(len(kept)), CHOSEN_AT_MOST)
            return replace(policy, channel_spoilers=kept)
        case Form.WORDS:
            text = "".join(given.get("words", []))
            if len(text) > WORDS_LENGTH:
                raise TooManyWords(WORDS_LENGTH)
            return replace(policy, words=clean_words(text))
        case Form.STARS:
            stars = _limit(given.get("stars"), _MOST_STARS)
            if not stars:
                raise BadLimit("0", _MOST_STARS, least=1)
            return replace(policy, showcase_stars=stars)


def _limit(given: Sequence[str] | None, most: int) -> int:
    """Return a number that was written, 0 for none; ``most`` is 0 where anything goes."""
    text = "".join(given or ()).strip()
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()):
        raise BadLimit(text, most or None)
    number = int(text)
    if most and number > most:
        raise BadLimit(text, most)
    return number


def _ids(values: Sequence[str]) -> list[int]:
    if len(values) > CHOSEN_AT_MOST or not all(v.isascii() and v.isdigit() for v in values):
        raise Refused
    return [int(value) for value in values]


def _id(values: Sequence[str]) -> int | None:
    return next(iter(_ids(values)), None)


def _name_in(names: type[S], values: Sequence[str]) -> S:
    try:
        (value,) = values
        return names(value)
    except ValueError:
        raise Refused from None


def number_in(numbers: type[N], values: Sequence[str]) -> N:
    """Return the member of an enumeration whose number was chosen.

    Raises:
        Refused: there is none.
    """
    return member(numbers, next(iter(_ids(values)), -1))


def member(numbers: type[N], number: int) -> N:
    """Return the member of an enumeration with a number.

    Raises:
        Refused: there is none.
    """
    try:
        return numbers(number)
    except ValueError:
        raise Refused from None
