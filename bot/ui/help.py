"""What ``/help`` shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import discord
from discord import ui

from bot.store.quotas import Allowance
from bot.text import help as words
from bot.text import quotas
from bot.text.markdown import cut, inert
from bot.ui.layouts import Layout

_TEAM_LENGTH = 100


def help_page(
    application: discord.AppInfo | None, allowances: Sequence[Allowance], *, welcome: bool = False
) -> Layout:
    """Build the page; with ``welcome`` it says why it is shown unasked."""
    texts = [
        words.TITLE,
        words.START,
        words.BUTTONS,
        words.FIND,
        words.limits(map(quotas.limit, allowances)),
        words.PRIVACY,
        _operator(application),
    ]
    if welcome:
        texts.insert(1, words.WELCOME)
    parts: list[ui.TextDisplay[Any]] = [ui.TextDisplay(text) for text in texts]
    return Layout(*parts)


def _operator(application: discord.AppInfo | None) -> str:
    """Say who runs the bot, as Discord has it; it was asked at the start."""
    if application is None:
        return words.operator(None, None, None, None)
    team = application.team
    owner_id = team.owner_id if team else application.owner.id
    name = cut(inert(team.name), _TEAM_LENGTH) if team else None
    return words.operator(
        owner_id, name, application.privacy_policy_url, application.terms_of_service_url
    )
