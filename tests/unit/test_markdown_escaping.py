"""A prompt is shown as it was typed: nothing in it formats, links, mentions or hides.

The reader is the sandbox's model of Discord's Markdown, whose rules name their sources.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.text.markdown import cut, inert, units
from sandbox.markdown import parse, plain

# Each of these shows something else than what was typed, unless it is escaped.
HOSTILE = [
    # Masked links, also behind what an escaper may take for a link of its own.
    "[Free Nitro](https://evil.example)",
    "[x](y) [Free Nitro](https://evil.example)",
    "<a:/[Free](https://evil.example)>",
    r"\[Free](https://evil.example)",
    r"\\[Free](https://evil.example)",
    r"[Free\](https://evil.example)",
    "[Free](<https://evil.example> 'really')",
    "[[Free]](https://evil.example)",
    "[Free]\n(https://evil.example)",
    "[- @everyone](https://evil.example)",
    "[Free](discord://-/settings)",
    "https://ok.example/[Free](https://evil.example)",
    "`[Free](https://evil.example)",
    # Links, bare, in brackets, of other schemes, and what becomes one without a scheme.
    "https://evil.example/a_b_c?x=*y*",
    "HTTPS://EVIL.EXAMPLE",
    "xhttps://evil.example",
    r"https:\//evil.example",
    "<https://evil.example>",
    r"\<https://evil.example>",
    "steam://run/1 discord://-/users/1",
    "<mailto:a@evil.example> <a@evil.example> <tel:+1555> <x:/y>",
    "discord.gg/evil discord.com/invite/evil discordapp.com/invite/evil",
    "https://discord.com/channels/1/2/3",
    # Styles.
    "**b** *i* _i_ __u__ ~~s~~ ||spoiler|| ***bi*** ___ui___",
    "<a:/**b**||spoiler||`code`>",
    "https://a.example/**b**||c||",
    "**bold\nover lines**",
    "****** ____ ~~~~ |||| ||||||",
    r"\**b**\_\_u__",
    "snake_case_name and __init__",
    # Code.
    "`code` ``co`de`` ```py\nblock```",
    r"\`code`",
    # What begins a line.
    "# heading\n## two\n### three\n-# small",
    " # heading\n  - item\n > quote",
    "> quote\n>>> all\nthe rest",
    "- item\n* item\n+ item\n1. item\n2) item\n99999999999. item",
    # Mentions and what else Discord puts in angle brackets.
    "@everyone @here @silent",
    "<@1> <@!1> <@&1> <#1> </vary:1> </a b c:1>",
    "<id:customize> <id:browse> <id:guide> <id:linked-roles:1> <123456789012345678:guide>",
    "<t:1> <t:1:R> <t:-1:S> <t:99999999999999>",
    "<:name:1> <a:name:1> :smile: :a_b:",
    r"\<@1> \\<@1> \@everyone",
    # Signs that show backslashes.
    r"¯\_(ツ)_/¯ and \¯\_(ツ)_/¯",
    r"C:\new\*.png",
    "\u202e[eerF](https://evil.example)\u200b",
]
# Each of these shows what was typed with or without escapes.
PLAIN = [
    "[a[b](https://one.example)](https://evil.example)",
    "[ｈttps：//discord.com](https://evil.example)",
    "```",
    "-\n1.\n+\n>",
    "<@1",
    "\\",
    "a\\\nb\\",
    "a cat --ar 16:9 --no dogs, trees -- 3.5 (masterpiece:1.2) #ff0000 50% & more!",
    "e.g. 1.5x, 2. of 3… {a,b} 'quoted' \"twice\" a/b = c; d?",
    "日本語の猫、5.5。 https：//例え.jp 👩‍👩‍👧 🇩🇪 é",
]
SIGNS = st.text(alphabet="\\*_~|`[]()<>@#:/!&.-+ \n1ab¯ツt", max_size=40)
PIECES = st.lists(
    st.sampled_from([*HOSTILE, *PLAIN, "\\", " ", "\n", "<", "[x]", "(y)"]), max_size=4
)


def spaceless(text: str) -> str:
    return re.sub(r"\s+", "", text)


def assert_inert(markdown: str, shown: str) -> None:
    found = parse(markdown)
    assert {node.kind for node in found} <= {"text"}, found
    assert spaceless(plain(found)) == spaceless(shown)


@pytest.mark.parametrize("prompt", [*HOSTILE, *PLAIN])
def test_a_hostile_prompt_is_shown_as_typed(prompt: str):
    assert_inert(inert(prompt), prompt)


@pytest.mark.parametrize("prompt", HOSTILE)
def test_the_model_sees_what_a_hostile_prompt_does(prompt: str):
    with pytest.raises(AssertionError):
        assert_inert(prompt, prompt)


@settings(max_examples=300)
@given(st.text() | SIGNS | PIECES.map("".join))
@example("\\")
def test_any_prompt_is_shown_as_typed(prompt: str):
    assert_inert(inert(prompt), prompt)


@given(SIGNS | PIECES.map("".join), st.integers(1, 60))
def test_a_prompt_that_is_cut_stays_inert(prompt: str, length: int):
    whole = inert(prompt)
    shown = cut(whole, length)
    assert units(shown) <= length
    if shown != whole:
        assert shown.endswith("…")
        assert whole.startswith(shown[:-1])
        assert_inert(shown, re.sub(r"\\([^0-9A-Za-z\s])", r"\1", shown))


@given(SIGNS, SIGNS)
def test_a_prompt_stays_inert_after_other_words(before: str, after: str):
    """Nothing in the prompt becomes active through what stands before it on the line."""
    assert_inert("Prompt - " + inert(before) + " 1 " + inert(after), f"Prompt-{before}1{after}")


@pytest.mark.parametrize(
    ("prompt", "markdown"),
    [
        ("https://a.b", r"https\://a\.b"),
        ("discord.gg/x", r"discord\.gg/x"),
        ("<@1> @everyone", r"\<\@1\> \@everyone"),
        ("A cat. A dog, 3 birds - a-b", r"A cat. A dog, 3 birds \- a-b"),
        ("1. --ar 16:9", r"1\. --ar 16\:9"),
    ],
)
def test_what_is_escaped(prompt: str, markdown: str):
    assert inert(prompt) == markdown


@pytest.mark.parametrize(
    ("text", "length", "shown"),
    [
        ("abc", 3, "abc"),
        ("abcd", 3, "ab…"),
        (r"a\*b", 3, "a…"),
        (r"a\*b", 4, r"a\*b"),
        (r"\\\\\\", 4, r"\\…"),
        (r"C:\new", 5, r"C:\n…"),
        ("a🥺b", 3, "a…"),
        ("a🥺bc", 4, "a🥺…"),
        ("👩‍👩‍👧x", 8, "…"),
        ("👍🏽👍🏽", 6, "👍🏽…"),
        ("🇩🇪🇫🇷🇮🇹", 7, "🇩🇪…"),
        ("❤️❤️", 3, "❤️…"),
        ("e\u0301e\u0301e\u0301", 4, "e\u0301…"),
        ("\u1100\u1161\u11a8\u1100\u1161", 3, "…"),
        ("\u1100\u1161\u11a8\u1100\u1161", 4, "\u1100\u1161\u11a8…"),
        ("1️⃣2️⃣", 4, "1️⃣…"),
        ("🏴󠁧󠁢󠁳󠁣󠁴󠁿!", 14, "…"),
    ],
)
def test_a_cut_takes_no_character_apart(text: str, length: int, shown: str):
    assert cut(text, length) == shown


def test_a_cut_to_nothing_is_refused():
    with pytest.raises(ValueError, match="0"):
        cut("abc", 0)
