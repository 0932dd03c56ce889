"""The panel of ``/settings``: Discord takes every page and modal, however much is chosen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.domain import Generation, Kind, LogEvent, LogLine, State
from bot.policy import NO_POLICY, Policy, Pressers, Spoilers, clean_words
from bot.store.admission import Limits
from bot.store.server_log import LINES
from bot.text import settings as words
from bot.text.markdown import units
from bot.ui.settings import (
    CHOSEN_AT_MOST,
    WORDS_LENGTH,
    Choice,
    Form,
    Page,
    form,
    panel,
    showcase_message,
)
from tests.openapi import OpenApi, description_path
from tests.unit.test_layouts import PROMPTS, components, generation

LARGEST = 2**63 - 1
IDS = frozenset(range(LARGEST - CHOSEN_AT_MOST, LARGEST))
FULL = Policy(
    channels=IDS,
    role=LARGEST,
    pressers=Pressers.ROLE,
    presser_role=LARGEST,
    blocked=IDS,
    member_daily=999_999_999,
    server_daily=999_999_999,
    role_daily=dict.fromkeys(IDS, 999_999_999),
    exempt_roles=IDS,
    spoilers=Spoilers.ALWAYS,
    channel_spoilers=dict.fromkeys(IDS, Spoilers.UNLESS_RESTRICTED),
    words=clean_words("\n".join(f"{chr(0x4E00 + n)}*" for n in range(WORDS_LENGTH // 3))),
    others_pictures=False,
    log_channel=LARGEST,
    showcase_channel=LARGEST,
    showcase_stars=1_000,
    paused=True,
)
LIMITS = Limits(1, 1, LARGEST, 1, timedelta(1), LARGEST, LARGEST)


def texts(layout: Any) -> str:
    return "\n".join(c["content"] for c in components(layout) if c["type"] == 10)


@pytest.fixture(scope="module")
def openapi() -> OpenApi:
    if not description_path().exists():
        pytest.skip(f"{description_path()} is absent")
    return OpenApi(description_path())


@pytest.mark.parametrize("policy", [NO_POLICY, FULL], ids=["nothing", "everything"])
@pytest.mark.parametrize("page", list(Page))
async def test_discord_takes_every_page(openapi: OpenApi, policy: Policy, page: Page):
    layout = panel(policy, LIMITS, page)
    parts = components(layout)
    assert len(parts) <= 40
    assert units(texts(layout)) <= 4_000
    ids = [part["custom_id"] for part in parts if "custom_id" in part]
    assert len(ids) == len(set(ids))
    for part in parts:
        assert len(part.get("default_values", ())) <= part.get("max_values", 0)
    body = {"components": layout.to_components(), "flags": 1 << 15}
    assert openapi.check_object("MessageCreateRequest", body) == []
    assert layout.is_finished(), "discord.py keeps what isn't"


@pytest.mark.parametrize("policy", [NO_POLICY, FULL], ids=["nothing", "everything"])
@pytest.mark.parametrize("which", list(Form))
async def test_discord_takes_every_modal(openapi: OpenApi, policy: Policy, which: Form):
    modal = form(policy, which).to_dict()
    assert openapi.check_object("ModalInteractionCallbackRequestData", modal) == []
    assert len(modal["title"]) <= 45
    for label in modal["components"]:
        assert len(label["label"]) <= 45
        assert len(label.get("description") or "") <= 100
        assert len(label["component"].get("value") or "") <= 4_000


def test_every_change_has_a_name_in_the_log():
    for change in (*Choice, *Form):
        line = LogLine(LogEvent.SETTINGS, 1, None, change.name.lower(), datetime.now(UTC))
        assert "_" not in words.log_line(line)


def lines(prompt: str) -> Iterator[LogLine]:
    for kind in Kind:
        for state in State:
            about: Generation = generation(prompt, kind=kind, state=state, message_id=LARGEST)
            event = LogEvent.GENERATION
            yield LogLine(event, LARGEST, about, state.value, datetime.now(UTC))


@pytest.mark.parametrize("prompt", PROMPTS, ids=range(len(PROMPTS)))
def test_a_full_batch_of_lines_fits_a_message(prompt: str):
    longest = max((words.log_line(line) for line in lines(prompt)), key=units)
    assert "\n" not in longest
    assert units("\n".join([longest] * LINES)) <= 4_000


@pytest.mark.parametrize("prompt", PROMPTS, ids=range(len(PROMPTS)))
async def test_a_copy_for_a_showcase_fits_a_message(prompt: str):
    copy = showcase_message(generation(prompt, spoiler=True), "https://cdn.example/a", "https://x")
    assert units(texts(copy)) <= 4_000
    (gallery,) = [part for part in components(copy) if part["type"] == 12]
    assert gallery["items"][0]["spoiler"]
