"""A small bot in hikari: a command with a file, buttons, a modal and an Apps menu."""

from __future__ import annotations

import os

import hikari
from hikari.impl import special_endpoints

DEFERRED = hikari.ResponseType.DEFERRED_MESSAGE_CREATE
MESSAGE = hikari.ResponseType.MESSAGE_CREATE

bot = hikari.GatewayBot(
    os.environ["DISCORD_TOKEN"],
    rest_url=os.environ["DISCORD_API_URL"],
    banner=None,
)


@bot.listen()
async def register(_: hikari.StartedEvent) -> None:
    show = bot.rest.slash_command_builder("show", "Show a picture")
    for kind, name in ((hikari.OptionType.STRING, "text"), (hikari.OptionType.ATTACHMENT, "image")):
        show.add_option(
            hikari.CommandOption(type=kind, name=name, description=name, is_required=True)
        )
    look = bot.rest.context_menu_command_builder(hikari.CommandType.MESSAGE, "Look")
    application = await bot.rest.fetch_application()
    await bot.rest.set_application_commands(application, [show, look])


def layout(text: str, image: hikari.Resourceish) -> list[hikari.api.ComponentBuilder]:
    row = special_endpoints.MessageActionRowBuilder()
    row.add_interactive_button(hikari.ButtonStyle.PRIMARY, "again", label="Again")
    row.add_interactive_button(hikari.ButtonStyle.SECONDARY, "ask", label="Ask")
    gallery = special_endpoints.MediaGalleryComponentBuilder()
    gallery.add_media_gallery_item(image, description=text)
    return [special_endpoints.TextDisplayComponentBuilder(content=text), gallery, row]


@bot.listen()
async def on_command(event: hikari.CommandInteractionCreateEvent) -> None:
    interaction = event.interaction
    if interaction.command_name == "Look":
        (message,) = interaction.resolved.messages.values()
        await interaction.create_initial_response(MESSAGE, message.attachments[0].filename)
        return
    options = {option.name: option.value for option in interaction.options}
    (image,) = interaction.resolved.attachments.values()
    await interaction.create_initial_response(DEFERRED)
    file = hikari.Bytes(await image.read(), "grid.png")
    await interaction.edit_initial_response(components=layout(str(options["text"]), file))
    await interaction.execute("done")


@bot.listen()
async def on_press(event: hikari.ComponentInteractionCreateEvent) -> None:
    interaction = event.interaction
    if interaction.custom_id == "ask":
        row = special_endpoints.ModalActionRowBuilder()
        row.add_text_input("words", "Words", max_length=100)
        await interaction.create_modal_response("Ask", "asked", component=row)
        return
    await interaction.create_initial_response(DEFERRED)
    (gallery,) = (c for c in interaction.message.components if c.type == 12)
    file = hikari.Bytes(await gallery.items[0].media.resource.read(), "grid.png")
    await interaction.edit_initial_response(components=layout("again", file))


@bot.listen()
async def on_submit(event: hikari.ModalInteractionCreateEvent) -> None:
    words = event.interaction.components[0].components[0].value
    flags = hikari.MessageFlag.EPHEMERAL
    await event.interaction.create_initial_response(MESSAGE, words, flags=flags)


if __name__ == "__main__":
    bot.run(check_for_updates=False)
