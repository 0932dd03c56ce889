from __future__ import annotations

from contextlib import suppress
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.config import PROMPT_PARAMETERS
from bot.errors import (
    BlankPrompt,
    EncodedPromptTooLong,
    NotOffered,
    ParameterInAvoid,
    ParameterNotAllowed,
    PermutationNotAllowed,
    PromptTooLong,
    Refused,
)
from bot.prompts import (
    PROMPT_LENGTH,
    Choices,
    PromptRules,
    build_query,
    clean_prompt,
    forbidden_parameter,
    has_permutation,
    normalize_prompt,
    request_line,
    with_choices,
)

LINK = "https://cdn.discordapp.com/ephemeral-attachments/1/2/cat.png?ex=1&is=2&hm=3&"
RULES = PromptRules(PROMPT_PARAMETERS, 7_000)


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
        ("a\n\tcat\u3000 sleeps", "a cat sleeps"),
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
    ("prompt", "normal"),
    [
        ("a  cat\n\tsleeps ", "a cat sleeps"),
        ("a cat —ar 3:2", "a cat --ar 3:2"),
        ("a cat\n—ar 3:2", "a cat --ar 3:2"),
        ("a cat—like dog", "a cat—like dog"),
        ("a\u3000cat", "a cat"),
    ],
)
def test_a_prompt_is_sent_as_the_service_would_rewrite_it(prompt: str, normal: str):
    assert normalize_prompt(prompt) == normal
    assert parse_qs(build_query(prompt, "https://a.example/"))["prompt"] == [normal]


@given(st.text())
def test_normalizing_twice_changes_nothing(prompt: str):
    assert normalize_prompt(normalize_prompt(prompt)) == normalize_prompt(prompt)


def test_the_query_holds_exactly_what_was_given():
    link = "https://cdn.example/a b.png?ex=1&is=2&hm=3&"
    query = build_query("a cat & a dog? 100% = 🐈 +1", link)
    assert parse_qs(query) == {"prompt": ["a cat & a dog? 100% = 🐈 +1"], "imageUrl": [link]}
    assert query.isascii()
    assert " " not in query
    assert "+" not in query


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("a cat --ar 3:2 --no dogs --seed 7 --v 6 --tile", None),
        ("a cat --AR 3:2", None),
        ("a cat --repeat 4", "repeat"),
        ("a cat --ar 3:2 --Turbo", "turbo"),
        ("a cat —repeat 4", "repeat"),
        ("—fast a cat", "fast"),
        ("a cat\n—r 4", "r"),
        ("a cat--repeat 4", "repeat"),
        ("a cat --re\u200bpeat 4", "repeat"),
        ("a cat -\u200b-repeat 4", "repeat"),
        ("a cat --arrow", "arrow"),
        ("a cat --вид 4", "вид"),
        ("a cat — asleep", None),
        ("a cat—asleep—on a mat", None),
        ("a state-of-the-art cat -- asleep --- here", None),
        ("--", None),
    ],
)
def test_parameters_that_could_change_the_cost_are_found(prompt: str, name: str | None):
    assert forbidden_parameter(prompt, PROMPT_PARAMETERS) == name


@pytest.mark.parametrize(
    ("prompt", "permutation"),
    [
        ("a {red, green} cat", True),
        ("a cat --ar {3:2,1:1}", True),
        ("a {{red}, green} cat", True),
        ("a {big {red, green}} cat", True),
        ("a {red,\ngreen} cat", True),
        ("a {red} cat, {green}", False),
        ("a } red, green { cat", False),
        ("a {red, green cat", False),
        ("a (red, green) cat", False),
        ("}" * 1_800, False),
        ("{" * 1_800, False),
    ],
)
def test_permutations_are_found(prompt: str, permutation: bool):
    assert has_permutation(prompt) is permutation


@pytest.mark.parametrize(
    ("prompt", "error"),
    [
        ("\u200b", BlankPrompt),
        ("x" * 1_801, PromptTooLong),
        ("a cat --repeat 4", ParameterNotAllowed),
        ("{a,b}", PermutationNotAllowed),
        ("猫" * 800, EncodedPromptTooLong),
        ("🐈" * 1_800, EncodedPromptTooLong),
    ],
)
def test_each_rule_of_a_prompt_has_an_error_of_its_own(prompt: str, error: type[Refused]):
    with pytest.raises(error):
        RULES.check(prompt, LINK)


