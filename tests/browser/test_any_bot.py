"""Any bot in the page: every component, modal and menu, drawn from what it sends alone."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest_asyncio
from playwright.async_api import Locator, expect

from sandbox.page.server import PageServer
from sandbox.pictures import draw
from tests.browser.chromium import Channel

BOT = Path(__file__).with_name("any_bot.py")
PICTURE = draw((160, 120))
Look = Callable[..., Awaitable[Channel]]


@pytest_asyncio.fixture(scope="module")
async def sandbox() -> AsyncIterator[PageServer]:
    """A sandbox that runs a bot of another project."""
    async with PageServer(command=f'"{sys.executable}" "{BOT}"') as ready:
        await ready.discord.signal.until(lambda: len(ready.discord.commands) == 7, 20)
        yield ready


@pytest_asyncio.fixture
async def server(sandbox: PageServer) -> AsyncIterator[PageServer]:
    """The module's sandbox, and afterwards empty."""
    yield sandbox
    print(sandbox.bot.log[-4000:])
    sandbox.discord.messages.clear()
    sandbox.discord.interactions.clear()
    sandbox.discord.user_installs.clear()
    for user in sandbox.world.people:
        user.roles.clear()


async def run(channel: Channel, name: str) -> Locator:
    """Send a command without options and return its answer."""
    await channel.page.locator("#box").fill(f"/{name}")
    await channel.page.keyboard.press("Enter")
    await channel.page.get_by_role("button", name="Send").click()
    answer = channel.page.locator("article").filter(has_text=f"used/{name}").last
    await answer.locator(".body > :not(.thinking)").first.wait_for()
    return answer


async def choose(channel: Channel, menu: Locator, *names: str, many: bool = False) -> None:
    """Open a menu and choose; one that takes ``many`` is closed by a key."""
    await menu.click()
    for name in names:
        await channel.page.locator(".list").get_by_role("option", name=name).click()
    if many:
        await channel.page.keyboard.press("Escape")


async def test_the_page_knows_nothing_of_the_bot_but_what_it_sends(
    channel: Channel, server: PageServer
):
    await expect(channel.page.locator("#app-name")).to_have_text("Your Bot’s sandbox")
    await expect(channel.page.locator("#clicks")).to_be_hidden()
    await expect(channel.page.locator("#sample")).to_be_hidden()


async def test_menus_of_every_kind_are_chosen_from(channel: Channel):
    panel = await run(channel, "panel")
    await choose(channel, panel.get_by_role("button", name="Colours"), "Red", many=True)
    await expect(channel.last).to_contain_text("strings: ['blue', 'red']")
    await choose(channel, panel.get_by_role("button", name="Somebody"), "Bob")
    await expect(channel.last).to_contain_text("users: ['")
    await choose(channel, panel.get_by_role("button", name="A role"), "Artist", "Patron", many=True)
    await expect(channel.last).to_contain_text("roles: ['")
    await choose(channel, panel.get_by_role("button", name="Where"), "sketches")
    await expect(channel.last).to_contain_text("channels: ['")
    await choose(channel, panel.get_by_role("button", name="Whoever"), "Patron")
    await expect(channel.last).to_contain_text("anybody: ['")


async def test_a_modal_is_filled_in_and_sent(channel: Channel):
    panel = await run(channel, "panel")
    await panel.get_by_role("button", name="Ask").click()
    modal = channel.page.get_by_role("dialog", name="A form")
    await modal.get_by_role("button", name="Submit").click()
    await expect(modal.get_by_label("Words")).to_be_focused()
    await modal.get_by_label("Words").fill("a fox")
    await modal.get_by_role("button", name="Submit").click()
    await expect(modal).to_contain_text("Choose something under “Start from”.")
    await choose(channel, modal.get_by_role("button", name="Start from"), "Tile 2")
    await choose(channel, modal.get_by_role("button", name="For whom"), "Bob")
    file: Any = {"name": "fox.png", "mimeType": "image/png", "buffer": PICTURE}
    await modal.get_by_label("Picture").set_input_files(file)
    assert await channel.violations() == []
    await modal.get_by_role("button", name="Submit").click()
    await expect(channel.last).to_contain_text("a fox / ['2'] / ['bob'] / ['fox.png']")
    await expect(modal).to_be_hidden()


async def test_a_modal_that_a_dead_bot_does_not_take_keeps_what_was_typed(
    channel: Channel, server: PageServer
):
    panel = await run(channel, "panel")
    await panel.get_by_role("button", name="Ask").click()
    modal = channel.page.get_by_role("dialog", name="A form")
    await modal.get_by_label("Words").fill("a long thought")
    await choose(channel, modal.get_by_role("button", name="Start from"), "Tile 1")
    await server.bot.kill()
    try:
        await modal.get_by_role("button", name="Submit").click()
        await expect(modal).to_contain_text("Something went wrong. Try again.")
        await expect(modal.get_by_label("Words")).to_have_value("a long thought")
        await modal.get_by_role("button", name="Cancel").click()
        await expect(modal).to_be_hidden()
    finally:
        await server.bot.start()


async def test_an_ephemeral_gallery_is_paged_and_looked_at(channel: Channel):
    album = await run(channel, "album")
    await expect(album).to_contain_text("Only you can see this")
    await album.get_by_role("button", name="▶").click()
    await expect(album).to_contain_text("Page 2")
    await album.get_by_role("button", name="Open: Picture 0 of page 2").click()
    large = channel.page.get_by_role("dialog", name="Picture")
    await expect(large.get_by_role("img", name="Picture 0 of page 2")).to_be_visible()
    await channel.page.keyboard.press("ArrowRight")
    await expect(large.get_by_role("img", name="Picture 1 of page 2")).to_be_visible()
    await expect(large.get_by_role("link", name="Open in browser")).to_have_attribute(
        "href", await large.locator("img").get_attribute("src") or ""
    )
    assert await channel.violations() == []
    await channel.page.mouse.click(5, 400)
    await expect(large).to_be_hidden()
    await album.get_by_role("button", name="Show the spoiler").click()
    await expect(album.get_by_role("button", name="Open: Picture 3 of page 2")).to_be_enabled()


