"""Buttons and modals are found by their custom_ids, by a bot that has never seen them before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import discord
import pytest
from discord import ui
from discord.http import Route

from bot.app import Interaction, VaryBot
from bot.store import Store
from bot.ui.buttons import Template, button
from bot.ui.layouts import Layout
from bot.ui.modals import Modal, fields
from sandbox.discord import LoopbackDiscord
from tests.conftest import MakeSettings

OPEN, WORDS = Template("test-open"), Template("test-words")


def words_modal(number: int) -> Modal:
    """Build a modal about one row."""
    words: ui.TextInput[Any] = ui.TextInput(custom_id="words", required=False)
    choices = [discord.SelectOption(label=label) for label in ("one", "two")]
    choice: ui.Select[Any] = ui.Select(custom_id="choice", options=choices, max_values=2)
    return Modal(
        "Words",
        WORDS.custom_id(number),
        ui.Label(text="Words", component=words),
        ui.Label(text="Choice", component=choice),
    )


@pytest.fixture
async def loopback(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LoopbackDiscord]:
    async with LoopbackDiscord() as loopback:
        monkeypatch.setattr(Route, "BASE", loopback.api_url)
        yield loopback


@asynccontextmanager
async def bot_with_a_modal(
    loopback: LoopbackDiscord, make_settings: MakeSettings
) -> AsyncIterator[list[tuple[int, dict[str, list[str]]]]]:
    """Run a bot with a button that opens a modal; yield what was submitted."""
    submitted: list[tuple[int, dict[str, list[str]]]] = []

    async def open_modal(interaction: Interaction, number: int) -> None:
        await interaction.response.send_modal(words_modal(number))

    async def take_words(interaction: Interaction, number: int) -> None:
        submitted.append((number, fields(interaction)))
        await interaction.response.send_message("Taken.", ephemeral=True)

    settings = make_settings(discord_api_url=loopback.api_url)
    async with Store(settings) as store, VaryBot(store, settings.prompt_rules()) as bot:
        bot.add_button(OPEN, open_modal)
        bot.add_modal(WORDS, take_words)
        await bot.login(loopback.token)
        session = loopback.gateway.identifies + 1
        connected = asyncio.create_task(bot.connect())
        await loopback.connected(session)
        view = Layout(ui.ActionRow(button(OPEN.custom_id(7), "Open")))
        channel = bot.get_partial_messageable(loopback.channel_id)
        if not loopback.messages:
            await channel.send(view=view, allowed_mentions=discord.AllowedMentions.none())
        yield submitted
        connected.cancel()


async def test_a_modal_that_is_sent_after_a_restart_is_processed(
    loopback: LoopbackDiscord, make_settings: MakeSettings
):
    async with bot_with_a_modal(loopback, make_settings):
        (message,) = loopback.messages.values()
        opened = await loopback.press(loopback.alice, message, label="Open")
        await opened.answered()
    async with bot_with_a_modal(loopback, make_settings) as submitted:
        for words, kept in (("a cat", ["a cat"]), ("", [])):
            sent = await loopback.submit(opened, {"words": words, "choice": ["two", "one"]})
            await sent.answered()
            assert submitted.pop() == (7, {"words": kept, "choice": ["two", "one"]})


async def test_a_modal_that_nobody_knows_is_answered(
    loopback: LoopbackDiscord, make_settings: MakeSettings
):
    async with bot_with_a_modal(loopback, make_settings) as submitted:
        (message,) = loopback.messages.values()
        opened = await loopback.press(loopback.alice, message, label="Open")
        await opened.answered()
        assert opened.modal is not None
        opened.modal["custom_id"] = "of-an-older-version:7"
        sent = await loopback.submit(opened, {"words": "a cat", "choice": "one"})
        await sent.answered()
        assert sent.ephemeral
        assert not submitted
