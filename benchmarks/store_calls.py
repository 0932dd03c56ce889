"""Claim, add and press through the store's own methods, without Discord: one function to keep up
with the store's interface."""

from __future__ import annotations

import time
from dataclasses import replace

from bot.config import Settings
from bot.domain import Asker, Click, Delivered, Kind, NewGeneration, Option, Result
from bot.store import Store


async def store_calls(url: str, users: list[int]) -> dict[str, list[float]]:
    """Return the seconds of each call of add, claim and press, by one user after the other."""
    times: dict[str, list[float]] = {"add": [], "claim": [], "press": []}
    option = Option(Kind.UPSCALE, 1, "U1", 2, "MJ::JOB::upsample::1::0")
    async with Store(settings_of(url)) as store:
        requests, queue = store.requests, store.queue
        for number, user in enumerate(users, 1):
            new = time.time_ns()
            asker = Asker(new, user, 1, 2, "token", 10 * 2**20, 0)
            began = time.perf_counter()
            await requests.enqueue(NewGeneration(asker, Kind.VARY, str(new), "https://x"))
            times["add"].append(time.perf_counter() - began)
            await requests.answered(new, number)
            began = time.perf_counter()
            claimed = await queue.claim_call(3, equal_prompts=False)
            times["claim"].append(time.perf_counter() - began)
            assert claimed is not None, "nothing was claimed"  # noqa: S101
            assert claimed.id == new, "another row was claimed"  # noqa: S101
            await queue.keep_result(new, Result(("https://x",), (option,)))
            await queue.posted(new, Delivered(number, "grid.png"))
            click = Click(replace(asker, interaction_id=new + 1), number, new, 0, "U1", {})
            began = time.perf_counter()
            await requests.press(click)
            times["press"].append(time.perf_counter() - began)
            await requests.answered(new + 1, number)
            await queue.claim_others([], 1)
            await queue.posted(new + 1, Delivered(number, "tile-1.png"))
    return times


def settings_of(url: str) -> Settings:
    """Return settings of which only the database matters."""
    values = {name: "x" for name, field in Settings.model_fields.items() if field.is_required()}
    return Settings.model_validate(
        values
        | {"database_url": url, "daily_limit": 1000, "user_queue_limit": 1000, "queue_limit": 5000}
    )
