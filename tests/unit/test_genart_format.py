"""The API's grammar: bytes in, values out. No server, no I/O."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import Kind, Option
from bot.errors import ApiNonsense
from bot.genart_format import (
    marker_of,
    matches,
    read_answer,
    read_description,
    read_descriptions,
    read_option,
    read_reason,
    read_retry_after,
    unique_options,
)
from bot.prompts import PROMPT_LENGTH, clean_prompt

HASH = "f7289898-c3ff-48f8-89df-bcec5d44a3ea"
URI = "https://cdn.discordapp.com/attachments/1/2/a.png?ex=6642edfa&is=66419c7a&hm=17fd&"
PROXY = "https://media.discordapp.net/attachments/1/2/a.png?ex=6642edfa&is=66419c7a&hm=17fd&"
DOCUMENTED = [
    *[(f"MJ::JOB::upsample::{n}::{HASH}", f"U{n}") for n in range(1, 5)],
    (f"MJ::JOB::reroll::0::{HASH}::SOLO", "🔄"),
    *[(f"MJ::JOB::variation::{n}::{HASH}", f"V{n}") for n in range(1, 5)],
]


def body(**changes: Any) -> bytes:
    """Return the documentation's example with some fields changed."""
    return json.dumps(
        {
            "content": "[7413988501] <https://s.mj.run/qIPFnpL46Cw> a cyberpunk city",
            "id": "1239440027558088704",
            "uri": URI,
            "proxy_url": PROXY,
            "flags": 0,
            "hash": HASH,
            "progress": "done",
            "options": [
                {"type": 2, "style": 2, "label": label, "custom": custom}
                for custom, label in DOCUMENTED
            ],
            "width": 2048,
            "height": 2048,
            "taskId": "Wzc0MTM=",
        }
        | changes
    ).encode()


def documented() -> list[Option]:
    options = [read_option(custom, label, 2) for custom, label in DOCUMENTED]
    assert all(options)
    return [option for option in options if option]


def test_the_documented_answer_is_read_whole():
    answer = read_answer(body())
    assert answer.result.image_urls == (URI, PROXY)
    assert answer.result.options == tuple(documented())
    assert answer.result.api_id == "1239440027558088704"
    assert answer.result.api_hash == HASH
    assert answer.result.flags == 0
    assert answer.result.task_id == "Wzc0MTM="
    assert answer.result.size == (2048, 2048)
    assert marker_of(answer.content) == "7413988501"
    assert matches(answer.content, "a cyberpunk city")


@pytest.mark.parametrize(
    "value", [None, "x", {}, [], [[]], True, -1, 1e400, 10**40, "\x00", "\ud83d"]
)
@pytest.mark.parametrize(
    "field", ["content", "id", "flags", "hash", "options", "width", "height", "taskId"]
)
def test_a_field_that_nobody_needs_never_costs_the_result(field: str, value: object):
    answer = read_answer(body(**{field: value}))
    assert answer.result.image_urls == (URI, PROXY)
    texts = [answer.result.api_id, answer.result.api_hash, answer.result.task_id]
    assert all("\x00" not in text and text.encode() is not None for text in texts if text)
    assert answer.result.flags is None or 0 <= answer.result.flags < 2**31


@pytest.mark.parametrize(
    "uri",
    [
        None,
        17,
        "",
        "https://xn--0",
        "https://",
        "file:///etc/passwd",
        "x" * 9,
        "https://a:b/",
        "https://a b/",
        "https://a\n.example/",
        "https://[::1/",
    ],
)
def test_a_uri_that_is_no_address_leaves_the_proxy_url(uri: object):
    assert read_answer(body(uri=uri)).result.image_urls == (PROXY,)


def test_links_that_are_alike_are_one():
    assert read_answer(body(proxy_url=URI)).result.image_urls == (URI,)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b"null",
        b"<html></html>",
        b"\xff\xfe\x00",
        b"[" * 1_000_000,
        b'{"uri":' * 100_000,
        b'{"id": ' + b"9" * 9_000 + b"}",
        body()[:-40],
        body(uri=None, proxy_url="ftp://a.example/x"),
        body(progress="42%"),
        body(progress=0),
        body(progress={}),
    ],
    ids=range(13),
)
def test_what_names_no_finished_picture_is_nonsense(answer: bytes):
    with pytest.raises(ApiNonsense):
        read_answer(answer)


def test_progress_may_be_missing():
    assert read_answer(body(progress=None)).result.image_urls


def test_a_broken_byte_or_half_an_emoji_leaves_the_content_unknown():
    broken = body().replace(b"cyberpunk", b"cyber\xffpunk")
    assert read_answer(broken).content is None
    assert read_answer(body(content="a \ud83d cat")).content is None
    assert read_answer(body(content="a 🐈")).content == "a 🐈"


def test_however_many_malformed_options_come_they_are_one_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
):
    late = {"custom": DOCUMENTED[0][0], "label": "U1"}
    with caplog.at_level(logging.DEBUG):
        assert read_answer(body(options=[[]] * 400_000 + [late])).result.options == ()
    assert len(caplog.records) == 1


