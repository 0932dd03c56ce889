"""What a newcomer does on the sandbox's page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from playwright.async_api import expect

from sandbox.page.server import FILES, PageServer
from sandbox.pictures import draw
from tests.browser.chromium import PHONE, Channel

PICTURE = draw((160, 120))
Look = Callable[..., Awaitable[Channel]]
LABELS = ["U1", "U2", "U3", "U4", "🔄", "V1", "V2", "V3", "V4", "✏️\nRemix"]
LABELS += ["All four", "⭐", "🗑", "ℹ️\nDetails"]


def button(place: Any, name: str) -> Any:
    return place.get_by_role("button", name=name, exact=True)


async def test_vary_and_every_kind_of_button(channel: Channel, server: PageServer):
    await channel.vary("a *city* at dusk", PICTURE)
    grid = channel.grid("Four new pictures")
    await expect(grid).to_contain_text("a *city* at dusk")
    assert await grid.locator(".buttons button").all_inner_texts() == LABELS
    picture = grid.get_by_role("img", name="a *city* at dusk").last
    await expect(picture).to_have_js_property("naturalWidth", 192)
    await button(grid, "U2").click()
    tile = channel.message("Picture 2 of 4 for @Alice")
    picture = tile.get_by_role("img", name="Picture 2 of 4: a *city* at dusk")
    await expect(picture).to_have_js_property("naturalWidth", 96)
    await button(grid, "V3").click()
    await expect(channel.grid("Variations of picture 3")).to_be_visible()
    await button(grid, "🔄").click()
    await expect(channel.grid("Reroll")).to_be_visible()
    await expect(channel.page.locator("#clicks tbody")).to_contain_text("🔄, V3, U2")
    assert server.genart.calls[-1].source == PICTURE


async def test_two_people_press_at_once_and_each_sees_their_own(look: Look):
    alice, bob = await look(), await look()
    await bob.switch("user", "Bob")
    await alice.vary("a lighthouse", PICTURE)
    grid = bob.grid("Four new pictures")
    await button(grid, "U1").click()
    await button(alice.grid("Four new pictures"), "U1").click()
    await expect(alice.message("Picture 1 of 4 for @Bob")).to_be_visible()
    await bob.page.locator("#clicks tbody").get_by_text("Alice").wait_for()
    repeated, tile = (
        alice.message("Only you can see this"),
        alice.message("Picture 1 of 4 for @Alice"),
    )
    await expect(repeated.or_(tile)).to_have_count(1)
    shown = await repeated.count()
    assert await bob.message("Only you can see this").count() == 0
    if shown:
        await button(alice.page, "Dismiss message").click()
        await expect(repeated).to_have_count(0)


async def test_one_in_line_can_be_cancelled_by_its_asker_only(look: Look):
    alice, bob = await look(), await look()
    await bob.switch("user", "Bob")
    await alice.switch("api", "slow")
    await alice.vary("the first", PICTURE)
    await expect(alice.message("the first", "Started")).to_be_visible()
    await alice.vary("the second", PICTURE)
    card = alice.message("the second", "In line: 1 ahead")
    await button(bob.message("the second"), "Cancel").click()
    await expect(bob.last).to_contain_text("Only the one who asked")
    await button(card, "Cancel").click()
    await expect(alice.message("the second")).to_contain_text("Cancelled.")


async def test_a_failure_can_be_tried_again(channel: Channel):
    await channel.switch("api", "500")
    await channel.vary("a red door", PICTURE)
    again = button(channel.message("a red door", "had an error"), "Try again")
    await again.wait_for()
    await channel.switch("api", "normal")
    await again.click()
    await expect(channel.grid("Four new pictures")).to_be_visible()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("400", "doesn’t accept this prompt or picture. It says: Banned prompt detected"),
        ("401", "refuses this bot’s key"),
        ("never answers", "didn’t answer in time"),
        ("garbage", "makes no sense"),
    ],
)
async def test_a_fault_of_the_api_ends_in_a_sentence(channel: Channel, fault: str, words: str):
    await channel.switch("api", fault)
    await channel.vary("a red door", PICTURE)
    await expect(channel.message("a red door")).to_contain_text(words.replace("’", "'"))


async def test_old_buttons_work_after_a_kill_and_a_press_meanwhile_fails(channel: Channel):
    page = channel.page
    await channel.vary("a harbour", PICTURE)
    grid = channel.grid("Four new pictures")
    await grid.wait_for()
    await button(page, "Crash (kill -9)").click()
    await page.locator("#lamp.stopped").wait_for()
    await button(grid, "U4").click()
    await expect(grid).to_contain_text("This interaction failed")
    await button(page, "Start").click()
    await page.locator("#lamp.online").wait_for()
    await button(grid, "U4").click()
    await expect(
        channel.message("Picture 4 of 4 for @Alice").get_by_role("img").last
    ).to_be_visible()
    await expect(grid).not_to_contain_text("This interaction failed")


@pytest.mark.parametrize("fault", ["rate limited", "interaction tokens expired"])
async def test_discord_s_faults_are_survived(channel: Channel, fault: str):
    await channel.switch("discord", fault)
    await button(channel.page, "Drop the gateway").click()
    await channel.page.locator("#lamp.online").wait_for()
    await channel.vary("a bridge", PICTURE)
    await expect(channel.grid("Four new pictures")).to_be_visible()


async def test_a_day_later_without_the_upload_the_same_picture_is_used(
    channel: Channel, server: PageServer
):
    await channel.vary("a windmill", PICTURE)
    grid = channel.grid("Four new pictures")
    await grid.wait_for()
    await button(channel.page, "A day passes").click()
    await button(channel.page, "Forget uploads").click()
    await expect(channel.page.locator("#ahead")).to_contain_text("25 h")
    await button(grid, "🔄").click()
    await expect(channel.grid("Reroll")).to_be_visible()
    assert server.genart.calls[-1].source == PICTURE


async def test_everything_can_be_done_from_the_keyboard(channel: Channel):
    page = channel.page
    keys = page.keyboard
    await page.locator("#box").focus()
    await keys.type("/va")
    await keys.press("Enter")
    await keys.type("a pond")
    await keys.press("Tab")
    assert await page.evaluate("document.activeElement.type") == "file"
    file: Any = {"name": "cat.png", "mimeType": "image/png", "buffer": PICTURE}
    await page.locator("#fields input[type=file]").set_input_files(file)
    await page.get_by_role("textbox", name="prompt").press("Enter")
    grid = channel.grid("Four new pictures")
    await grid.wait_for()
    focused = "document.activeElement.textContent"
    for _ in range(40):
        if await page.evaluate(focused) == "U1":
            break
        await keys.press("Shift+Tab")
    assert await page.evaluate("document.activeElement.matches(':focus-visible')")
    await keys.press("Enter")
    await expect(
        channel.message("Picture 1 of 4 for @Alice").get_by_role("img").last
    ).to_be_visible()
    assert await page.evaluate(focused) == "U1", "the focus was lost when the message changed"


async def test_pictures_can_be_dropped_and_pasted(channel: Channel):
    for kind in ("drop", "paste"):
        data = await channel.page.evaluate_handle(
            """(name) => { const data = new DataTransfer();
            data.items.add(new File([new Uint8Array([1])], name, {type: "image/png"}));
            return data; }""",
            f"{kind}.png",
        )
        key = "dataTransfer" if kind == "drop" else "clipboardData"
        await channel.page.evaluate(
            """([data, kind, key]) => document.body.dispatchEvent(kind === "drop"
            ? new DragEvent(kind, {[key]: data, bubbles: true, cancelable: true})
            : new ClipboardEvent(kind, {[key]: data, bubbles: true, cancelable: true}))""",
            [data, kind, key],
        )
        await expect(channel.page.locator("#fields .file")).to_have_text(f"{kind}.png")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_light_and_dark_can_be_read(look: Look, scheme: str):
    channel = await look(color_scheme=scheme)
    await channel.switch("theme", "")
    await channel.vary("a pond", PICTURE)
    await channel.grid("Four new pictures").wait_for()
    contrasts: dict[str, float] = await channel.page.evaluate(CONTRASTS)
    assert len(contrasts) > 15
    assert {words: value for words, value in contrasts.items() if value < 4.5} == {}
    other = "dark" if scheme == "light" else "light"
    before = await channel.page.evaluate("getComputedStyle(document.body).backgroundColor")
    await channel.switch("theme", other)
    after = await channel.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert before != after


# WCAG's contrast of each text that is seen against the colour behind it.
CONTRASTS = """() => {
  const probe = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const rgba = (colour) => { probe.clearRect(0, 0, 1, 1); probe.fillStyle = colour;
    probe.fillRect(0, 0, 1, 1); return [...probe.getImageData(0, 0, 1, 1).data]; };
  const light = (rgb) => rgb.slice(0, 3).map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const found = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const words = walker.currentNode.textContent.trim(), element = walker.currentNode.parentElement;
    if (!words || !element.checkVisibility() || element.closest("option, .skip")) continue;
    let behind = element, back = rgba(getComputedStyle(behind).backgroundColor);
    while (back[3] < 255) { behind = behind.parentElement;
      back = rgba(getComputedStyle(behind).backgroundColor); }
    const pair = [light(rgba(getComputedStyle(element).color)), light(back)].sort((a, b) => b - a);
    found[words.slice(0, 40)] = (pair[0] + 0.05) / (pair[1] + 0.05);
  }
  return found;
}"""


async def test_a_phone_shows_all_of_it(look: Look):
    channel = await look(viewport=PHONE)
    page = channel.page
    assert not await page.locator("#panel").is_visible()
    await channel.vary("a pond", PICTURE)
    grid = channel.grid("Four new pictures")
    await grid.wait_for()
    assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    for one in await grid.locator("button").all():
        box = await one.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]
    await button(page, "Channels and settings").click()
    await channel.switch("user", "Bob")
    await page.keyboard.press("Escape")
    assert not await page.locator("#places").is_visible()
    await page.locator("#open-panel").click()
    await expect(button(page, "Crash (kill -9)")).to_be_visible()


async def test_only_its_own_files_are_served_and_only_to_itself(server: PageServer):
    async with aiohttp.ClientSession() as session:

        async def ask(path: str, method: str = "GET", **headers: str) -> int:
            url = server.address + path
            form = {"body": '{"do": "kill"}'} if method == "POST" else None
            async with session.request(method, url, headers=headers, data=form) as answer:
                return answer.status

        assert [await ask(p) for p in ("", "app.js", "style.css", "sample.png")] == [200] * 4
        for path in ("..%2fserver.py", "server.py", "index.html", "%2e%2e/README.md"):
            assert await ask(path) == 404
        assert await ask("", Host="evil.example") == 403
        assert await ask("events?user=alice", Host=f"evil.example:{server.address[-6:-1]}") == 403
        assert await ask("do/bot", "POST", Origin="http://evil.example") == 403
        assert await ask("do/bot", "POST", Origin="null") == 403
        assert await ask("do/__init__", "POST") == 404
        for url in (server.discord.api_url + "/gateway/bot", server.genart.api_url + "/info"):
            async with session.get(url, headers={"Host": "evil.example"}) as answer:
                assert answer.status == 403
        async with session.get(server.address) as answer:
            policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy


def test_the_page_is_light():
    assert sum(path.stat().st_size for path in FILES.iterdir()) < 200_000
