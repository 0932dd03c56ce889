"""What a server's owners allow: the pure rules."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain import Asker
from bot.errors import (
    BlockedMember,
    DirectMessagesOff,
    NotYourButtons,
    PausedHere,
    RoleNeeded,
    ServerNotAllowed,
    WrongChannel,
)
from bot.policy import (
    NO_POLICY,
    Places,
    Policy,
    Pressers,
    Spoilers,
    clean_words,
    find_blocked_word,
)
from bot.store.policies import dump_policy, load_policy

GUILD, CHANNEL, ANN, BOB, ROLE = 10, 20, 1, 2, 30


def asker(**values: object) -> Asker:
    return replace(Asker(1, ANN, GUILD, CHANNEL, "token", 1, 8), **values)  # pyright: ignore


@pytest.mark.parametrize(
    ("prompt", "words", "found"),
    [
        ("a bloody knife", ["blood"], None),
        ("a bloody knife", ["blood*"], "blood*"),
        ("BLOOD, sweat", ["blood"], "blood"),
        ("\uff22\uff2c\uff2f\uff2f\uff24", ["blood"], "blood"),
        ("a bl\u200bood moon", ["Blood"], "Blood"),
        ("STRASSE", ["straße"], "straße"),
        ("cafe\u0301 noir", ["CAFÉ"], "CAFÉ"),
        ("new-york at night", ["New York"], "New York"),
        ("renew yorkshire", ["new york"], None),
        ("new yorkshire", ["new york*"], "new york*"),
        ("blood_moon", ["blood"], None),
        ("a grape", ["rape"], None),
        ("a cat --no gore, dogs", ["gore"], "gore"),
        ("血まみれの猫", ["血"], "血"),
        ("two 🍆🍆", ["🍆"], "🍆"),
        ("c++ code", ["c++"], "c++"),
        ("nothing here", [], None),
        ("first second", ["second", "first"], "second"),
    ],
)
def test_blocked_words_are_whole_words_however_they_are_written(
    prompt: str, words: list[str], found: str | None
):
    assert find_blocked_word(prompt, words) == found


@given(st.text(), st.text())
def test_a_word_that_stands_alone_is_always_found(before: str, word: str):
    for kept in clean_words(word):
        assert find_blocked_word(f"{before} . {kept.rstrip('*')} . after", [kept]) == kept


def test_a_list_of_words_is_one_a_line_without_blank_ones():
    text = "  blood*\n\n***\n!!\nnew \t york\nblood*\n"
    assert clean_words(text) == ("blood*", "new york")


def test_a_policy_survives_its_row():
    policy = Policy(
        channels=frozenset({1, 2**62}),
        role=3,
        pressers=Pressers.ROLE,
        presser_role=4,
        blocked=frozenset({5}),
        member_daily=6,
        server_daily=7,
        role_daily={2**62: 9},
        exempt_roles=frozenset({10}),
        spoilers=Spoilers.ALWAYS,
        channel_spoilers={11: Spoilers.NEVER},
        words=("a", "b*"),
        others_pictures=False,
        log_channel=12,
        showcase_channel=13,
        showcase_stars=14,
        paused=True,
    )
    assert load_policy(dump_policy(policy)) == policy
    assert load_policy({}) == NO_POLICY
    assert load_policy(dump_policy(policy) | {"of a later version": 1}) == policy


def test_places_are_the_operator_s():
    assert Places().refuse(1) is None
    assert Places().refuse(None) is None
    assert isinstance(Places(direct=False).refuse(None), DirectMessagesOff)
    some = Places(allowed=frozenset({1, 2}), blocked=frozenset({2}))
    assert some.refuse(1) is None
    assert isinstance(some.refuse(2), ServerNotAllowed)
    assert isinstance(some.refuse(3), ServerNotAllowed)


def test_who_may_use_it_where():
    assert isinstance(Policy(blocked=frozenset({ANN})).refuse_use(asker()), BlockedMember)
    here, there = Policy(channels=frozenset({CHANNEL})), Policy(channels=frozenset({99}))
    assert here.refuse_use(asker()) is None
    assert isinstance(there.refuse_use(asker()), WrongChannel)
    assert there.refuse_use(asker(parent_channel_id=99)) is None, "a thread is of its channel"
    needs = Policy(role=ROLE)
    assert isinstance(needs.refuse_use(asker(role_ids=frozenset({31}))), RoleNeeded)
    assert needs.refuse_use(asker(role_ids=frozenset({ROLE}))) is None
    assert Policy(role=GUILD).refuse_use(asker()) is None, "everyone's role has the server's id"
    paused = Policy(paused=True)
    assert paused.refuse_use(asker()) is None
    assert isinstance(paused.refuse_work(asker()), PausedHere)


def test_who_may_press_a_grid_s_buttons():
    for pressers in Pressers:
        assert Policy(pressers=pressers).refuse_press(asker(), ANN) is None
    assert Policy().refuse_press(asker(), BOB) is None
    assert isinstance(Policy(pressers=Pressers.ASKER).refuse_press(asker(), BOB), NotYourButtons)
    role = Policy(pressers=Pressers.ROLE, presser_role=ROLE)
    assert isinstance(role.refuse_press(asker(), BOB), NotYourButtons)
    assert role.refuse_press(asker(role_ids=frozenset({ROLE})), BOB) is None


def test_the_best_of_a_member_s_roles_counts():
    policy = Policy(member_daily=5, role_daily={30: 2, 31: 9}, exempt_roles=frozenset({32}))
    assert policy.member_limit(asker()) == (5, None)
    assert policy.member_limit(asker(role_ids=frozenset({30}))) == (2, 30)
    assert policy.member_limit(asker(role_ids=frozenset({30, 31}))) == (9, 31)
    assert policy.member_limit(asker(role_ids=frozenset({30, 32}))) == (0, None)


def test_spoilers_go_by_channel_then_by_server():
    restricted = asker(age_restricted=True)
    assert not NO_POLICY.is_spoiler(asker())
    assert Policy(spoilers=Spoilers.ALWAYS).is_spoiler(restricted)
    unless = Policy(spoilers=Spoilers.UNLESS_RESTRICTED)
    assert unless.is_spoiler(asker())
    assert not unless.is_spoiler(restricted)
    own = Policy(spoilers=Spoilers.ALWAYS, channel_spoilers={CHANNEL: Spoilers.NEVER})
    assert not own.is_spoiler(asker())
    assert own.is_spoiler(asker(channel_id=21))
    assert not own.is_spoiler(asker(channel_id=21, parent_channel_id=CHANNEL))
