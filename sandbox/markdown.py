"""Discord's dialect of Markdown: a table of rules, tried in order at every place of a text.

Sources, as they are named beside each rule:

- SM: simple-markdown, ``defaultRules`` (github.com/ariabuckles/simple-markdown), the parser that
  Discord's clients are built on;
- SA: ``SimpleMarkdownRules.kt`` and ``CodeRules.kt`` of Discord's own github.com/discord/SimpleAST;
- REF: "Message Formatting" in ``developers/reference.mdx`` of discord/discord-api-docs;
- PD: github.com/LyricLy/parse-discord, found by trial on Discord's desktop client;
- DM: github.com/brussell98/discord-markdown and github.com/ItzDerock/discord-markdown-parser;
- JR: github.com/jeremy-rifkin/discord-markdown, with its list of edge cases;
- thread numbers are those of discord/discord-api-docs.

Where the sources differ the wider reading is taken: what any of them finds is found here.
Emoji as Unicode characters stay text, as they look the same either way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from html import escape
from typing import Literal

Match = re.Match[str]

LISTS = 11  # lists within lists (PD)
DEPTH = 40  # anything within anything; what is deeper stays text
SECONDS = 8_640_000_000_000  # the furthest time in either direction (PD)
TAGS = {
    **{"bold": "strong", "italics": "em", "underline": "u", "strike": "s", "code": "code"},
    **{"quote": "blockquote", "subtext": "small", "item": "li"},
}
JUMP = re.compile(r"https://discord\.com/channels/(?:\d+|@me)/(\d+)/(\d+)$")


@dataclass(frozen=True, slots=True)
class Node:
    """A piece of a text: ``text`` is what it shows, unless it has ``children``.

    ``target`` is an address, an id, a language or a number, as the kind needs.
    """

    kind: str
    text: str = ""
    target: str = ""
    children: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where the text that is being read stands."""

    line_start: bool = True
    in_quote: bool = False
    lists: int = 0
    depth: int = 0
    label: Literal["no", "checked", "shown"] = "no"


@dataclass(frozen=True, slots=True)
class Rule:
    """What begins where ``match`` finds it.

    Its group ``inner`` holds Markdown, ``text`` what is shown as it is, ``target`` an id or
    address. ``build`` makes the node where that isn't enough; it returns None for no match.
    """

    kind: str
    match: Callable[[str, int], Match | None]
    line_start: bool = False
    in_label: bool = False
    build: Callable[[Match, Place], Node | None] | None = None


def parse(text: str) -> tuple[Node, ...]:
    """Return what a text consists of; neighbouring pieces of plain text are one."""
    return _parse(re.sub(r"\r\n?", "\n", text).replace("\t", "    "), Place())


def plain(nodes: tuple[Node, ...]) -> str:
    """Return the words that some nodes show."""
    return "".join(plain(node.children) if node.children else node.text for node in nodes)


def to_html(text: str, names: Mapping[str, str]) -> str:
    """Return Markdown as HTML that holds no markup of the text's own.

    ``names`` are those of users and channels by their id.
    """
    return _html(parse(text), names)


def _parse(text: str, place: Place) -> tuple[Node, ...]:
    if place.depth > DEPTH:
        return (Node("text", text),)
    nodes: list[Node] = []
    at = 0
    while at < len(text):
        line = text.rfind("\n", 0, at) + 1
        starts = not text[line:at].strip(" ") and (place.line_start or line > 0)
        node, at = _next(text, at, replace(place, line_start=starts, depth=place.depth + 1))
        if node.kind == "text" and nodes and nodes[-1].kind == "text":
            nodes[-1] = Node("text", nodes[-1].text + node.text)
        elif node.text or node.kind != "text":
            nodes.append(node)
    return tuple(nodes)


def _next(text: str, at: int, place: Place) -> tuple[Node, int]:
    """Return the node that starts at a place, and where the next one starts."""
    for rule in RULES:
        if rule.line_start and not place.line_start:
            continue
        if place.label == "shown" and not rule.in_label:
            continue
        match = rule.match(text, at)
        if match and (node := (rule.build or _node(rule.kind))(match, place)):
            return node, match.end()
    raise AssertionError("the last rule matches anything")