def test_options_that_are_malformed_leave_the_others():
    options = [{"custom": DOCUMENTED[0][0]}, {"label": 7}, None, {"custom": "x"}, {"label": "V2"}]
    read = read_answer(body(options=options)).result.options
    assert [(o.label, o.style) for o in read] == [("U1", 2), ("V2", 2)]


def test_a_label_holds_no_control_characters():
    option = {"custom": DOCUMENTED[0][0], "label": "\x1b[31mU1\r\n\x00"}
    (read,) = read_answer(body(options=[option])).result.options
    assert read.label == "[31mU1"


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ('{"message": "The prompt is banned."}', "The prompt is banned."),
        ('{"error": "Too long"}', "Too long"),
        ("Plain words.", "Plain words."),
        ("<html><body>no</body></html>", None),
        ('{"message": {"code": 1}}', None),
        ('{"message": "' + "x" * 400 + '"}', None),
        ('{"message": "red \\u001b[31m words"}', None),
        ("", None),
        ("[" * 1_000_000, None),
        ('{"a":' * 100_000, None),
        ('{"message": "the token account-token is bad"}', None),
    ],
    ids=range(11),
)
def test_a_reason_is_a_sentence_without_secrets_or_nothing(answer: str, sentence: str | None):
    assert read_reason(answer.encode(), ["account-token"]) == sentence


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        (" 0.2 ", 1),
        ("-4", 1),
        ("99999999", 3600),
        ("inf", 3600),
        ("Thu, 01 Jan 2026 12:01:00 GMT", 60),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 1),
        ("Thu, 01 Jan 2026 12:01:00", None),
        ("nan", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_is_a_second_to_an_hour_or_nothing(value: str, seconds: float | None):
    assert read_retry_after(value, NOON) == seconds


@pytest.mark.parametrize(
    ("content", "marker"),
    [
        ("[7413988501] <https://s.mj.run/x> a cat", "7413988501"),
        ("<#7413988501#> <https://s.mj.run/x> a cat", "7413988501#"),
        ("<#7413> a cat", "7413"),
        ("  [1] a cat", "1"),
        ("a cat [7]", None),
        ("<https://s.mj.run/x> a cat", None),
        ("[seven] a cat", None),
        ("", None),
        (None, None),
    ],
)
def test_a_marker_is_what_the_content_begins_with(content: str | None, marker: str | None):
    assert marker_of(content) == marker


def test_a_prompt_that_looks_like_a_marker_is_none():
    assert marker_of("[5] cats", "[5] cats") is None
    assert marker_of("[99] <https://s.mj.run/x> [5] cats", "[5] cats") == "99"


@pytest.mark.parametrize(
    ("content", "prompt", "same"),
    [
        ("[74] <https://s.mj.run/x> a cat", "a cat", True),
        ("<#74#> <https://s.mj.run/x> a cat", "a cat", True),
        ("<https://s.mj.run/x> a cat", "a cat", True),
        ("a cat", "a cat", True),
        ("[74] a  cat --ar 3:2", "a cat\n—ar 3:2", True),
        ("[74] <https://s.mj.run/x> a cat --v 6.1", "a cat", True),
        (
            "[74] <https://s.mj.run/y> like <https://s.mj.run/z> it",
            "like https://a.example it",
            True,
        ),
        ("[74] [5] cats", "[5] cats", True),
        ("[5] cats", "[5] cats", True),
        (None, "a cat", True),
        ("[74] <https://s.mj.run/x> a dog", "a cat", False),
        ("[74] <https://s.mj.run/x> a cat in a hat", "a cat", False),
        ("[74] <https://s.mj.run/x> a", "a cat", False),
        ("[74] <https://s.mj.run/x> a cat --ar 3:2", "a cat --ar 2:3", False),
        ("[74] [6] cats", "[5] cats", False),
        ("", "a cat", False),
    ],
)
def test_the_content_tells_whose_prompt_it_is(content: str | None, prompt: str, same: bool):
    assert matches(content, prompt) is same


@given(st.text(), st.text())
def test_no_content_breaks_the_comparison(content: str, prompt: str):
    matches(content, prompt)
    marker_of(content, prompt)
    assert matches(f"[1] <https://s.mj.run/x> {prompt}", prompt)


@pytest.mark.parametrize(
    "custom",
    [
        f"MJ::Outpaint::50::1::{HASH}::SOLO",
        f"MJ::JOB::pan_left::1::{HASH}::SOLO",
        f"MJ::JOB::upsample_v6_2x_subtle::1::{HASH}::SOLO",
        f"MJ::JOB::animate_high::1::{HASH}::SOLO",
        f"MJ::BOOKMARK::{HASH}",
        f"MJ::Inpaint::1::{HASH}::SOLO",
        f"MJ::JOB::upsample::5::{HASH}",
        f"MJ::JOB::upsample::0::{HASH}",
        "",
    ],
)
def test_options_of_other_kinds_are_not_shown(custom: str):
    assert read_option(custom, "❤️", 2) is None


def test_a_missing_label_is_made_from_what_the_option_does():
    assert [read_option(custom, None, None) for custom, _ in DOCUMENTED] == documented()


def test_a_label_decides_only_where_the_custom_id_is_of_no_known_form():
    option = read_option("job-17", "V3", 1)
    assert option == Option(Kind.VARIATION, 3, "V3", 1, "job-17")
    assert read_option(f"MJ::JOB::zoom::1::{HASH}", "V3", 1) is None


@pytest.mark.parametrize("style", [None, 0, 5, 6, -1])
def test_a_style_that_a_button_with_a_custom_id_cannot_have_is_grey(style: int | None):
    option = read_option(DOCUMENTED[0][0], "U1", style)
    assert option is not None
    assert option.style == 2


@given(st.lists(st.sampled_from(documented()), max_size=60))
def test_each_option_is_kept_once(options: list[Option]):
    unique = unique_options(options)
    assert len(unique) == len({(o.kind, o.tile) for o in options}) <= 9


@given(st.text(), st.none() | st.text(), st.none() | st.integers())
def test_no_option_breaks_the_reader(custom: str, label: str | None, style: int | None):
    option = read_option(custom, label, style)
    if option is not None:
        assert 1 <= len(option.label) <= 80
        assert option.label.isprintable() or not any(ord(c) < 32 for c in option.label)
        assert option.style in {1, 2, 3, 4}
        assert (option.tile == 0) == (option.kind is Kind.REROLL)


FIELDS = st.sampled_from(
    ["uri", "proxy_url", "options", "id", "hash", "flags", "taskId", "custom", "label", "style"]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.just(URI),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=5),
    max_leaves=12,
)