@pytest.mark.parametrize("prompt", ["x" * 1_800, "a cat, a dog", "猫" * 700, "🐈" * 500])
def test_what_can_be_sent_is_accepted(prompt: str):
    assert RULES.check(prompt, LINK) == prompt


def test_the_limit_is_that_of_the_whole_first_line():
    rules = PromptRules(PROMPT_PARAMETERS, len(request_line("/v1", "a cat", LINK)), "/v1")
    assert rules.check("a cat", LINK) == "a cat"
    with pytest.raises(EncodedPromptTooLong) as raised:
        rules.check("a cats", LINK)
    assert raised.value.length == rules.url_limit + 1


@given(st.text(alphabet=st.characters(codec=None)))
def test_no_prompt_breaks_the_rules(prompt: str):
    with suppress(Refused):
        assert RULES.check(prompt, LINK)


@pytest.mark.parametrize(
    ("prompt", "choices", "made"),
    [
        ("a fox", Choices(), "a fox"),
        ("a fox", Choices("3:2"), "a fox --ar 3:2"),
        ("a fox", Choices(strength=0), "a fox --iw 0"),
        ("a fox", Choices(strength=1.25), "a fox --iw 1.25"),
        ("a fox", Choices(strength=3.0), "a fox --iw 3"),
        ("a fox", Choices(avoid=" hands,\n text ,"), "a fox --no hands, text"),
        ("a fox", Choices(avoid=" , "), "a fox"),
        ("a fox", Choices("1:1", 2, "ink"), "a fox --ar 1:1 --iw 2 --no ink"),
        # What was chosen replaces what was typed …
        ("a fox --ar 2:3", Choices("3:2"), "a fox --ar 3:2"),
        ("a fox —AR 2:3 --seed 7", Choices("3:2"), "a fox --seed 7 --ar 3:2"),
        ("a fox --aspect 2:3 --ar 1:1", Choices("3:2"), "a fox --ar 3:2"),
        ("a fox --ar", Choices("3:2"), "a fox --ar 3:2"),
        ("a fox --ar --iw 2", Choices("3:2", 1), "a fox --ar 3:2 --iw 1"),
        ("--ar 2:3 a fox", Choices("3:2"), "a fox --ar 3:2"),
        ("a fox --arch", Choices("3:2"), "a fox --arch --ar 3:2"),
        # … and what to avoid is added to it.
        ("a fox --no ink --seed 7", Choices(avoid="hands"), "a fox --seed 7 --no ink, hands"),
        ("a fox --no ink, a pen", Choices(avoid="hands"), "a fox --no ink, a pen, hands"),
        ("a fox --no a --no b", Choices(avoid="c"), "a fox --no a, b, c"),
        ("a fox --no", Choices(avoid="hands"), "a fox --no hands"),
        ("a fox --niji 6", Choices(avoid="hands"), "a fox --niji 6 --no hands"),
        ("a fox --ar 2:3", Choices(avoid="hands"), "a fox --ar 2:3 --no hands"),
    ],
)
def test_choices_are_parameters_at_the_prompt_s_end(prompt: str, choices: Choices, made: str):
    assert with_choices(prompt, choices) == made
    assert RULES.check(prompt.replace("--aspect", "--ar").replace("arch", "c"), LINK, choices)


@pytest.mark.parametrize(
    "avoid",
    ["--turbo", "hands --repeat 4", "hands —turbo", "hands--ar 1:1", "a -\u200b-turbo", "—no x"],
)
def test_words_to_avoid_are_words_alone(avoid: str):
    with pytest.raises(ParameterInAvoid):
        RULES.check("a fox", LINK, Choices(avoid=avoid))


@given(st.text(), st.text())
def test_no_words_to_avoid_bring_a_parameter_in(prompt: str, avoid: str):
    with suppress(Refused):
        made = RULES.check(prompt, LINK, Choices(avoid=avoid))
        assert forbidden_parameter(normalize_prompt(made), PROMPT_PARAMETERS) is None
        assert not has_permutation(made)


@pytest.mark.parametrize("choices", [Choices("5:4"), Choices(strength=3.1), Choices(strength=-1)])
def test_a_client_that_offers_other_choices_is_refused(choices: Choices):
    with pytest.raises(NotOffered):
        RULES.check("a fox", LINK, choices)


def test_choices_count_for_the_length():
    fits = "x" * (PROMPT_LENGTH - len(" --ar 3:2"))
    assert len(RULES.check(fits, LINK, Choices("3:2"))) == PROMPT_LENGTH
    with pytest.raises(PromptTooLong):
        RULES.check(fits + "x", LINK, Choices("3:2"))
