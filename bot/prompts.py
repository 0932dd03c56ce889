"""What a prompt may hold: rules that are checked before anything is stored or charged."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from bot.errors import (
    BlankPrompt,
    EncodedPromptTooLong,
    NotOffered,
    ParameterInAvoid,
    ParameterNotAllowed,
    PermutationNotAllowed,
    PromptTooLong,
)

PROMPT_LENGTH = 1_800
"""Characters of a prompt at most."""

PATH = "/imageToImage"
"""The path of the API's endpoint, below the base address."""

# Two hyphens anywhere; a dash where a word begins, for the service makes two hyphens of it.
_MARK = r"(?:(?<!-)--|(?:^|(?<=\s))—)"
# The value of a parameter: one word, or all up to the next parameter.
_WORD, _WORDS = r"(?!--|—)(\S+)", r"(?!--|—)(.+?)(?=\s+(?:--|—)|$)"
_PARAMETER = re.compile(rf"{_MARK}([^\W\d_]+)")

ASPECTS = ("1:1", "3:2", "2:3", "4:3", "3:4", "16:9", "9:16")
"""The shapes of a picture that a member may choose, width to height."""

STRENGTH = (0.0, 3.0)
"""The least and the most that a picture can weigh (Midjourney's documentation, "Image Prompts")."""

AVOID_LENGTH = 500
"""Characters of what a member wants to avoid, at most."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What a member chose beside the prompt: the ``aspect`` of :data:`ASPECTS`, the ``strength``
    with which the picture is followed, and words for what to ``avoid``."""

    aspect: str | None = None
    strength: float | None = None
    avoid: str | None = None


@dataclass(frozen=True, slots=True)
class PromptRules:
    """The operator's rules: ``parameters`` are the names that may follow ``--``, in lower case;
    ``url_limit`` is in bytes; ``base_path`` is the path of the API's base address."""

    parameters: frozenset[str]
    url_limit: int
    base_path: str = ""

    def check(self, prompt: str, image_url: str, choices: Choices | None = None) -> str:
        """Return a prompt as it is stored: see :func:`clean_prompt` and :func:`with_choices`.

        What was typed is held against ``parameters``; what was chosen is not.

        Raises:
            BlankPrompt, EncodedPromptTooLong, NotOffered, ParameterInAvoid,
            ParameterNotAllowed, PermutationNotAllowed, PromptTooLong
        """
        if len(prompt) > PROMPT_LENGTH:  # Discord checks it, but a client could be made not to.
            raise PromptTooLong(PROMPT_LENGTH)
        cleaned = clean_prompt(prompt)
        if not cleaned:
            raise BlankPrompt
        if name := forbidden_parameter(cleaned, self.parameters):
            raise ParameterNotAllowed(name, self.parameters)
        if choices:
            cleaned = with_choices(cleaned, choices)
            if len(cleaned) > PROMPT_LENGTH:
                raise PromptTooLong(PROMPT_LENGTH)
        if has_permutation(cleaned):
            raise PermutationNotAllowed
        length = len(request_line(self.base_path, cleaned, image_url))
        if length > self.url_limit:
            raise EncodedPromptTooLong(self.url_limit, length)
        return cleaned


def clean_prompt(prompt: str) -> str:
    """Return the prompt with each run of whitespace as one space, without control characters and
    lone surrogates: what is equal to the service is equal in the ledger.

    An empty string means that nothing visible is left.
    """
    kept = "".join(c for c in prompt if c in "\n\t" or unicodedata.category(c) not in {"Cc", "Cs"})
    visible = any(unicodedata.category(c)[0] not in "ZC" for c in kept)
    return " ".join(kept.split()) if visible else ""


def normalize_prompt(prompt: str) -> str:
    """Return the prompt as the service itself rewrites it: each run of whitespace is one space,
    and a dash that begins a parameter is two hyphens (novicezk/midjourney-proxy, PR 270)."""
    return " ".join(prompt.split()).replace(" —", " --")


def forbidden_parameter(prompt: str, allowed: Collection[str]) -> str | None:
    """Return the name of the first parameter that is not among ``allowed``, in lower case.

    Parameters such as ``--repeat`` and ``--turbo`` change what a call costs, or open a
    confirmation that nobody answers (zcpua/midjourney-api#135).
    """
    shown = "".join(c for c in prompt if unicodedata.category(c) != "Cf")
    names = (match[1].lower() for match in _PARAMETER.finditer(shown))
    return next((name for name in names if name not in allowed), None)


def with_choices(prompt: str, choices: Choices) -> str:
    """Return a clean prompt with what was chosen as parameters at its end.

    A choice replaces what was typed of the same parameter. What to avoid is added to a ``--no``
    that was typed, for the two don't contradict each other.

    Raises:
        NotOffered, PromptTooLong: Discord checks choices, but a client could be made not to.
        ParameterInAvoid: the words to avoid hold a parameter of their own.
    """
    if len(choices.avoid or "") > AVOID_LENGTH:
        raise PromptTooLong(AVOID_LENGTH)
    added: list[str] = []
    if choices.aspect is not None:
        if choices.aspect not in ASPECTS:
            raise NotOffered(choices.aspect)
        prompt, _ = _without("ar|aspect", _WORD, prompt)
        added.append(f"--ar {choices.aspect}")
    if choices.strength is not None:
        if not STRENGTH[0] <= choices.strength <= STRENGTH[1]:
            raise NotOffered(str(choices.strength))
        prompt, _ = _without("iw", _WORD, prompt)
        added.append(f"--iw {choices.strength:g}")
    if avoid := clean_prompt(choices.avoid or "").strip(" ,"):
        if name := forbidden_parameter(avoid, ()):
            raise ParameterInAvoid(name)
        prompt, typed = _without("no", _WORDS, prompt)
        added.append(f"--no {', '.join([*typed, avoid])}")
    return " ".join([prompt, *added]).strip()


def _without(names: str, value: str, prompt: str) -> tuple[str, list[str]]:
    """Return a prompt without some parameters, and what was typed as their values."""
    pattern = rf"{_MARK}(?:{names})(?=\s|$)(?:\s+{value})?"
    found = [typed.strip(" ,") for typed in re.findall(pattern, prompt, re.IGNORECASE)]
    rest = " ".join(re.sub(pattern, " ", prompt, flags=re.IGNORECASE).split())
    return rest, [typed for typed in found if typed]


def has_permutation(prompt: str) -> bool:
    """Tell whether braces hold a comma: ``{red, green} bird`` asks for two pictures, and opens a
    confirmation that nobody answers (Midjourney's documentation, "Permutations")."""
    open_braces: list[bool] = []
    for character in prompt:
        if character == "{":
            open_braces.append(False)
        elif character == "," and open_braces:
            open_braces[-1] = True
        elif character == "}" and open_braces and open_braces.pop():
            return True
    return False


def build_query(prompt: str, image_url: str) -> str:
    """Return the query of ``imageToImage``, percent-encoded; the prompt normalized."""
    fields = {"prompt": normalize_prompt(prompt), "imageUrl": image_url}
    return urlencode(fields, quote_via=quote, safe="", errors="replace")


def request_line(base_path: str, prompt: str, image_url: str) -> str:
    """Return the first line of the request; it is ASCII, so its length is that in bytes."""
    return f"POST {base_path}{PATH}?{build_query(prompt, image_url)} HTTP/1.1"
