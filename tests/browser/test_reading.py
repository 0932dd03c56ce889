"""Reading along: what moves, what is announced, what the keyboard and an assistive tool find."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import expect

from sandbox.discord import Message
from sandbox.page.server import PageServer
from sandbox.pictures import draw
from tests.browser.chromium import PHONE, Channel

PICTURE = draw((160, 120))
Look = Callable[..., Awaitable[Channel]]
TOP = "one => one.getBoundingClientRect().top"
TOP_OF = "id => document.getElementById(id).getBoundingClientRect().top"


async def chat(server: PageServer, count: int, day: float = 0) -> list[Message]:
    """Let Bob write messages, ``day`` days ago."""
    found: list[Message] = []
    for number in range(count):
        message = await server.discord.say(server.discord.bob, f"line {number}")
        message.created -= day * 86_400
        found.append(message)
    return found


async def top_of(channel: Channel, words: str) -> float:
    return await channel.message(words).first.evaluate(TOP)


async def scroll(channel: Channel, by: int) -> None:
    await channel.page.locator("#scroller").hover()
    await channel.page.mouse.wheel(0, by)
    await channel.page.wait_for_timeout(300)


async def test_a_reader_who_has_scrolled_up_is_never_moved(channel: Channel, server: PageServer):
    await chat(server, 60)
    await expect(channel.message("line 59")).to_be_in_viewport()
    await scroll(channel, -700)
    where = await top_of(channel, "line 40")
    await server.discord.say(server.discord.bob, "something new")
    bar = channel.page.locator("#newbar")
    await expect(bar).to_contain_text(
        re.compile("1 new message since .*Jump to present", re.DOTALL)
    )
    await server.discord.say(server.discord.moderator, "and more")
    await expect(bar).to_contain_text("2 new messages")
    assert abs(await top_of(channel, "line 40") - where) < 1
    # A message above what is read goes, and one grows.
    first, second, *_ = sorted(server.discord.messages.values(), key=lambda m: m.id)
    server.discord.remove(first)
    second.content = "\n".join("much longer" for _ in range(8))
    server.discord.signal.notify()
    await channel.message("much longer").wait_for(state="attached")
    assert abs(await top_of(channel, "line 40") - where) < 1
    await bar.click()
    await expect(channel.message("and more")).to_be_in_viewport()
    await expect(bar).to_be_hidden()


async def test_a_press_on_an_old_grid_does_not_scroll(channel: Channel, server: PageServer):
    await channel.vary("a harbour", PICTURE)
    grid = channel.grid("Four new pictures")
    await grid.wait_for()
    await chat(server, 40)
    await expect(channel.message("line 39")).to_be_in_viewport()
    await channel.page.locator("#scroller").evaluate("box => { box.scrollTop = 0; }")
    await grid.evaluate("grid => grid.scrollIntoView({block: 'end'})")
    await channel.page.wait_for_timeout(300)
    # By its id: an edit of the message puts another element in its place.
    id_ = await grid.get_attribute("id")
    before: float = await channel.page.evaluate(TOP_OF, id_)
    await grid.get_by_role("button", name="U1", exact=True).click()
    await expect(channel.page.locator("#newbar")).to_be_visible()
    assert abs(await channel.page.evaluate(TOP_OF, id_) - before) < 1
    await channel.page.locator("#newbar").click()
    await channel.page.get_by_role("link", name="Its grid").click()
    await expect(grid).to_be_in_viewport()
    await channel.message("Picture 1 of 4 for @Alice").locator(".reference a").first.click()
    await expect(grid).to_be_in_viewport()


async def test_messages_are_grouped_and_dated(channel: Channel, server: PageServer):
    await chat(server, 2, day=1)
    await chat(server, 2)
    await server.discord.say(server.discord.alice, "good evening")
    await expect(channel.page.get_by_role("separator")).to_have_count(2)
    grouped = channel.page.locator("article.grouped")
    await expect(grouped).to_have_count(2)
    time = grouped.last.locator(".gutter time")
    await expect(time).to_be_hidden()
    await grouped.last.hover()
    await expect(time).to_be_visible()
    name = await grouped.last.get_attribute("aria-label")
    assert re.match(r"Bob, \d", name or "")


async def test_the_arrow_keys_go_from_message_to_message(channel: Channel, server: PageServer):
    await channel.vary("a harbour", PICTURE)
    await channel.grid("Four new pictures").wait_for()
    await chat(server, 5)
    page, keys = channel.page, channel.page.keyboard
    await expect(channel.message("line 4")).to_be_visible()
    await page.locator("#box").focus()
    stops = 0
    while await page.evaluate("document.activeElement.closest('main') !== null"):
        await keys.press("Shift+Tab")
        stops += 1
    assert stops < 12, "the messages are more than a few stops of the Tab key"
    await page.locator("#box").focus()
    await keys.press("ArrowUp")
    focused = "document.activeElement.textContent"
    assert "line 4" in await page.evaluate(focused)
    for _ in range(5):
        await keys.press("ArrowUp")
    assert "Four new pictures" in await page.evaluate(focused)
    await keys.press("End")
    assert "line 4" in await page.evaluate(focused)
    await keys.press("ArrowDown")
    assert await page.evaluate("document.activeElement.id") == "box"


async def test_a_message_is_deleted_by_whoever_may(look: Look, server: PageServer):
    alice, moderator = await look(), await look()
    await moderator.switch("user", "Moderator")
    await chat(server, 1)
    await alice.message("line 0").click(button="right")
    await expect(alice.page.get_by_role("menuitem", name="Copy message link")).to_be_visible()
    await expect(alice.page.get_by_role("menuitem", name="Delete message")).to_have_count(0)
    await moderator.message("line 0").click(button="right")
    await moderator.page.get_by_role("menuitem", name="Delete message").click()
    await expect(alice.message("line 0")).to_have_count(0)


async def test_controls_that_can_do_nothing_are_disabled(channel: Channel):
    def button(name: str) -> Any:
        return channel.page.get_by_role("button", name=name, exact=True)

    await expect(button("Start")).to_be_disabled()
    await expect(channel.page.locator("#bot-status")).to_contain_text("online (process ")
    await button("Stop").click()
    await expect(channel.page.locator("#bot-status")).to_contain_text("stopped (exit status 0)")
    for name in ("Crash (kill -9)", "Stop", "Restart", "Drop the gateway"):
        await expect(button(name)).to_be_disabled()
    await button("Start").click()
    await channel.page.locator("#lamp.online").wait_for()
    await button("Crash (kill -9)").click()
    await expect(channel.page.locator("#bot-status")).to_contain_text("exit status -9")


async def test_direct_messages_have_a_welcome_of_their_own(channel: Channel):
    await channel.page.get_by_role("button", name="Vary", exact=True).click()
    await expect(channel.page.locator("#welcome")).to_contain_text("your direct messages with Vary")


async def test_only_languages_that_the_bot_speaks_are_offered(channel: Channel, server: PageServer):
    offered = await channel.page.locator("#locale option").all_inner_texts()
    assert len(offered) == len(server.world.locales())


@pytest.mark.parametrize("size", ["desktop", "phone"])
@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_an_accessibility_engine_finds_nothing(
    look: Look, server: PageServer, size: str, theme: str
):
    options: Any = {"viewport": PHONE, "has_touch": True} if size == "phone" else {}
    channel = await look(**options)
    page = channel.page
    await page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
    await chat(server, 3, day=1)
    await channel.vary("a **harbour** https://example.org", PICTURE)
    grid = channel.grid("Four new pictures")
    await grid.get_by_role("button", name="U2", exact=True).click()
    await channel.message("Picture 2 of 4 for @Alice").get_by_role("img").last.wait_for()
    assert await channel.violations() == []
    await page.locator("#box").fill("/")
    await page.locator("#suggestions [role=option]").last.wait_for()
    assert await channel.violations() == []
    await page.locator("#box").fill("/vary")
    await page.keyboard.press("Enter")
    assert await channel.violations() == []
    await page.keyboard.press("Escape")
    if size == "phone":
        await page.get_by_role("button", name="Channels and settings").tap()
        await page.get_by_text("Roles, apps and languages").tap()
        assert await channel.violations() == []
        await page.touchscreen.tap(370, 400)
        await expect(page.locator("#places")).to_be_hidden()


SMALL = """() => [...document.querySelectorAll("button, select, summary, input, a.button")]
  .filter((one) => one.checkVisibility({visibilityProperty: true}) && !one.disabled)
  .map((one) => [one.closest("label.check, .field") ?? one, one])
  .map(([area, one]) => [area.getBoundingClientRect(), one])
  .filter(([box]) => box.width && (box.width < 44 || box.height < 44))
  .map(([box, one]) => `${one.outerHTML.slice(0, 90)} ${box.width}x${box.height}`)"""


async def test_on_a_phone_every_target_is_44_pixels(look: Look, server: PageServer):
    channel = await look(viewport=PHONE, has_touch=True)
    page = channel.page
    await channel.vary("a harbour", PICTURE)
    await channel.grid("Four new pictures").get_by_role("button", name="V4").wait_for()
    assert await page.evaluate(SMALL) == []
    await page.locator("#box").fill("/vary")
    await page.keyboard.press("Enter")
    assert await page.evaluate(SMALL) == []
    await page.locator("#open-panel").tap()
    assert await page.evaluate(SMALL) == []
    await page.touchscreen.tap(10, 400)
    await expect(page.locator("#panel")).to_be_hidden()
    await page.get_by_role("button", name="Channels and settings").tap()
    await page.get_by_text("Roles, apps and languages").tap()
    assert await page.evaluate(SMALL) == []
