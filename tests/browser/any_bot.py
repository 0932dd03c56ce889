"""A bot that shows everything the page can draw. It knows nothing of the sandbox but two settings.

It is run by ``python -m sandbox --command``, as any bot may be.
"""

from __future__ import annotations

import io
import os
from typing import Any

import discord
from discord import app_commands, ui
from discord.http import Route
from PIL import Image

Interaction = discord.Interaction[Any]
Route.BASE = os.environ["DISCORD_API_URL"]
LOOK = ui.TextInput[Any]


def png(color: str = "teal", name: str = "picture.png") -> discord.File:
    out = io.BytesIO()
    Image.new("RGB", (320, 240), color).save(out, "PNG")
    out.seek(0)
    return discord.File(out, name)


class Bot(discord.AutoShardedClient):
    def __init__(self) -> None:
        super().__init__(intents=discord.Intents(guilds=True, guild_messages=True))
        self.tree = app_commands.CommandTree(self)

    async def setup_hook(self) -> None:
        await self.tree.sync()


bot = Bot()
everywhere = {"guilds": True, "dms": True, "private_channels": True}


@bot.tree.command(description="Draw something")
@app_commands.describe(words="What to draw", aspect="Its shape", private="For your eyes only")
@app_commands.choices(aspect=[app_commands.Choice(name=n, value=n) for n in ("1:1", "16:9")])
@app_commands.allowed_contexts(**everywhere)
@app_commands.allowed_installs(guilds=True, users=True)
async def draw(
    interaction: Interaction,
    words: str,
    aspect: str | None = None,
    count: app_commands.Range[int, 1, 4] | None = None,
    whom: discord.Member | None = None,
    role: discord.Role | None = None,
    private: bool = False,
) -> None:
    said = f"{words}; {aspect}; {count}; {whom}; {role}; {private}"
    await interaction.response.send_message(said, ephemeral=private)


class Panel(ui.LayoutView):
    """Menus of every kind, a section, a separator and buttons."""

    def __init__(self) -> None:
        super().__init__(timeout=None)
        box = ui.Container[Panel](accent_color=0x5865F2)
        box.add_item(ui.TextDisplay("## A panel\nWith **everything** and ||a secret||."))
        thumbnail = ui.Thumbnail("attachment://picture.png", description="A small picture")
        box.add_item(ui.Section("Beside a picture", accessory=thumbnail))
        box.add_item(ui.Separator(spacing=discord.SeparatorSpacing.large))
        strings = [
            discord.SelectOption(label="Red", value="red", description="Like fire", emoji="🔥"),
            discord.SelectOption(label="Blue", value="blue", default=True),
            discord.SelectOption(label="Green", value="green"),
        ]
        menus: list[Any] = [
            ui.Select(placeholder="Colours", options=strings, max_values=2, custom_id="strings"),
            ui.UserSelect(placeholder="Somebody", custom_id="users"),
            ui.RoleSelect(placeholder="A role", custom_id="roles", min_values=0, max_values=2),
            ui.ChannelSelect(placeholder="Where", custom_id="channels"),
            ui.MentionableSelect(placeholder="Whoever", custom_id="anybody"),
        ]
        for menu in menus:
            box.add_item(ui.ActionRow(menu))
        modal: Any = ui.Button(label="Ask", style=discord.ButtonStyle.primary, custom_id="ask")
        slow: Any = ui.Button(label="Slow", custom_id="slow")
        silent: Any = ui.Button(emoji="🔇", custom_id="silent")
        box.add_item(ui.ActionRow(modal, slow, silent))
        self.add_item(box)
        self.stop()  # on_interaction answers, and nothing does where it has no answer


@bot.tree.command(description="Show every component")
async def panel(interaction: Interaction) -> None:
    await interaction.response.send_message(view=Panel(), file=png())


def gallery(page: int) -> ui.LayoutView:
    view = ui.LayoutView(timeout=None)
    view.add_item(ui.TextDisplay(f"Page {page}"))
    pictures = ui.MediaGallery[Any]()
    for number in range(4):
        pictures.add_item(
            media=f"attachment://{number}.png",
            description=f"Picture {number} of page {page}",
            spoiler=number == 3,
        )
    view.add_item(pictures)
    earlier: Any = ui.Button(label="◀", custom_id=f"page:{page - 1}", disabled=page == 1)
    later: Any = ui.Button(label="▶", custom_id=f"page:{page + 1}")
    view.add_item(ui.ActionRow(earlier, later))
    return view


def pictures() -> list[discord.File]:
    return [png(color, f"{n}.png") for n, color in enumerate(("teal", "navy", "maroon", "olive"))]


@bot.tree.command(description="Show pictures to you alone")
async def album(interaction: Interaction) -> None:
    await interaction.response.send_message(view=gallery(1), files=pictures(), ephemeral=True)


@bot.tree.command(description="Post an embed")
async def embed(interaction: Interaction) -> None:
    found = discord.Embed(title="A *title*", description="Some words", color=0xE0A029)
    found.add_field(name="One", value="first").add_field(name="Two", value="second")
    found.set_footer(text="The end").set_image(url="attachment://picture.png")
    await interaction.response.send_message(embed=found, file=png())


@bot.tree.context_menu(name="Describe this")
async def describe(interaction: Interaction, message: discord.Message) -> None:
    names = [one.filename for one in message.attachments] or [message.content]
    await interaction.response.send_message(f"It shows {names[0]}", ephemeral=True)


@bot.tree.context_menu(name="Pass it on")
async def pass_on(interaction: Interaction, message: discord.Message) -> None:
    assert interaction.guild is not None
    await interaction.response.defer(ephemeral=True)
    await message.forward(interaction.guild.text_channels[1])
    await interaction.edit_original_response(content="Passed on")


@bot.tree.context_menu(name="Greet")
async def greet(interaction: Interaction, user: discord.Member) -> None:
    await interaction.response.send_message(f"Hello, {user.mention}")


class Form(ui.Modal, title="A form"):
    """A field of every kind."""

    words: Any = ui.Label(text="Words", description="As many as you like", component=LOOK())
    more: Any = ui.Label(text="More", component=LOOK(style=discord.TextStyle.long, required=False))
    start: Any = ui.Label(
        text="Start from",
        component=ui.Select(
            options=[discord.SelectOption(label=f"Tile {n}", value=str(n)) for n in (1, 2)]
        ),
    )
    whom: Any = ui.Label(text="For whom", component=ui.UserSelect(required=False))
    picture: Any = ui.Label(text="Picture", component=ui.FileUpload(required=False))

    async def on_submit(self, interaction: Interaction) -> None:  # type: ignore[override]
        files = [file.filename for file in self.picture.component.values]
        people = [user.name for user in self.whom.component.values]
        said = [self.words.component.value, self.start.component.values, people, files]
        await interaction.response.send_message(" / ".join(map(str, said)), ephemeral=True)


@bot.event
async def on_interaction(interaction: Interaction) -> None:
    data: Any = interaction.data
    if interaction.type is not discord.InteractionType.component:
        return
    name: str = data["custom_id"]
    if name == "ask":
        await interaction.response.send_modal(Form())
    elif name.startswith("page:"):
        page = int(name.removeprefix("page:"))
        await interaction.response.edit_message(view=gallery(page), attachments=pictures())
    elif "values" in data:
        await interaction.response.send_message(f"{name}: {data['values']}", ephemeral=True)


@bot.event
async def on_message(message: discord.Message) -> None:
    if message.author != bot.user and bot.user in message.mentions:
        await message.reply("You called?")


bot.run(os.environ["DISCORD_TOKEN"])
