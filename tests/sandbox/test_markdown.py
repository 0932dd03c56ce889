"""Discord's markdown as the page shows it."""

from __future__ import annotations

import pytest

from sandbox.markdown import to_html

NAMES = {"1": "Al<b>ice", "2": "pictures"}


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**a** *b* __c__ ~~d~~", "<strong>a</strong> <em>b</em> <u>c</u> <s>d</s>"),
        ("<@1> <#2>", '<span class="pill">@Al&lt;b&gt;ice</span> <span class="pill">#pictures'),
        ("<t:17:R>", '<time data-unix="17" data-style="R"></time>'),
        ("> a\nb", "<blockquote>\n<p>a</p>\n</blockquote>\n<p>b</p>"),
        ("-# small", "<small>small</small>"),
        ("||a **b**||", 'aria-label="Spoiler">a <strong>b</strong></span>'),
        ("a || b", "<p>a || b</p>"),
        (r"\*a\* \<@1>", "<p>*a* &lt;@1&gt;</p>"),
        ("https://discord.com/channels/5/6/7", '<a class="pill" href="#m7">'),
    ],
)
def test_it_reads_as_at_discord(text: str, html: str):
    assert html in to_html(text, NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "||<img src=x onerror=alert(1)>||",
        "[x](javascript:alert(1))",
        "![x](https://evil.example/x.png)",
        'https://a.example/"onmouseover="alert(1)',
        "<https://a.example/><iframe>",
        "`<b>` ```<b>```",
        '<t:1:R" onclick="x>',
    ],
)
def test_no_markup_of_the_text_s_own_gets_through(text: str):
    html = to_html(text, NAMES)
    for bad in ("<script", "<img", "<iframe", "<b>", 'href="javascript', '"onmouse', 'R" on'):
        assert bad not in html