def _node(kind: str) -> Callable[[Match, Place], Node]:
    def build(match: Match, place: Place) -> Node:
        groups = match.groupdict()
        inner = groups.get("inner")
        return Node(
            kind,
            groups.get("text") or "",
            groups.get("target") or "",
            () if inner is None else _parse(inner, place),
        )

    return build


def _heading(match: Match, place: Place) -> Node | None:
    if place.lists:
        return None
    words = re.sub(r"\s*#*\s*$", "", match["inner"])
    return Node("heading", target=str(len(match["signs"])), children=_parse(words, place))


def _code(match: Match, place: Place) -> Node:
    """Return code; in the label of a masked link it is searched for addresses too (PD)."""
    words = re.sub(r"^ (?= *`)|(?<=`) $", "", match["text"])
    inside = _parse(words, place) if place.label == "checked" else ()
    return Node("code", words, children=inside)


def _quote(match: Match, place: Place) -> Node | None:
    if place.in_quote:
        return None
    lines = match["lines"]
    inner = match["rest"] if lines is None else re.sub(r"(?m)^ *> ?", "", lines).removesuffix("\n")
    return Node("quote", children=_parse(inner, replace(place, in_quote=True)))


def _list(match: Match, place: Place) -> Node | None:
    if place.lists >= LISTS:
        return None
    place = replace(place, line_start=True, lists=place.lists + 1)
    items: list[Node] = []
    for item in ITEM.finditer(match[0]):
        body = re.sub(rf"(?m)^ {{1,{len(item['bullet'])}}}", "", item["body"])
        items.append(Node("item", children=_parse(body, place)))
    number = re.match(r" *(\d{1,10})", match[0])
    first = str(max(int(number[1]), 1)) if number else ""
    return Node("list", target=first, children=tuple(items))


def _escape(match: Match, place: Place) -> Node | None:
    return None if place.label == "checked" else Node("text", match["text"])


def _angle_link(match: Match, _: Place) -> Node:
    """Return a link, or the words alone, without their brackets, where the scheme isn't known."""
    known = re.match(r"(?i)(?:https?|discord):", match["text"])
    return Node("link" if known else "bracketless", match["text"], match["text"] if known else "")


def _masked_link(match: Match, place: Place) -> Node | None:
    target = re.sub(r"\\([^0-9A-Za-z\s])", r"\1", match["target"])
    label = UNSEEN.sub("", match["label"])
    checked = _parse(label.translate(LOOKALIKES), replace(place, label="checked"))
    fits = all(node.kind in LABEL_KINDS for node in _walk(checked)) and plain(checked).strip()
    if not fits or not re.match(r"(?i)https?://[^/\s]|discord://", target):
        return Node("text", match[0])
    return Node("link", target=target, children=_parse(label, replace(place, label="shown")))


def _walk(nodes: tuple[Node, ...]) -> Iterator[Node]:
    """Go through some nodes and what is in them, but for lists, as the client does (PD)."""
    for node in nodes:
        yield node
        if node.kind != "list":
            yield from _walk(node.children)


def _longest_style(text: str, at: int) -> Match | None:
    found = [match for style in STYLES if (match := style.match(text, at))]
    return max(found, key=lambda match: match.end(), default=None)


def _style(match: Match, place: Place) -> Node:
    kind, inner = next((k, i) for k, i in match.groupdict().items() if i is not None)
    return Node(kind.rstrip("_"), children=_parse(inner, place))


def _time(match: Match, _: Place) -> Node:
    if abs(int(match["target"][:20])) > SECONDS:
        return Node("text", match[0])
    return Node("time", match["style"] or "f", match["target"])


def _html(nodes: tuple[Node, ...], names: Mapping[str, str]) -> str:
    return "".join(_node_html(node, names) for node in nodes)


