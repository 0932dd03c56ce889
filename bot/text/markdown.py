"""Text of a member's as Discord's Markdown that shows it as it was typed, and nothing else.

A backslash before a sign that is no letter, digit or space shows the sign itself (simple-markdown,
``defaultRules.escape``, which Discord's clients build on). That holds everywhere but inside code
and in the label of a masked link (discord/discord-api-docs#6185): never put this text there.

Escaping decides what is shown. Who is told is decided by ``allowed_mentions`` alone, for Discord
looks for mentions in the raw text, backslashes or not.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

# Always: styles (* _ ~ |), code (`), masked links ([ ] ( )), mentions, times, custom emoji and
# angle links (< > @ #), headings and subtext (#), quotes (>), links and emoji names (:), the
# backslash. A full stop where it makes a list's number or stands in an address (discord.gg/…);
# a minus or plus where it makes a list's bullet.
_SIGN = re.compile(r"[\\*_~|`\[\]()<>@#:]|(?<=\d)\.|\.(?=\S)|[-+](?=\s|$)")
_ESCAPE = re.compile(r"\\[^0-9A-Za-z\s]")
_ELLIPSIS = "…"
_JOINER = "\u200d"
_EXTENDING = re.compile(r"[\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f\u1160-\u11ff\ud7b0-\ud7fb]")
_INITIAL_JAMO = re.compile(r"[\u1100-\u115f\ua960-\ua97c]")
_FLAG_LETTER = re.compile(r"[\U0001f1e6-\U0001f1ff]")


def inert(text: str) -> str:
    """Return text as Markdown that neither formats, links, mentions nor hides anything.

    What a member reads is what was typed. The result is up to twice as long; ``cut`` fits it.
    """
    return _SIGN.sub(r"\\\g<0>", text)


def cut(text: str, length: int) -> str:
    """Return Markdown or plain text of at most ``length``, an ellipsis at its end if it was cut.

    ``length`` is in UTF-16 code units, which no other count of Discord's can exceed. No escape and
    no character that is made of several code points (emoji, accents, flags) is cut in two. Raises
    ValueError where not even the ellipsis fits.
    """
    if length < 1:
        raise ValueError(length)
    if units(text) <= length:
        return text
    kept, room = "", length - 1
    for piece in _pieces(text):
        room -= units(piece)
        if room < 0:
            break
        kept += piece
    return kept + _ELLIPSIS


def copyable(prompt: str) -> str:
    """Return a prompt in a block that Discord lets members copy; nothing in it ends the block."""
    kept = prompt.replace("``", "`\u200b`").replace("``", "`\u200b`")
    return f"```\n{kept}\n```"


def units(text: str) -> int:
    """Return the length of a text in UTF-16 code units: two for a character above U+FFFF."""
    return len(text) + sum(character > "\uffff" for character in text)


def _pieces(text: str) -> Iterator[str]:
    """Split a text where it may be cut."""
    start = 0
    while start < len(text):
        end = start + 2 if _ESCAPE.match(text, start) else start + 1
        while end < len(text) and _belong_together(text[start:end], text[end]):
            end += 1
        yield text[start:end]
        start = end


def _belong_together(before: str, character: str) -> bool:
    """Tell whether a character continues the one before it.

    These are the rules of Unicode's annex 29 for extended grapheme clusters, as far as
    ``unicodedata`` tells what they need.
    """
    last = before[-1]
    if last == "\r" or last in "\n\t":
        return last == "\r" and character == "\n"
    if last == _JOINER or character == _JOINER or _extends(character):
        return True
    if len(before) == 1 and _FLAG_LETTER.match(last):
        return bool(_FLAG_LETTER.match(character))
    return bool(_INITIAL_JAMO.match(last) and _INITIAL_JAMO.match(character))


def _extends(character: str) -> bool:
    """Tell whether it is a mark, selector, skin tone, flag's tag, or Hangul's vowel or end."""
    return bool(
        unicodedata.category(character) in {"Mn", "Mc", "Me"} or _EXTENDING.match(character)
    )
