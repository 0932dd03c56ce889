"""Discord's markdown as HTML, by markdown-it with HTML off; what it adds is handled here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

MARK = re.compile(r"<(?:@(?P<user>[!&]?\d+)|#(?P<channel>\d+)|t:(?P<time>-?\d+)(?::(?P<style>[tTdDfFR]))?|/(?P<command>[^:<>]+):\d+|a?:(?P<emoji>\w+):\d+)>")  # fmt: skip  # noqa: E501
PIECE = re.compile(r"(\|\||https?://[^\s<>]+)")
JUMP = re.compile(r"https://discord\.com/channels/(?:\d+|@me)/(\d+)/(\d+)$")
# A quote ends with its line, where CommonMark lets the next one continue it.
QUOTE_END = re.compile(r"^(> .*)\n(?!> |\n)", re.MULTILINE)
OFF = ["image", "lheading", "code", "hr", "reference", "entity", "html_block", "html_inline"]


def to_html(text: str, names: Mapping[str, str]) -> str:
    """Return markdown as HTML that holds no markup of the text's own.

    ``names`` are those of users and channels by their id.
    """
    return _PARSER.render(QUOTE_END.sub(r"\1\n\n", text), {"names": names})


def _mark(state: StateInline, silent: bool) -> bool:
    """Parse ``<@id>``, ``<#id>``, ``<t:unix:style>``, ``</command:id>`` and ``<:emoji:id>``."""
    match = MARK.match(state.src, state.pos)
    if match and not silent:
        state.push("mark", "", 0).meta = match.groupdict()
    if match:
        state.pos = match.end()
    return match is not None


def _pieces(state: StateCore) -> None:
    """Find spoilers, bare links and subtext in what is text only."""
    for token in state.tokens:
        if token.type != "inline":
            continue
        found: list[Token] = []
        bars = sum(c.content.count("||") for c in token.children or [] if c.type == "text")
        open_spoiler = small = linked = False
        for child in token.children or []:
            starts_line = not found or found[-1].type in {"softbreak", "hardbreak"}
            if small and child.type in {"softbreak", "hardbreak"}:
                found.append(Token("raw", "", 0, content="</small>"))
                small = False
            if starts_line and child.type == "text" and child.content.startswith("-# "):
                found.append(Token("raw", "", 0, content="<small>"))
                child.content, small = child.content[3:], True
            if child.type == "link_open":
                child.attrs |= {"target": "_blank", "rel": "noopener noreferrer"}
            linked = child.type == "link_open" or (linked and child.type != "link_close")
            if child.type != "text" or linked:
                found.append(child)
                continue
            for piece in PIECE.split(child.content):
                if piece == "||" and (bars > 1 or open_spoiler):
                    open_spoiler, bars = not open_spoiler, bars - 1
                    tag = '<span class="spoiler" tabindex="0" role="button" aria-label="Spoiler">'
                    found.append(Token("raw", "", 0, content=tag if open_spoiler else "</span>"))
                elif piece.startswith("http"):
                    found.append(Token("raw", "", 0, content=_link(piece)))
                elif piece:
                    found.append(Token("text", "", 0, content=piece))
        if small:
            found.append(Token("raw", "", 0, content="</small>"))
        token.children = found


def _link(url: str) -> str:
    if jump := JUMP.match(url):
        return f'<a class="pill" href="#m{jump[2]}">💬 that message</a>'
    safe = escapeHtml(url)
    return f'<a href="{safe}" target="_blank" rel="noopener noreferrer">{safe}</a>'


def _render_mark(
    _: RendererHTML, tokens: Sequence[Token], at: int, __: object, env: dict[str, Any]
) -> str:
    meta: dict[str, str | None] = tokens[at].meta
    names: Mapping[str, str] = env["names"]
    if unix := meta["time"]:
        return f'<time data-unix="{unix}" data-style="{meta["style"] or "f"}"></time>'
    if user := meta["user"]:
        name = "role" if user[0] == "&" else names.get(user.lstrip("!"), "unknown-user")
        return f'<span class="pill">@{escapeHtml(name)}</span>'
    if channel := meta["channel"]:
        return f'<span class="pill">#{escapeHtml(names.get(channel, "unknown"))}</span>'
    if command := meta["command"]:
        return f'<span class="pill">/{escapeHtml(command)}</span>'
    return f":{escapeHtml(meta['emoji'] or '')}:"


def _render_raw(_: RendererHTML, tokens: Sequence[Token], at: int, *__: object) -> str:
    return tokens[at].content


def _render_strong(_: RendererHTML, tokens: Sequence[Token], at: int, *__: object) -> str:
    name = "u" if tokens[at].markup == "__" else "strong"
    return f"<{name}>" if tokens[at].nesting == 1 else f"</{name}>"


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True})
    parser.enable("strikethrough").disable(OFF)
    parser.inline.ruler.before("autolink", "mark", _mark)
    parser.core.ruler.after("inline", "pieces", _pieces)
    parser.add_render_rule("mark", _render_mark)
    parser.add_render_rule("raw", _render_raw)
    for rule in ("strong_open", "strong_close"):
        parser.add_render_rule(rule, _render_strong)
    return parser


_PARSER = _parser()