def _node_html(node: Node, names: Mapping[str, str]) -> str:
    words, target = escape(node.text).replace("\n", "<br>"), escape(node.target)
    inner = _html(node.children, names) if node.children else words
    match node.kind:
        case "link" | "invite":
            return _link(node, inner)
        case "user" | "role":
            name = names.get(node.target, f"unknown-{node.kind}")
            return f'<span class="pill">@{escape(name)}</span>'
        case "channel":
            return f'<span class="pill">#{escape(names.get(node.target, "unknown"))}</span>'
        case "command":
            return f'<span class="pill">/{words}</span>'
        case "navigation":
            return f'<span class="pill">{target}</span>'
        case "everyone":
            return f'<span class="pill">{words}</span>'
        case "time":
            return f'<time data-unix="{target}" data-style="{words}"></time>'
        case "emoji":
            return f":{words}:"
        case "heading":
            return f"<h{target}>{inner}</h{target}>"
        case "list":
            return f'<ol start="{target}">{inner}</ol>' if target else f"<ul>{inner}</ul>"
        case "code_block":
            return f"<pre><code>{escape(node.text)}</code></pre>"
        case "spoiler":
            opening = '<span class="spoiler" tabindex="0" role="button" aria-label="Spoiler">'
            return f"{opening}{inner}</span>"
        case kind if tag := TAGS.get(kind):
            return f"<{tag}>{inner}</{tag}>"
        case _:
            return inner


def _link(node: Node, inner: str) -> str:
    address = node.target or node.text
    if (jump := JUMP.match(address)) and not node.children:
        return f'<a class="pill" href="#m{jump[2]}">💬 that message</a>'
    if "@" in address and "/" not in address:
        address = f"mailto:{address.removeprefix('mailto:')}"
    elif not re.match(r"(?i)[a-z]+://", address):
        address = f"https://{address}"
    return f'<a href="{escape(address)}" target="_blank" rel="noopener noreferrer">{inner}</a>'


def _any(pattern: str) -> Callable[[str, int], Match | None]:
    return re.compile(pattern, re.DOTALL).match


