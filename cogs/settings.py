"""``/settings``: what a server's owners choose. A panel whose controls save at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import IntEnum, StrEnum
from typing import Any, TypeVar

from discord import app_commands
from discord.ext import commands

from bot.app import Interaction, VaryBot
from bot.domain import Asker
from bot.errors import BadLimit, NotManager, Refused, TooManyWords
from bot.policy import Policy, Pressers, Spoilers, clean_words
from bot.store.admission import Limits
from bot.text import settings as words
from bot.ui import settings as ui
from bot.ui.modals import fields
from bot.ui.replies import NO_MENTIONS, asker_of, click_of
from bot.ui.settings import Choice, Form, Page, Pause

N = TypeVar("N", bound=IntEnum)
S = TypeVar("S", bound=StrEnum)
Change = Callable[[Policy], Policy]

_MOST_STARS = 1_000

_PAGES = {
    Choice.EXEMPT: Page.LIMITS,
    Choice.SPOILERS: Page.CONTENT,
    Choice.OTHERS: Page.CONTENT,
    Choice.LOG: Page.LOG,
    Choice.SHOWCASE: Page.SHOWCASE,
    Choice.PAUSE: Page.PAUSE,
}
"""Where a choice stands, if not on the first page."""

_FORM_PAGES = {
    Form.LIMITS: Page.LIMITS,
    Form.ROLE_LIMIT: Page.LIMITS,
    Form.CHANNEL_SPOILERS: Page.CONTENT,
    Form.WORDS: Page.CONTENT,
    Form.STARS: Page.SHOWCASE,
}


class ServerSettings(commands.Cog):
    """The panel. Who may use it is told by the permissions that Discord sends with each
    interaction: a command's default permissions are for the client alone."""

    def __init__(self, bot: VaryBot) -> None:
        self.bot = bot
        bot.add_button(ui.TURN, self.turn, governed=False)
        bot.add_button(ui.CHOOSE, self.choose, governed=False)
        bot.add_button(ui.SET, self.set_to, governed=False)
        bot.add_button(ui.ASK, self.ask, governed=False)
        bot.add_modal(ui.SUBMIT, self.submit, governed=False)

    @app_commands.command(description=words.DESCRIPTION)
    @app_commands.default_permissions(manage_guild=True)
    @app_commands.guild_only()
    async def settings(self, interaction: Interaction) -> None:
        policy = await self._policy(interaction)
        await interaction.response.send_message(
            view=ui.panel(policy, self.bot.store.limits, Page.WHERE),
            ephemeral=True,
            allowed_mentions=NO_MENTIONS,
        )

    async def turn(self, interaction: Interaction) -> None:
        """Show another page."""
        await self.bot.store.requests.note(click_of(interaction))
        policy = await self._policy(interaction)
        await self._show(interaction, policy, _number_in(Page, _values(interaction)[:1]))

    async def choose(self, interaction: Interaction, number: int) -> None:
        """Save what was chosen in a select menu."""
        await self.bot.store.requests.note(click_of(interaction))
        choice, values = _member(Choice, number), _values(interaction)
        await self._save(interaction, choice, lambda policy: _chosen(policy, choice, values))

    async def set_to(self, interaction: Interaction, number: int, value: int) -> None:
        """Save what a button stands for."""
        await self.bot.store.requests.note(click_of(interaction))
        match _member(Choice, number):
            case Choice.OTHERS as choice:
                allowed = bool(value)
                await self._save(interaction, choice, lambda p: replace(p, others_pictures=allowed))
            case Choice.PAUSE as choice:
                pause = _member(Pause, value)
                paused = pause is not Pause.RESUME
                cancel = pause is Pause.PAUSE_AND_CANCEL
                await self._save(
                    interaction, choice, lambda p: replace(p, paused=paused), cancel_queued=cancel
                )
            case _:
                raise Refused

    async def ask(self, interaction: Interaction, number: int) -> None:
        """Open a modal."""
        await self.bot.store.requests.note(click_of(interaction))
        policy = await self._policy(interaction)
        await interaction.response.send_modal(ui.form(policy, _member(Form, number)))

    async def submit(self, interaction: Interaction, number: int) -> None:
        """Save what was written in a modal."""
        form, given = _member(Form, number), fields(interaction)
        limits = self.bot.store.limits
        asker = _manager(interaction)
        policy = await self.bot.store.guild_settings.change(
            asker, form.name.lower(), lambda policy: _written(policy, form, given, limits)
        )
        await self._show(interaction, policy, _FORM_PAGES[form])

    async def _save(
        self,
        interaction: Interaction,
        choice: Choice,
        change: Change,
        *,
        cancel_queued: bool = False,
    ) -> None:
        asker = _manager(interaction)
        policy = await self.bot.store.guild_settings.change(
            asker, choice.name.lower(), change, cancel_queued=cancel_queued
        )
        await self._show(interaction, policy, _PAGES.get(choice, Page.WHERE))

    async def _policy(self, interaction: Interaction) -> Policy:
        asker = _manager(interaction)
        return await self.bot.store.guild_settings.get(asker.guild_id)

    async def _show(self, interaction: Interaction, policy: Policy, page: Page) -> None:
        await interaction.response.edit_message(
            view=ui.panel(policy, self.bot.store.limits, page), allowed_mentions=NO_MENTIONS
        )


