"""Discord's Markdown: what the rules find, and what the page shows of it."""

from __future__ import annotations

import pytest

from sandbox import markdown
from sandbox.markdown import Node, parse, plain, to_html

NAMES = {"1": "Al<b>ice", "2": "pictures"}


def told(text: str) -> str:
    """Return what was found as ``kind(words)``, plain text as it is."""
    return "".join(_told(node) for node in parse(text))


def _told(node: Node) -> str:
    if node.kind == "text":
        return node.text
    inner = "".join(_told(child) for child in node.children) or node.text or node.target
    return f"{node.kind}({inner})"


@pytest.mark.parametrize(
    ("source", "text", "found"),
    [
        # Named as in sandbox/markdown.py.
        # Styles.
        (
            "SM em, strong, u, del",
            "**a** *b* _c_ __d__ ~~e~~",
            "bold(a) italics(b) italics(c) underline(d) strike(e)",
        ),
        (
            "SM em and strong, the longest wins",
            "a ***foo* bar** baz",
            "a bold(italics(foo) bar) baz",
        ),
        (
            "SM em and strong, the longest wins",
            "a ***foo** bar* baz",
            "a italics(bold(foo) bar) baz",
        ),
        ("SM em and strong, the longest wins", "*foo **bar* baz**", "italics(foo **bar) baz**"),
        ("SM em", "a * b * c", "a * b * c"),
        ("SM em", "a_b_c _d_e", "a_b_c _d_e"),
        ("DM spoiler", "||a **b**||", "spoiler(a bold(b))"),
        ("DM spoiler", "a || b", "a || b"),
        # Escapes: any sign, but no letter, digit or blank.
        ("SM escape; SA PATTERN_ESCAPE", r"\*a\* \<@1> \a \1", r"*a* <@1> \a \1"),
        ("SM escape", r"\\*a*", r"\italics(a)"),
        ("DM emoticon", r"¯\_(ツ)_/¯", r"¯\_(ツ)_/¯"),
        ("SM escape before DM emoticon", r"\¯\_(ツ)_/¯", "¯_(ツ)_/¯"),
        # Code: nothing inside is read.
        ("SM inlineCode", "`*a*` ``b`c``", "code(*a*) code(b`c)"),
        ("SA PATTERN_CODE_BLOCK", "```py\na = *b*\n```", "code_block(a = *b*)"),
        # Lines: headings, subtext, quotes, lists.
        (
            "SM heading; PD one to three signs",
            "# a\n## b\n### c\n#### d",
            "heading(a)heading(b)heading(c)#### d",
        ),
        ("SM heading", "a # b", "a # b"),
        ("PD within a style", "*# a*", "italics(heading(a))"),
        ("PD subtext; JR SUBTEXT_RE", "-# a\n-#b", "subtext(a)-#b"),
        ("DM blockQuote", "> a\n> b\nc", "quote(a\nb)c"),
        ("DM blockQuote", ">>> a\nb", "quote(a\nb)"),
        ("DM blockQuote", "a > b", "a > b"),
        ("SM list; PD two blanks", "- a\n  - b\n- c", "list(item(a\nlist(item(b)))item(c))"),
        ("SM list", "3. a\n4. b", "list(item(a)item(b))"),
        ("SM list", "a\n1. b", "a\nlist(item(b))"),
        ("SM list", "1.a -b", "1.a -b"),
        ("DM blockQuote within SM list", "- > a", "list(item(quote(a)))"),
        # Links.
        ("SM url", "x https://ab.c/d, y", "x link(https://ab.c/d), y"),
        ("SM url", "xhttps://ab.c", "xlink(https://ab.c)"),
        ("SM escape before url", r"https\://ab.c", "https://ab.c"),
        ("SM autolink", "<https://a>", "link(https://a)"),
        (
            "SM autolink; PD brackets go whatever the scheme",
            "<a:/[b](https://c)>",
            "bracketless(a:/[b](https://c))",
        ),
        ("SM escape and link", r"\<a:/[b](https://cd)>", "<a:/link(b)>"),
        ("SM link", "[a](https://b)", "link(a)"),
        ("SM link; PD _is_link_admissable", "[x](y) [a](<https://b> 'c')", "[x](y) link(a)"),
        ("PD _is_link_admissable", "[a](ftp://b)", "[a](ftp://b)"),
        ("PD _is_link_admissable", "[https://ab](https://c)", "[https://ab](https://c)"),
        ("PD clean_scheme_confusables", "[ｈttps：//ab](https://c)", "[ｈttps：//ab](https://c)"),
        ("#6185 no escapes in a label", r"[\*a\*](https://b)", r"link(\*a\*)"),
        ("#6185 no escapes in a label", r"[\*\**](https://b)", r"link(\italics(\*))"),
        ("PD _is_link_admissable", "[<@1>](https://b)", "[<@1>](https://b)"),
        ("PD has_special_link", "[discord.gg/a](https://b)", "[discord.gg/a](https://b)"),
        ("PD has_special_link", "discord.gg/abc", "invite(discord.gg/abc)"),
        ("SM mailto; REF User", "<a@b.c> <b<@1>", "link(a@b.c) <buser(1)"),
        # Mentions and the like.
        ("REF User, Role, Channel", "<@1> <@!1> <@&2> <#3>", "user(1) user(1) role(2) channel(3)"),
        ("DM everyone, here", "@everyone @here @them", "everyone(@everyone) everyone(@here) @them"),
        ("REF Slash command", "</vary:1> </stats me:2>", "command(vary) command(stats me)"),
        (
            "REF Guild navigation",
            "<id:customize> <id:linked-roles:4>",
            "navigation(customize) navigation(linked-roles:4)",
        ),
        ("REF Unix timestamp", "<t:17> <t:17:R> <t:-1:S>", "time(f) time(R) time(S)"),
        ("PD the furthest time", "<t:99999999999999>", "<t:99999999999999>"),
        (
            "REF Custom emoji; PD an emoji by its name",
            "<:a:1> <a:b:2> :smile: 🥺",
            "emoji(a) emoji(b) emoji_name(:smile:) 🥺",
        ),
    ],
)
def test_the_rules_find_what_discord_finds(source: str, text: str, found: str):
    assert told(text) == found, source
    for name in source.split("; "):
        key = name.split()[0]
        assert key.startswith("#") or f"- {key}: " in str(markdown.__doc__)


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**a** *b* __c__ ~~d~~", "<strong>a</strong> <em>b</em> <u>c</u> <s>d</s>"),
        ("<@1> <#2>", '<span class="pill">@Al&lt;b&gt;ice</span> <span class="pill">#pictures'),
        ("<t:17:R>", '<time data-unix="17" data-style="R"></time>'),
        ("> a\nb", "<blockquote>a</blockquote>b"),
        ("-# small", "<small>small</small>"),
        ("||a **b**||", 'aria-label="Spoiler">a <strong>b</strong></span>'),
        ("a || b", "a || b"),
        ("a\nb", "a<br>b"),
        ("7. a", '<ol start="7"><li>a</li></ol>'),
        ("## a", "<h2>a</h2>"),
        (r"\*a\* \<@1>", "*a* &lt;@1&gt;"),
        ("[a](https://b)", '<a href="https://b" target="_blank" rel="noopener noreferrer">a</a>'),
        ("https://discord.com/channels/5/6/7", '<a class="pill" href="#m7">'),
    ],
)
def test_the_page_shows_it(text: str, html: str):
    assert html in to_html(text, NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "||<img src=x onerror=alert(1)>||",
        "[x](javascript:alert(1))",
        "<javascript:/alert(1)>",
        "![x](https://evil.example/x.png)",
        'https://a.example/"onmouseover="alert(1)',
        "<https://a.example/><iframe>",
        "`<b>` ```<b>```",
        '<t:1:R" onclick="x>',
        "[a](https://b'onmouseover='alert(1))",
    ],
)
def test_no_markup_of_the_text_s_own_gets_through(text: str):
    html = to_html(text, NAMES)
    for bad in ("<script", "<img", "<iframe", "<b>", 'href="javascript', '"onmouse', "'onmouse"):
        assert bad not in html
    assert 'R" on' not in html


def test_the_words_that_are_shown_are_told():
    assert plain(parse("**a** `b` <https://c>\n- d")) == "a b https://c\nd"


@pytest.mark.parametrize("text", ["*" * 4000, "[" * 4000, "> " * 2000, "- " * 2000, "[a" * 2000])
def test_nothing_is_nested_too_deep_to_be_read(text: str):
    assert to_html(text, NAMES)
