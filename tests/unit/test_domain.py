from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import (
    Kind,
    Option,
    clean_prompt,
    is_supported_upload,
    option_rows,
    read_option,
    unique_options,
)

HASH = "f7289898-c3ff-48f8-89df-bcec5d44a3ea"
DOCUMENTED = [
    *[(f"MJ::JOB::upsample::{n}::{HASH}", f"U{n}") for n in range(1, 5)],
    (f"MJ::JOB::reroll::0::{HASH}::SOLO", "🔄"),
    *[(f"MJ::JOB::variation::{n}::{HASH}", f"V{n}") for n in range(1, 5)],
]


def documented() -> list[Option]:
    options = [read_option(custom, label, 2) for custom, label in DOCUMENTED]
    assert all(options)
    return [option for option in options if option]


def test_the_documented_options_are_read_in_their_order():
    assert [(o.kind, o.tile, o.label) for o in documented()] == [
        *[(Kind.UPSCALE, n, f"U{n}") for n in range(1, 5)],
        (Kind.REROLL, 0, "🔄"),
        *[(Kind.VARIATION, n, f"V{n}") for n in range(1, 5)],
    ]


def test_the_documented_options_are_laid_out_as_five_over_four():
    rows = option_rows(documented())
    assert [[o.label for _, o in row] for row in rows] == [
        ["U1", "U2", "U3", "U4", "🔄"],
        ["V1", "V2", "V3", "V4"],
    ]
    assert [position for row in rows for position, _ in row] == list(range(9))


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
def test_however_many_options_come_they_fit_a_message(options: list[Option]):
    unique = unique_options(options)
    rows = option_rows(unique)
    assert len(unique) == len({(o.kind, o.tile) for o in options}) <= 9
    assert [o for row in rows for _, o in row] == list(unique)
    assert all(1 <= len(row) <= 5 for row in rows)
    assert len(rows) <= 5


@given(st.text(), st.none() | st.text(), st.none() | st.integers())
def test_no_option_breaks_the_reader(custom: str, label: str | None, style: int | None):
    option = read_option(custom, label, style)
    if option is not None:
        assert 1 <= len(option.label) <= 80
        assert option.style in {1, 2, 3, 4}
        assert (option.tile == 0) == (option.kind is Kind.REROLL)


@given(st.text(alphabet=st.characters(codec=None)))
def test_a_clean_prompt_can_be_sent_and_stored(prompt: str):
    cleaned = clean_prompt(prompt)
    cleaned.encode()
    assert "\x00" not in cleaned
    assert clean_prompt(cleaned) == cleaned
    assert len(cleaned) <= len(prompt)


@pytest.mark.parametrize(
    ("prompt", "cleaned"),
    [
        ("  a cat ", "a cat"),
        ("a\x00 cat\x1b[31m", "a cat[31m"),
        ("a \ud800cat", "a cat"),
        ("👩\u200d🚀", "👩\u200d🚀"),
        ("\u200b\u200e \u2060", ""),
        ("", ""),
        (" \n\t ", ""),
    ],
)
def test_what_cannot_be_seen_is_taken_out_of_a_prompt(prompt: str, cleaned: str):
    assert clean_prompt(prompt) == cleaned


@pytest.mark.parametrize(
    ("name", "content_type", "supported"),
    [
        ("cat.png", "image/png", True),
        ("cat.JPEG", "image/jpeg", True),
        ("cat.webp", "image/webp; charset=binary", True),
        ("cat.gif", None, True),
        ("cat.png", "application/zip", False),
        ("cat.exe", "image/png", False),
        ("cat", "image/png", False),
        ("cat.svg", "image/svg+xml", False),
        ("cat.bmp", "image/bmp", False),
    ],
)
def test_uploads_are_known_by_declared_type_and_name(
    name: str, content_type: str | None, supported: bool
):
    assert is_supported_upload(name, content_type) is supported
