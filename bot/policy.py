"""Where the bot works and what a server's owners allow: plain data and pure rules.

Standard library only. What belongs to the operator is :class:`Places`; what a server's owners
choose with ``/settings`` is a :class:`Policy`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache

from bot.domain import Asker
from bot.errors import (
    BlockedMember,
    BlockedWord,
    DirectMessagesOff,
    NotYourButtons,
    PausedHere,
    Refused,
    RoleNeeded,
    ServerNotAllowed,
    WrongChannel,
)

DEFAULT_STARS = 3
"""The number of ⭐ that a result needs to be shown, unless the server says another."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the operator lets the bot work: the ``allowed`` servers (none given: all) without the
    ``blocked`` ones, and direct messages."""

    allowed: frozenset[int] = frozenset()
    blocked: frozenset[int] = frozenset()
    direct: bool = True

    def refuse(self, guild_id: int | None) -> Refused | None:
        """Return why the bot doesn't work in a server (``None``: direct messages)."""
        if guild_id is None:
            return None if self.direct else DirectMessagesOff()
        if guild_id in self.blocked or (self.allowed and guild_id not in self.allowed):
            return ServerNotAllowed()
        return None


class Pressers(StrEnum):
    """Who may press a grid's buttons."""

    EVERYONE = "everyone"
    ASKER = "asker"
    ROLE = "role"


class Spoilers(StrEnum):
    """Which results are hidden until somebody clicks on them."""

    ALWAYS = "always"
    UNLESS_RESTRICTED = "unless_restricted"
    """All but those in age-restricted channels."""
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Policy:
    """What a server's owners chose. Ids are Discord's.

    ``channels``: where the bot may be used (none: everywhere); a thread belongs to its channel.
    ``role``: what a member needs to use it. ``presser_role`` counts with :attr:`Pressers.ROLE`.
    ``member_daily``, ``server_daily`` and the values of ``role_daily`` are generations in 24
    hours, 0 for no limit; a role in ``exempt_roles`` takes a member's limit away.
    ``words``: words and phrases that no prompt may hold (see :func:`find_blocked_word`).
    """

    channels: frozenset[int] = frozenset()
    role: int | None = None
    pressers: Pressers = Pressers.EVERYONE
    presser_role: int | None = None
    blocked: frozenset[int] = frozenset()
    member_daily: int = 0
    server_daily: int = 0
    role_daily: Mapping[int, int] = field(default_factory=dict[int, int])
    exempt_roles: frozenset[int] = frozenset()
    spoilers: Spoilers = Spoilers.NEVER
    channel_spoilers: Mapping[int, Spoilers] = field(default_factory=dict[int, Spoilers])
    words: tuple[str, ...] = ()
    others_pictures: bool = True
    log_channel: int | None = None
    showcase_channel: int | None = None
    showcase_stars: int = DEFAULT_STARS
    paused: bool = False

    def refuse_use(self, asker: Asker) -> Refused | None:
        """Return why somebody may not use the bot where they are."""
        if asker.user_id in self.blocked:
            return BlockedMember()
        if self.channels and not self.channels & {asker.channel_id, asker.parent_channel_id}:
            return WrongChannel(self.channels)
        if self.role is not None and not asker.has_role(self.role):
            return RoleNeeded(self.role)
        return None

    def refuse_work(self, asker: Asker) -> Refused | None:
        """Return why somebody may ask for nothing new where they are."""
        if refusal := self.refuse_use(asker):
            return refusal
        return PausedHere() if self.paused else None

    def refuse_press(self, asker: Asker, owner_id: int) -> Refused | None:
        """Return why somebody may not press the buttons of a grid that ``owner_id`` asked for."""
        if self.pressers is Pressers.EVERYONE or asker.user_id == owner_id:
            return None
        role = self.presser_role if self.pressers is Pressers.ROLE else None
        if role is not None and asker.has_role(role):
            return None
        return NotYourButtons(role)

    def refuse_words(self, prompt: str) -> Refused | None:
        """Return why a prompt's words are not allowed."""
        word = find_blocked_word(prompt, self.words)
        return BlockedWord(word) if word else None

    def member_limit(self, asker: Asker) -> tuple[int, int | None]:
        """Return a member's limit for 24 hours here (0: none) and the role that gives it, if one
        does. The best of a member's roles counts."""
        if any(asker.has_role(role) for role in self.exempt_roles):
            return 0, None
        limits = [(n, role) for role, n in self.role_daily.items() if asker.has_role(role)]
        return max(limits, default=(self.member_daily, None))

    def is_spoiler(self, asker: Asker) -> bool:
        """Tell whether a result is hidden where it is asked for."""
        rules = self.channel_spoilers
        rule = rules.get(asker.channel_id) or rules.get(asker.parent_channel_id or 0)
        rule = rule or self.spoilers
        return rule is Spoilers.ALWAYS or (
            rule is Spoilers.UNLESS_RESTRICTED and not asker.age_restricted
        )


NO_POLICY = Policy()
"""What holds in direct messages, and in a server whose owners chose nothing."""

# Scripts that are written without spaces: each of their letters counts as a word.
_UNSPACED = (
    *((0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF)),
    *((0x3040, 0x30FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF)),
)


def clean_words(text: str) -> tuple[str, ...]:
    """Return the words and phrases in ``text``, one a line, without blank ones and repetitions."""
    lines = (" ".join(line.split()) for line in text.splitlines())
    return tuple(dict.fromkeys(line for line in lines if _tokens(line.rstrip("*"))))


def find_blocked_word(prompt: str, words: Iterable[str]) -> str | None:
    """Return the first of ``words`` that a prompt holds.

    Whole words are compared after Unicode's normalization NFKC and case folding; what stands
    between words doesn't matter. A ``*`` at an end makes a stem: ``blood*`` is in "bloody".
    """
    text = _joined(prompt)
    return next((word for word in words if _pattern(word) in text), None)


@lru_cache(1_000)
def _joined(text: str) -> str:
    return f" {' '.join(_tokens(text))} "


@lru_cache(10_000)
def _pattern(word: str) -> str:
    stem = word.endswith("*")
    joined = _joined(word.rstrip("*"))
    return joined.rstrip() if stem else joined


def _tokens(text: str) -> list[str]:
    """Split a text into its words; a symbol (an emoji, say) counts as one."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    tokens: list[str] = []
    continues = False
    for character in folded:
        category = unicodedata.category(character)
        if category == "Cf":
            continue  # It isn't seen: nothing between two letters makes them two words.
        alone = category[0] == "S" or _is_unspaced(character)
        if alone or not continues:
            tokens.append("")
        is_word = alone or category[0] in "LNM" or character == "_"
        if is_word:
            tokens[-1] += character
        continues = is_word and not alone
    return [token for token in tokens if token]


def _is_unspaced(character: str) -> bool:
    number = ord(character)
    return any(first <= number <= last for first, last in _UNSPACED)