# A label's characters that show nothing are dropped, and letters that look like those of http
# are read as these (PD: clean_whitespace, clean_scheme_confusables; some of each).
UNSEEN = re.compile("[\u00ad\u034f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\u3000\u3164\ufeff]")
LOOKALIKES = str.maketrans("ｈｔｐｓһրѕ：∶／⁄∕", "htpshps::///")
# What the label of a masked link may hold (PD: _is_link_admissable).
LABEL_KINDS = {
    *("text", "bracketless", "bold", "underline", "italics", "strike", "code", "spoiler"),
    *("time", "list", "heading", "subtext", "quote"),
}
# SM: em, strong and u have one order, the longest wins, the first of these where equal.
STYLES = [
    # SM: em, PD: up to two blanks before the closing sign
    re.compile(r"\*(?!\s)(?P<italics>(?:\\.|\*\*|[^*\\])+?(?<!\s) {0,2})\*(?!\*)", re.DOTALL),
    re.compile(r"_(?P<italics_>(?:\\.|__|[^_\\])+?)_(?![0-9A-Za-z_])", re.DOTALL),
    # SM: strong; SA: PATTERN_BOLD
    re.compile(r"\*\*(?P<bold>(?:\\.|[^\\])+?)\*\*(?!\*)", re.DOTALL),
    # SM: u; SA: PATTERN_UNDERLINE
    re.compile(r"__(?P<underline>(?:\\.|[^\\])+?)__(?!_)", re.DOTALL),
]
BULLET, BODY = r"(?:[-*+]|\d+\.) +", r"[^\n]*(?:\n {2}[^\n]*)*"
ITEM = re.compile(rf" *(?P<bullet>{BULLET})(?P<body>{BODY})")
# SM: LINK_INSIDE and LINK_HREF_AND_TITLE
LABEL = r"(?:\[[^\]]*\]|[^\[\]]|\](?=[^\[]*\]))*"
ADDRESS = r"\s*<?(?P<target>(?:\([^)]*\)|[^\s\\]|\\.)*?)>?(?:\s+['\"].*?['\"])?\s*"
SIGN = r"[^0-9A-Za-z\s\u00c0-\U0010ffff]"
RULES = [
    # DM: spoiler, before everything else
    Rule("spoiler", _any(r"\|\|(?P<inner>.+?)\|\|"), in_label=True),
    # PD, JR: SUBTEXT_RE
    Rule("subtext", _any(r"-# +(?!-#)(?P<inner>[^\n]+)\n?"), line_start=True),
    # SM: heading, one to three signs (PD, JR: blanks before it, not twice; PD: not in lists)
    Rule("heading", _any(r" *(?P<signs>#{1,3})\s+(?!#)(?P<inner>[^\n]*)\n?"), True, build=_heading),
    # SA: PATTERN_CODE_BLOCK; PD: within a line too
    Rule("code_block", _any(r"```(?:(?P<target>[\w+\-.#]*)\n)?\n*(?P<text>[^\n].*?)\n*```")),
    # DM: blockQuote, not within another
    Rule(
        "quote", _any(r" *>>> (?P<rest>.*)|(?P<lines>(?: *> [^\n]*(?:\n|\Z))+)"), True, build=_quote
    ),
    # SM: list; PD: two blanks continue an item; JR: + as a bullet
    Rule("list", _any(rf"(?: *{BULLET}{BODY}(?:\n|\Z))+"), True, build=_list),
    # SM: escape; SA: PATTERN_ESCAPE; #6185: not in the label of a masked link
    Rule("text", _any(r"\\(?P<text>[^0-9A-Za-z\s])"), build=_escape),
    # REF: User, Role, Channel
    Rule("user", _any(r"<@!?(?P<target>\d+)>")),
    Rule("role", _any(r"<@&(?P<target>\d+)>")),
    Rule("channel", _any(r"<#(?P<target>\d+)>")),
    # REF: Slash command, with subcommand, with subcommand group
    Rule("command", _any(r"</(?P<text>[^:<>\n]+):(?P<target>\d+)>")),
    # REF: Guild navigation; DM: with the server's id
    Rule(
        "navigation",
        _any(r"<(?:id|\d+):(?P<target>(?:customize|browse|guide|linked-roles)(?::\d+)?)>"),
    ),
    # REF: Unix timestamp, Styled unix timestamp
    Rule(
        "time",
        _any(r"<t:(?P<target>-?\d+)(?::(?P<style>[tTdDfFsSR]))?>"),
        in_label=True,
        build=_time,
    ),
    # REF: Custom emoji, Animated custom emoji
    Rule("emoji", _any(r"<a?:(?P<text>\w+):(?P<target>\d+)>"), in_label=True),
    # SM: autolink; PD: brackets go whatever the scheme
    Rule("link", _any(r"<(?P<text>[^: >\n]+:/[^ >\n]+)>"), build=_angle_link),
    # SM: mailto
    Rule("link", _any(r"<(?P<text>[^\s<>@]+@[^\s<>]+)>")),
    # SM: url; PD: steam (and discord, in case)
    Rule("link", _any(r"(?i)(?P<text>(?:https?|steam|discord)://[^\s<]*[^<.,:;\"')\]\s])")),
    # PD: has_special_link, invites are found without a scheme
    Rule("invite", _any(r"(?i)(?P<text>discord(?:\.gg|(?:app)?\.com/invite)/[\w-]+)")),
    # SM: link
    Rule("link", _any(rf"\[(?P<label>{LABEL})\]\({ADDRESS}\)"), build=_masked_link),
    # DM: everyone, here
    Rule("everyone", _any(r"(?P<text>@everyone|@here)")),
    # PD: an emoji by its name
    Rule("emoji_name", _any(r"(?P<text>:\w+:)"), in_label=True),
    # SM: em, strong, u
    Rule("style", _longest_style, in_label=True, build=_style),
    # SM: del; DM: strikethrough
    Rule("strike", _any(r"~~(?P<inner>.+?)~~(?!_)"), in_label=True),
    # SM: inlineCode; SA: PATTERN_CODE_INLINE
    Rule("code", _any(r"(`+)(?P<text>.+?)(?<!`)\1(?!`)"), in_label=True, build=_code),
    # DM: emoticon
    Rule("text", _any(r"(?P<text>¯\\_\(ツ\)_/¯)"), in_label=True),
    # DM: br, a line's end stands alone, for what begins the next line
    Rule("text", _any(r"(?P<text>\n)"), in_label=True),
    # SM, SA: text goes on to the next sign, line or address
    Rule("text", _any(rf"(?i)(?P<text>.+?(?={SIGN}|\n|https?:|steam:|discord|\Z))"), in_label=True),
]