async def test_the_apps_menu_opens_on_a_right_click_and_from_the_dots(channel: Channel):
    page = channel.page
    file: Any = {"name": "cat.png", "mimeType": "image/png", "buffer": PICTURE}
    await page.locator("#attach-file").set_input_files(file)
    await expect(page.locator("#files img")).to_be_visible()
    await page.locator("#box").fill("my cat")
    await page.keyboard.press("Enter")
    said = channel.message("my cat")
    await said.get_by_role("img", name="cat.png").wait_for()
    await said.get_by_text("my cat").click(button="right")
    assert await channel.violations() == []
    await page.get_by_role("menuitem", name="Describe this").click()
    await expect(channel.last).to_contain_text("It shows cat.png")
    await said.hover()
    await said.get_by_role("button", name="More").click()
    await page.get_by_role("menuitem", name="Pass it on").click()
    await expect(channel.last).to_contain_text("Passed on")
    await page.locator("#channels").get_by_role("button", name="sketches").click()
    await expect(channel.last).to_contain_text("Forwarded")
    await expect(channel.last.get_by_role("img")).to_be_visible()


async def test_a_member_has_an_apps_menu_too_and_mentions_are_counted(look: Look):
    alice, bob = await look(), await look()
    await bob.switch("user", "Bob")
    await bob.page.locator("#channels").get_by_role("button", name="sketches").click()
    await alice.page.locator("#box").fill("good morning")
    await alice.page.keyboard.press("Enter")
    await bob.page.get_by_role("button", name="pictures, unread").wait_for()
    name = alice.message("good morning").locator("header strong")
    await name.click(button="right")
    await alice.page.get_by_role("menuitem", name="Greet").click()
    await expect(alice.last).to_contain_text("Hello, @Alice")
    await bob.page.locator("#box").fill("hi")
    await bob.page.keyboard.press("Enter")
    await alice.page.locator("#channels").get_by_role("button", name="sketches").click()
    await alice.message("hi").locator("header strong").click(button="right")
    await bob.page.locator("#channels").get_by_role("button", name="pictures").click()
    await alice.page.get_by_role("menuitem", name="Greet").click()
    await bob.page.get_by_role("button", name="sketches, 1 mention").wait_for()
    await bob.page.get_by_role("button", name="sketches, 1 mention").click()
    await expect(bob.page.get_by_role("separator", name="New messages")).to_be_visible()


async def test_optional_options_and_choices_are_given(channel: Channel):
    page = channel.page
    await page.locator("#box").fill("/dr")
    option = page.get_by_role("option", name="/draw")
    await expect(option).to_contain_text("words")
    await expect(option).to_contain_text("aspect")
    await page.keyboard.press("Enter")
    await page.keyboard.type("a fox")
    for name, value in (("aspect", "16:9"), ("whom", "Bob"), ("role", "@Patron")):
        await page.get_by_role("button", name="optional").click()
        await page.get_by_role("menuitem", name=name).click()
        await page.get_by_role("combobox", name=name).select_option(value)
    await page.get_by_role("button", name="optional").click()
    await page.get_by_role("menuitem", name="count").click()
    assert await channel.violations() == []
    await page.get_by_role("button", name="Without count").click()
    await page.get_by_role("button", name="Send").click()
    await expect(channel.last).to_contain_text("a fox; 16:9; None; bob; Patron; False")


async def test_what_is_installed_for_a_user_goes_where_the_bot_is_not(channel: Channel):
    page = channel.page
    await page.get_by_role("button", name="not-the-bot-s").click()
    await page.locator("#box").fill("/")
    await expect(page.locator("#suggestions [role=option]")).to_have_count(0)
    await page.get_by_text("Roles, apps and languages").click()
    await page.get_by_label("The app is installed for you").check()
    await page.locator("#box").fill("/dr")
    await expect(page.locator("#suggestions [role=option]")).to_have_count(1)
    await page.get_by_role("button", name="Alice and Bob").click()
    await page.locator("#box").fill("/dr")
    await page.keyboard.press("Enter")
    await page.keyboard.type("a fox")
    await page.keyboard.press("Enter")
    await expect(channel.last).to_contain_text("a fox; None")


async def test_a_press_shows_dots_and_then_that_it_failed(channel: Channel, server: PageServer):
    panel = await run(channel, "panel")
    button = panel.get_by_role("button", name="Slow")
    before = await button.bounding_box()
    await button.click()
    await expect(button).to_have_class(re.compile("busy"))
    assert await button.bounding_box() == before
    server.discord.advance(4)
    await expect(panel).to_contain_text("This interaction failed")
    await expect(button).not_to_have_class(re.compile("busy"))


async def test_an_embed_is_drawn(channel: Channel):
    embed = await run(channel, "embed")
    await expect(embed.locator(".embed em")).to_have_text("title")
    await expect(embed).to_contain_text("second")
    await expect(embed.locator(".galleries img")).to_be_visible()


async def test_the_owner_s_roles_are_the_viewer_s_to_choose(channel: Channel, server: PageServer):
    await channel.page.get_by_text("Roles, apps and languages").click()
    await channel.page.get_by_label("Patron").check()
    await server.discord.signal.until(lambda: bool(server.discord.alice.roles), 5)
    await channel.page.get_by_label("Patron").uncheck()
    await server.discord.signal.until(lambda: not server.discord.alice.roles, 5)