@given(JSON)
def test_no_answer_of_the_api_breaks_its_reader(answer: object):
    try:
        result = read_answer(json.dumps(answer).encode()).result
    except ApiNonsense:
        return
    assert result.image_urls
    assert len(result.options) <= 9


# Descriptions.


@pytest.mark.parametrize(
    ("text", "prompt"),
    [
        ("1️⃣ An old man with a beard ", "An old man with a beard"),
        (
            "2️⃣ A portrait, in the style of "
            "[Atey Ghailan](https://goo.gl/search?artist%20Atey%20Ghailan). --ar 128:85 ",
            "A portrait, in the style of Atey Ghailan. --ar 128:85",
        ),
        ("3️⃣ --ar 2:3 a lamp, --no shade", "a lamp, --no shade --ar 2:3"),
        ("a lamp —ar 16:9", "a lamp --ar 16:9"),
        ("a lamp --aspect 1.5:1 --AR 2:3 here", "a lamp here --ar 1.5:1"),
        ("[a (b)](https://x.example/c_(d)?e=f) and <https://y.example> too", "a (b) and too"),
        ('[a](<https://x.example/> "title"), https://z.example/?q=1 b', "a, b"),
        ("[a lamp] (in brass), array[3]", "[a lamp] (in brass), array[3]"),
        ("a sailor — old — at sea -- alone", "a sailor, old, at sea, alone"),
        ("tabs\tand\nlines \x00 here", "tabs and lines here"),
        ("broken \ufffd\ud83d sign", "broken sign"),
        ("4️⃣  --ar 2:3", ""),
        ("  ", ""),
    ],
)
def test_a_description_reads_as_a_prompt(text: str, prompt: str):
    assert read_description(text) == prompt


@given(st.text(max_size=3_000))
def test_whatever_a_description_is_it_is_a_prompt_that_stays_as_it_is(text: str):
    prompt = read_description(text)
    assert len(prompt) <= PROMPT_LENGTH
    assert prompt == clean_prompt(prompt)


def described(**fields: Any) -> bytes:
    """Return the documentation's example of ``describe`` with some fields changed."""
    descriptions = [f"{n}️⃣ description {n}  " for n in range(1, 5)]
    whole = {"id": "1239440027558088704", "flags": 0, "descriptions": descriptions}
    return json.dumps(whole | fields).encode()


def test_four_descriptions_are_read_and_a_button_for_others():
    answer = read_descriptions(described(uri=URI, options=[{"label": "1️⃣"}]))
    result = answer.result
    assert result.descriptions == tuple(f"description {n}" for n in range(1, 5))
    assert result.options == (Option(Kind.DESCRIBE, 0, "🔄", 2, ""),)
    assert (result.image_urls, result.api_id, result.flags) == ((), "1239440027558088704", 0)
    assert answer.content is None


def test_what_is_malformed_beside_a_description_counts_as_missing():
    given = [None, 7, "", {"a": 1}, "kept", "kept", "also"]
    result = read_descriptions(described(id=[], flags="x", descriptions=given)).result
    assert result.descriptions == ("kept", "also")
    assert (result.api_id, result.flags) == (None, None)


@pytest.mark.parametrize("given", [None, [], "text", ["1️⃣ "], {"1": "a"}])
def test_an_answer_without_a_description_is_refused(given: object):
    with pytest.raises(ApiNonsense):
        read_descriptions(described(descriptions=given))
