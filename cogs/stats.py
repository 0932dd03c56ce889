"""``/stats``: how a member or a server uses the bot, as a picture and as text."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import discord
from cachetools import TTLCache
from discord import app_commands, ui
from discord.ext import commands

from bot.app import Interaction, VaryBot
from bot.charts import Bars, Chart, Charts
from bot.errors import ChartFailed, NotManager, ServersOnly
from bot.store.stats import DAYS, Figures
from bot.text import stats as words
from bot.ui.layouts import Layout
from bot.ui.replies import DISCORD_ERRORS, NO_MENTIONS

log = logging.getLogger(__name__)

_FILE = "stats.png"
_KEPT, _KEPT_SECONDS = 32, 60
"""How many answers are kept, and how long: who asks again at once gets the same."""

_NAMES, _NAMES_TIME = 5, 3.0
"""How many members the picture names, and the seconds that Discord has to say their names."""

_BUTTONS = 8


@dataclass(frozen=True, slots=True)
class _Answer:
    """A text, and the bytes of a PNG with its alt text; ``None`` where it could not be drawn."""

    text: str
    alt: str
    picture: bytes | None


class Stats(commands.GroupCog, name="stats", description=words.STATS_DESCRIPTION):
    """Figures for one member alone, or for those who manage a server."""

    def __init__(self, bot: VaryBot) -> None:
        self.bot = bot
        self._charts = Charts()
        self._answers: TTLCache[tuple[str, int], _Answer] = TTLCache(_KEPT, _KEPT_SECONDS)

    async def cog_unload(self) -> None:
        await self._charts.close()

    @app_commands.command(description=words.ME_DESCRIPTION)
    async def me(self, interaction: Interaction) -> None:
        await interaction.response.defer(ephemeral=True)
        key = ("member", interaction.user.id)
        if key not in self._answers:
            figures = await self.bot.store.stats.of_member(interaction.user.id)
            self._answers[key] = await self._draw(words.TITLE_ME, figures, None)
        await self._send(interaction, self._answers[key])

    @app_commands.command(description=words.SERVER_DESCRIPTION)
    async def server(self, interaction: Interaction) -> None:
        if interaction.guild_id is None:
            raise ServersOnly
        if not interaction.permissions.manage_guild:
            raise NotManager
        await interaction.response.defer(ephemeral=True)
        key = ("server", interaction.guild_id)
        if key not in self._answers:
            figures = await self.bot.store.stats.of_server(interaction.guild_id)
            names = await self._names(list(figures.members)[:_NAMES])
            self._answers[key] = await self._draw(words.TITLE_SERVER, figures, names)
        await self._send(interaction, self._answers[key])

    async def _names(self, user_ids: Iterable[int]) -> list[str]:
        """Return the names of some members for a picture, where no mention is shown."""

        async def name(place: int, user_id: int) -> str:
            try:
                async with asyncio.timeout(_NAMES_TIME):
                    return (await self.bot.fetch_user(user_id)).name
            except DISCORD_ERRORS as error:
                log.info("Discord doesn't say who user %s is: %r", user_id, error)
                return f"#{place}"

        return await asyncio.gather(*(name(n, id_) for n, id_ in enumerate(user_ids, 1)))

    async def _draw(self, title: str, figures: Figures, names: list[str] | None) -> _Answer:
        title = title.format(days=DAYS)
        values = (
            f"{figures.generations:,}",
            words.rate(figures.success_rate),
            words.duration(figures.median_wait),
            f"{sum(figures.clicks.values()):,}",
        )
        numbers = tuple(zip(words.NUMBERS, values, strict=True))
        text = words.figures(
            title, numbers, figures.tiles, figures.hours, figures.clicks, datetime.now(UTC)
        )
        if names is not None:
            text = f"{text}\n{words.most_active(figures.members)}"
        named = tuple(zip(names or (), figures.members.values(), strict=False))
        alt = words.alt_text(title, numbers, figures.hours, figures.clicks, named)
        try:
            picture = await self._charts.draw(Chart(title, numbers, _bars(figures, named)))
        except ChartFailed as error:
            log.warning("The chart could not be drawn: %r", error.__cause__)
            return _Answer(f"{text}\n{words.NO_PICTURE}", alt, None)
        return _Answer(text, alt, picture)

    async def _send(self, interaction: Interaction, answer: _Answer) -> None:
        shown = ui.TextDisplay[Any](answer.text)
        if answer.picture is None:
            layout, files = Layout(shown), list[discord.File]()
        else:
            item = discord.MediaGalleryItem(f"attachment://{_FILE}", description=answer.alt)
            layout = Layout(ui.MediaGallery(item), shown)
            files = [discord.File(io.BytesIO(answer.picture), _FILE, description=answer.alt)]
        await interaction.edit_original_response(
            view=layout, attachments=files, allowed_mentions=NO_MENTIONS
        )


def _bars(figures: Figures, members: Iterable[tuple[str, int]]) -> list[Bars]:
    """Return the charts of bars; those that would show nothing are left out."""
    dates = [figures.first + timedelta(days=n) for n in range(DAYS)]
    marked = {0, DAYS // 2, DAYS - 1}
    days = [words.day(date) if n in marked else "" for n, date in enumerate(dates)]
    hours = [f"{hour:02}" if hour % 6 == 0 else "" for hour in range(24)]
    pressed = [
        (words.plain_button(label), number)
        for label, number in list(figures.clicks.items())[:_BUTTONS]
    ]
    charts = [Bars(words.BY_DAY, days, figures.days), Bars(words.BY_HOUR, hours, figures.hours)]
    for title, pairs in ((words.BY_BUTTON, pressed), (words.MOST_ACTIVE, list(members))):
        if pairs:
            charts.append(Bars(title, [p[0] for p in pairs], [p[1] for p in pairs], lying=True))
    return charts


async def setup(bot: VaryBot) -> None:
    """Add the cog; called by discord.py when the extension is loaded."""
    await bot.add_cog(Stats(bot))
