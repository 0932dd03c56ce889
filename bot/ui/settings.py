"""The panel of ``/settings``, a page at a time, and its modals.

Every control is found by its custom_id, which says what it is about: the panel works after a
restart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from enum import IntEnum
from typing import Any

import discord
from discord import ui

from bot import text
from bot.domain import Generation
from bot.policy import Policy, Pressers
from bot.store.admission import Limits
from bot.text import settings as words
from bot.ui.buttons import Template, button
from bot.ui.layouts import Layout
from bot.ui.modals import Modal

CHOSEN_AT_MOST = 25
"""How many values a select menu takes (Discord's component reference)."""

WORDS_LENGTH = 4_000
"""Characters that a modal's text may have (Discord's component reference)."""

_DIGITS = 9
_TALKABLE = [
    discord.ChannelType.text,
    discord.ChannelType.news,
    discord.ChannelType.voice,
    discord.ChannelType.stage_voice,
    discord.ChannelType.forum,
]
_WRITABLE = [discord.ChannelType.text, discord.ChannelType.news]


class Page(IntEnum):
    """The pages, in their order."""

    WHERE = 0
    LIMITS = 1
    CONTENT = 2
    LOG = 3
    SHOWCASE = 4
    PAUSE = 5


class Choice(IntEnum):
    """What a select menu or a button sets. The numbers stand in custom_ids."""

    CHANNELS = 1
    ROLE = 2
    PRESSERS = 3
    PRESSER_ROLE = 4
    BLOCKED = 5
    EXEMPT = 6
    SPOILERS = 7
    OTHERS = 8
    LOG = 9
    SHOWCASE = 10
    PAUSE = 11

    @property
    def page(self) -> Page:
        """The page that it stands on."""
        return _PAGES.get(self, Page.WHERE)


class Form(IntEnum):
    """What a modal asks for. The numbers stand in custom_ids."""

    LIMITS = 1
    ROLE_LIMIT = 2
    CHANNEL_SPOILERS = 3
    WORDS = 4
    STARS = 5

    @property
    def page(self) -> Page:
        """The page that its button stands on."""
        return _FORM_PAGES[self]


_PAGES = {
    Choice.EXEMPT: Page.LIMITS,
    Choice.SPOILERS: Page.CONTENT,
    Choice.OTHERS: Page.CONTENT,
    Choice.LOG: Page.LOG,
    Choice.SHOWCASE: Page.SHOWCASE,
    Choice.PAUSE: Page.PAUSE,
}
_FORM_PAGES = {
    Form.LIMITS: Page.LIMITS,
    Form.ROLE_LIMIT: Page.LIMITS,
    Form.CHANNEL_SPOILERS: Page.CONTENT,
    Form.WORDS: Page.CONTENT,
    Form.STARS: Page.SHOWCASE,
}


class Pause(IntEnum):
    """What a button of the page *Pause* does."""

    RESUME = 0
    PAUSE = 1
    PAUSE_AND_CANCEL = 2


TURN = Template("sp", 0, about_generation=False)
"""The select menu of pages."""
CHOOSE = Template("sc", about_generation=False)
"""A select menu that sets a :class:`Choice`."""
SET = Template("ss", 2, about_generation=False)
"""A button that sets a :class:`Choice` to a number."""
ASK = Template("sa", about_generation=False)
"""A button that opens a :class:`Form`."""
SUBMIT = Template("sf", about_generation=False)
"""A :class:`Form` that is sent."""

AS_SERVER = "as_server"


def panel(policy: Policy, limits: Limits, page: Page) -> Layout:
    """Build a page of a server's settings; ``limits`` are the operator's."""
    match page:
        case Page.WHERE:
            parts = _where(policy)
        case Page.LIMITS:
            parts = _limits(policy, limits)
        case Page.CONTENT:
            parts = _content(policy)
        case Page.LOG:
            parts = [_text(words.LOG), _channels(Choice.LOG, _one(policy.log_channel), 1)]
        case Page.SHOWCASE:
            parts = _showcase(policy)
        case Page.PAUSE:
            parts = _pause(policy)
    container: ui.Container[Any] = ui.Container(_text(words.heading(page)), *parts)
    return Layout(container, _turn(page))


def form(policy: Policy, which: Form) -> Modal:
    """Build a modal, filled with what is chosen now."""
    match which:
        case Form.LIMITS:
            title, parts = words.LIMITS_TITLE, _limits_form(policy)
        case Form.ROLE_LIMIT:
            title, parts = words.ROLE_LIMIT_TITLE, _role_limit_form()
        case Form.CHANNEL_SPOILERS:
            title, parts = words.CHANNEL_SPOILERS_TITLE, _channel_spoilers_form()
        case Form.WORDS:
            title, parts = words.WORDS_TITLE, _words_form(policy)
        case Form.STARS:
            stars = str(policy.showcase_stars)
            title, parts = words.STARS_TITLE, [_number("stars", words.STARS_LABEL, stars)]
    return Modal(title, SUBMIT.custom_id(which), *parts)


def showcase_message(generation: Generation, picture: str, link: str) -> Layout:
    """Build a copy of a result for a showcase; ``picture`` is the link of its attachment."""
    item = discord.MediaGalleryItem(
        picture, description=text.alt_text(generation.prompt), spoiler=generation.spoiler
    )
    told = words.shown(link, generation.user_id, generation.prompt)
    return Layout(_text(told), ui.MediaGallery(item))


# The pages.


def _where(policy: Policy) -> list[ui.Item[Any]]:
    parts: list[ui.Item[Any]] = [
        _text(words.CHANNELS),
        _channels(Choice.CHANNELS, policy.channels, CHOSEN_AT_MOST, _TALKABLE),
        _text(words.ROLE),
        _roles(Choice.ROLE, _one(policy.role), 1),
        _text(words.PRESSERS),
        _options(Choice.PRESSERS, words.PRESSER_NAMES, policy.pressers),
    ]
    if policy.pressers is Pressers.ROLE:
        parts.append(_text(words.PRESSER_ROLE))
        parts.append(_roles(Choice.PRESSER_ROLE, _one(policy.presser_role), 1))
    blocked: ui.UserSelect[Any] = ui.UserSelect(
        custom_id=CHOOSE.custom_id(Choice.BLOCKED),
        placeholder=words.PLACEHOLDER,
        min_values=0,
        max_values=CHOSEN_AT_MOST,
        default_values=_defaults(policy.blocked, discord.SelectDefaultValueType.user),
    )
    return [*parts, _text(words.BLOCKED), ui.ActionRow(blocked)]


def _limits(policy: Policy, limits: Limits) -> list[ui.Item[Any]]:
    return [
        _text(words.limits(policy, limits.daily, limits.server_daily)),
        ui.ActionRow(
            button(ASK.custom_id(Form.LIMITS), words.CHANGE_LIMITS),
            button(ASK.custom_id(Form.ROLE_LIMIT), words.SET_ROLE_LIMIT),
        ),
        _text(words.EXEMPT),
        _roles(Choice.EXEMPT, policy.exempt_roles, CHOSEN_AT_MOST),
    ]


def _content(policy: Policy) -> list[ui.Item[Any]]:
    label = words.OTHERS_OFF if policy.others_pictures else words.OTHERS_ON
    others = SET.custom_id(Choice.OTHERS, int(not policy.others_pictures))
    return [
        _text(words.SPOILERS),
        _options(Choice.SPOILERS, words.SPOILER_NAMES, policy.spoilers),
        _text(words.spoiler_channels(policy)),
        _text(words.blocked_words(policy)),
        _text(words.others_pictures(policy)),
        ui.ActionRow(
            button(ASK.custom_id(Form.CHANNEL_SPOILERS), words.SET_CHANNEL_SPOILERS),
            button(ASK.custom_id(Form.WORDS), words.EDIT_WORDS),
            button(others, label),
        ),
    ]


def _showcase(policy: Policy) -> list[ui.Item[Any]]:
    return [
        _text(words.SHOWCASE),
        _channels(Choice.SHOWCASE, _one(policy.showcase_channel), 1),
        _text(words.stars(policy)),
        ui.ActionRow(button(ASK.custom_id(Form.STARS), words.SET_STARS)),
    ]


def _pause(policy: Policy) -> list[ui.Item[Any]]:
    labels = {
        Pause.PAUSE: words.PAUSE,
        Pause.PAUSE_AND_CANCEL: words.PAUSE_AND_CANCEL,
    }
    if policy.paused:
        labels = {Pause.RESUME: words.RESUME}
    buttons = [button(SET.custom_id(Choice.PAUSE, key), label) for key, label in labels.items()]
    sentence = words.PAUSED if policy.paused else words.NOT_PAUSED
    return [_text(sentence), ui.ActionRow(*buttons)]


# The modals.


def _limits_form(policy: Policy) -> list[ui.Item[Any]]:
    member, server = (str(n or "") for n in (policy.member_daily, policy.server_daily))
    return [
        _number("member", words.MEMBER_LIMIT, member, words.EMPTY_IS_NONE),
        _number("server", words.SERVER_LIMIT, server, words.EMPTY_IS_NONE),
    ]


def _role_limit_form() -> list[ui.Item[Any]]:
    roles: ui.RoleSelect[Any] = ui.RoleSelect(
        custom_id="roles", max_values=CHOSEN_AT_MOST, required=True
    )
    return [
        ui.Label(text=words.ROLES, component=roles),
        _number("limit", words.ROLE_LIMIT, "", words.ROLE_LIMIT_HINT),
    ]


def _channel_spoilers_form() -> list[ui.Item[Any]]:
    channels: ui.ChannelSelect[Any] = ui.ChannelSelect(
        custom_id="channels", max_values=CHOSEN_AT_MOST, channel_types=_TALKABLE, required=True
    )
    names = {AS_SERVER: words.AS_SERVER, **words.SPOILER_NAMES}
    rule: ui.Select[Any] = ui.Select(
        custom_id="spoilers", options=_listed(names, AS_SERVER), required=True
    )
    return [
        ui.Label(text=words.CHANNELS_LABEL, component=channels),
        ui.Label(text=words.SPOILERS_LABEL, component=rule),
    ]


def _words_form(policy: Policy) -> list[ui.Item[Any]]:
    field: ui.TextInput[Any] = ui.TextInput(
        custom_id="words",
        style=discord.TextStyle.paragraph,
        default="\n".join(policy.words),
        required=False,
        max_length=WORDS_LENGTH,
    )
    return [ui.Label(text=words.WORDS_LABEL, description=words.WORDS_HINT, component=field)]


def _number(name: str, label: str, value: str, hint: str | None = None) -> ui.Item[Any]:
    field: ui.TextInput[Any] = ui.TextInput(
        custom_id=name, default=value, required=False, max_length=_DIGITS
    )
    return ui.Label(text=label, description=hint, component=field)


# Their parts.


def _turn(page: Page) -> ui.Item[Any]:
    options = [
        discord.SelectOption(label=label, value=str(n), description=hint, default=n == page)
        for n, (label, hint) in enumerate(zip(words.PAGES, words.PAGE_HINTS, strict=True))
    ]
    return ui.ActionRow(ui.Select(custom_id=TURN.custom_id(), options=options))


def _options(choice: Choice, names: Mapping[Any, str], chosen: str) -> ui.Item[Any]:
    select: ui.Select[Any] = ui.Select(
        custom_id=CHOOSE.custom_id(choice), options=_listed(names, chosen)
    )
    return ui.ActionRow(select)


def _listed(names: Mapping[Any, str], chosen: str) -> list[discord.SelectOption]:
    return [
        discord.SelectOption(label=label, value=value, default=value == chosen)
        for value, label in names.items()
    ]


def _channels(
    choice: Choice,
    chosen: Collection[int],
    at_most: int,
    types: list[discord.ChannelType] = _WRITABLE,
) -> ui.Item[Any]:
    select: ui.ChannelSelect[Any] = ui.ChannelSelect(
        custom_id=CHOOSE.custom_id(choice),
        placeholder=words.PLACEHOLDER,
        min_values=0,
        max_values=at_most,
        channel_types=types,
        default_values=_defaults(chosen, discord.SelectDefaultValueType.channel),
    )
    return ui.ActionRow(select)


def _roles(choice: Choice, chosen: Collection[int], at_most: int) -> ui.Item[Any]:
    select: ui.RoleSelect[Any] = ui.RoleSelect(
        custom_id=CHOOSE.custom_id(choice),
        placeholder=words.PLACEHOLDER,
        min_values=0,
        max_values=at_most,
        default_values=_defaults(chosen, discord.SelectDefaultValueType.role),
    )
    return ui.ActionRow(select)


def _defaults(
    ids: Iterable[int], type_: discord.SelectDefaultValueType
) -> list[discord.SelectDefaultValue]:
    return [discord.SelectDefaultValue(id=id_, type=type_) for id_ in sorted(ids)]


def _one(id_: int | None) -> Collection[int]:
    return () if id_ is None else (id_,)


def _text(sentence: str) -> ui.Item[Any]:
    return ui.TextDisplay(sentence)