def _manager(interaction: Interaction) -> Asker:
    """Return who changes a server's settings.

    Raises:
        NotManager: Discord says that they lack the permission Manage Server (any more).
    """
    asker = asker_of(interaction)
    if asker.guild_id is None or not asker.manages_server:
        raise NotManager
    return asker


# What was chosen. A client shows what may be chosen, and could send anything else.


def _chosen(policy: Policy, choice: Choice, values: Sequence[str]) -> Policy:
    """Return a policy with what was chosen in a select menu."""
    match choice:
        case Choice.CHANNELS:
            return replace(policy, channels=frozenset(_ids(values)))
        case Choice.ROLE:
            return replace(policy, role=_id(values))
        case Choice.PRESSERS:
            return replace(policy, pressers=_name_in(Pressers, values))
        case Choice.PRESSER_ROLE:
            return replace(policy, presser_role=_id(values))
        case Choice.BLOCKED:
            return replace(policy, blocked=frozenset(_ids(values)))
        case Choice.EXEMPT:
            return replace(policy, exempt_roles=frozenset(_ids(values)))
        case Choice.SPOILERS:
            return replace(policy, spoilers=_name_in(Spoilers, values))
        case Choice.LOG:
            return replace(policy, log_channel=_id(values))
        case Choice.SHOWCASE:
            return replace(policy, showcase_channel=_id(values))
        case _:
            raise Refused


def _written(policy: Policy, form: Form, given: dict[str, list[str]], limits: Limits) -> Policy:
    """Return a policy with what was written in a modal.

    Raises:
        BadLimit: a number is none, or above the operator's limit.
        TooManyWords
    """
    match form:
        case Form.LIMITS:
            return replace(
                policy,
                member_daily=_limit(given.get("member"), limits.daily),
                server_daily=_limit(given.get("server"), limits.server_daily),
            )
        case Form.ROLE_LIMIT:
            roles = _ids(given.get("roles", []))
            limit = _limit(given.get("limit"), limits.daily)
            kept = {id_: n for id_, n in policy.role_daily.items() if id_ not in roles}
            new = dict.fromkeys(roles, limit) if limit else {}
            if len(kept | new) > ui.CHOSEN_AT_MOST:
                raise BadLimit(str(len(kept | new)), ui.CHOSEN_AT_MOST)
            return replace(policy, role_daily=kept | new)
        case Form.CHANNEL_SPOILERS:
            channels = _ids(given.get("channels", []))
            rule = given.get("spoilers", [])
            kept = {id_: r for id_, r in policy.channel_spoilers.items() if id_ not in channels}
            if rule != [ui.AS_SERVER]:
                kept |= dict.fromkeys(channels, _name_in(Spoilers, rule))
            if len(kept) > ui.CHOSEN_AT_MOST:
                raise BadLimit(str(len(kept)), ui.CHOSEN_AT_MOST)
            return replace(policy, channel_spoilers=kept)
        case Form.WORDS:
            text = "".join(given.get("words", []))
            if len(text) > ui.WORDS_LENGTH:
                raise TooManyWords(ui.WORDS_LENGTH)
            return replace(policy, words=clean_words(text))
        case Form.STARS:
            stars = _limit(given.get("stars"), _MOST_STARS)
            if not stars:
                raise BadLimit("0", _MOST_STARS, least=1)
            return replace(policy, showcase_stars=stars)


def _limit(given: Sequence[str] | None, most: int) -> int:
    """Return a number that was written, 0 for none; ``most`` is 0 where anything goes."""
    text = "".join(given or ()).strip()
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()):
        raise BadLimit(text, most or None)
    number = int(text)
    if most and number > most:
        raise BadLimit(text, most)
    return number


def _values(interaction: Interaction) -> list[str]:
    data: Any = interaction.data or {}
    return [str(value) for value in data.get("values", ())]


def _ids(values: Sequence[str]) -> list[int]:
    if len(values) > ui.CHOSEN_AT_MOST or not all(v.isascii() and v.isdigit() for v in values):
        raise Refused
    return [int(value) for value in values]


def _id(values: Sequence[str]) -> int | None:
    return next(iter(_ids(values)), None)


def _name_in(names: type[S], values: Sequence[str]) -> S:
    try:
        (value,) = values
        return names(value)
    except ValueError:
        raise Refused from None


def _number_in(numbers: type[N], values: Sequence[str]) -> N:
    return _member(numbers, next(iter(_ids(values)), -1))


def _member(numbers: type[N], number: int) -> N:
    try:
        return numbers(number)
    except ValueError:
        raise Refused from None


async def setup(bot: VaryBot) -> None:
    """Add the cog; called by discord.py when the extension is loaded."""
    await bot.add_cog(ServerSettings(bot))
