"""``/livez``, ``/readyz`` and ``/metrics`` of every role."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.domain import State
from sandbox.bot_process import ROOT, BotProcess
from sandbox.discord import Fault
from sandbox.genart import answer
from tests.e2e.conftest import World
from tests.e2e.roles import company, free_port
from tests.unit.test_deploy import queries


async def get(process: BotProcess, path: str) -> tuple[int, str]:
    """Ask a process for a page of its health; status 0 where nothing listens."""
    url = f"http://127.0.0.1:{process.settings['HEALTH_PORT']}{path}"
    try:
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, await answer.text()
    except aiohttp.ClientError:
        return 0, ""


async def ready(process: BotProcess) -> tuple[int, dict[str, str | None]]:
    """Return the status of ``/readyz``, and why each part isn't ready."""
    code, body = await get(process, "/readyz")
    found = json.loads(body or "{}")
    assert found.get("ready", False) is (code == 200)
    return code, {name: part["reason"] for name, part in found.get("checks", {}).items()}


async def becomes(process: BotProcess, code: int, part: str | None = None) -> str | None:
    """Wait until ``/readyz`` has a status, by a part of the process; return that part's reason."""
    async with asyncio.timeout(20):
        while True:
            found, reasons = await ready(process)
            if found == code and (part is None or reasons[part]):
                return reasons.get(part or "")
            await asyncio.sleep(0.05)


async def metrics(process: BotProcess) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return every sample of ``/metrics`` by name and labels."""
    code, body = await get(process, "/metrics")
    assert code == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
    }


def key(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


@pytest.mark.parametrize(
    ("role", "parts"),
    [
        ("gateway", {"gateway", "database"}),
        ("endpoint", {"endpoint", "database"}),
        ("worker", {"api", "database"}),
    ],
)
async def test_each_role_says_that_it_is_ready_and_then_that_it_stops(
    tmp_path, role: str, parts: set[str]
):
    async with company(tmp_path) as found:
        process = await found.start(role, HEALTH_PORT=free_port())
        await becomes(process, 200)
        assert await ready(process) == (200, dict.fromkeys(parts))
        assert (await get(process, "/livez"))[0] == 200
        assert (await get(process, "/"))[0] == 404
        assert await process.stop() == 0


@pytest.fixture
async def watched(make: Any) -> AsyncIterator[World]:
    """A bot that does everything, and tells how it is."""
    async with make(HEALTH_PORT=free_port()) as world:
        await becomes(world.bot, 200)
        yield world


async def test_what_is_not_ready_is_said_with_its_reason(watched: World):
    await watched.discord.drop_gateway(4000)
    assert "not connected" in (await becomes(watched.bot, 503, "gateway") or "")
    await becomes(watched.bot, 200)
    watched.genart.behaviours.append(answer(401))
    await watched.vary()
    assert "API" in (await becomes(watched.bot, 503, "api") or "")
    watched.sql_write("alter table generations rename to elsewhere")
    assert await becomes(watched.bot, 503, "database") == "it can't be read"
    assert (await get(watched.bot, "/livez"))[0] == 200
    found = await metrics(watched.bot)
    parts = {part: found[key("vary_ready", part=part)] for part in ("gateway", "api", "database")}
    assert parts == {"gateway": 1, "api": 0, "database": 0}
    assert key("vary_queue_length") not in found, "what the database doesn't tell isn't said"


async def test_a_process_that_stops_is_not_ready_any_more(watched: World):
    watched.genart.delay = 2
    asked = await watched.vary()
    await watched.becomes(asked, "running")
    watched.bot.signal(signal.SIGTERM)
    assert await becomes(watched.bot, 503, "process") == "stopping"
    assert await watched.bot.wait() == 0


async def test_what_happened_is_counted(watched: World):
    grid = await watched.grid("a cat")
    await watched.tile(await watched.press(grid, "U1"))
    await watched.settled()
    found = await metrics(watched.bot)
    command, component = {"kind": "application_command"}, {"kind": "component"}
    assert found[key("vary_interactions_total", **command)] == 1
    assert found[key("vary_answer_seconds_count", **command)] == 1
    assert found[key("vary_answer_seconds_count", **component)] == 1
    assert 0 < found[key("vary_answer_seconds_sum", **component)] < 3
    for kind in ("vary", "upscale"):
        labels = {"kind": kind, "outcome": "posted"}
        assert found[key("vary_generation_seconds_count", **labels)] == 1
        assert found[key("vary_queue_wait_seconds_count", kind=kind)] == 1
    assert found[key("vary_api_call_seconds_count")] == 1
    assert found[key("vary_queue_length")] == found[key("vary_running")] == 0
    assert found[key("vary_database_seconds_count", kind="write", outcome="done")] > 5
    assert found[key("vary_event_loop_lag_seconds_count")] > 0
    assert found[key("vary_ready", part="gateway")] == 1
    assert found[key("process_resident_memory_bytes")] > 0


async def test_errors_of_the_api_fallbacks_and_rate_limits_are_counted(watched: World):
    watched.genart.behaviours.append(answer(400))
    await watched.ends(await watched.vary(), "doesn't accept")
    watched.discord.fail("POST", "/channels/*/messages", Fault(retry_after=0.2))
    await watched.grid()
    watched.discord.fail("POST", "/channels/*/messages", Fault(403, 50013, "Missing Permissions"))
    await watched.grid()
    await watched.settled()
    found = await metrics(watched.bot)
    assert found[key("vary_api_errors_total", error="bad_request")] == 1
    labels = {"kind": "vary", "outcome": "failed"}
    assert found[key("vary_generation_seconds_count", **labels)] == 1
    assert found[key("vary_delivery_fallbacks_total", way="card")] == 1
    assert found[key("vary_discord_rate_limits_total", kind="user")] == 1
    assert found[key("vary_discord_rate_limit_wait_seconds_total")] == 0.2
    assert found[key("vary_discord_requests_total", status="429")] == 1
    await asyncio.sleep(0.3)
    found = await metrics(watched.bot)
    missing = [query for query in queries() if not _finds(query, set(found))]
    assert missing == []


def _finds(query: str, samples: set[tuple[str, frozenset[tuple[str, str]]]]) -> bool:
    """Tell whether each metric of a query is exported, with each label that the query names."""
    labels: dict[str, set[str]] = {}
    for name, pairs in samples:
        labels.setdefault(name, set()).update(label for label, _ in pairs)
    metrics = re.findall(r"\b((?:vary|process)_\w+)(?:\{([^}]*)\})?", query)
    grouped = {word for words in re.findall(r"by \(([^)]*)\)", query) for word in words.split(", ")}
    known = set[str]().union(*(labels.get(name, set()) for name, _ in metrics), {"instance"})
    return grouped <= known and all(
        name in labels
        and {part.split("=")[0] for part in where.split(",") if part} <= labels[name] | {"job"}
        and set(re.findall(r'outcome="(\w+)"', where)) <= set(State)
        for name, where in metrics
    )


async def test_the_image_s_health_check_works(watched: World):
    dockerfile = (ROOT / "Dockerfile").read_text().replace("\\\n", "")
    (words,) = re.findall(r"^HEALTHCHECK .* CMD (\[.*\])$", dockerfile, re.MULTILINE)
    command = [sys.executable, *json.loads(words)[1:]]
    environment = {"HEALTH_PORT": watched.bot.settings["HEALTH_PORT"]}
    pipe = asyncio.subprocess.PIPE

    async def is_healthy() -> bool:
        process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=pipe)
        await process.communicate()
        return process.returncode == 0

    assert await is_healthy()
    await watched.bot.stop()
    assert not await is_healthy()


async def test_a_port_that_is_taken_is_said(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        async with company(tmp_path) as found:
            process = await found.launch("worker", HEALTH_PORT=port)
            assert await process.wait() == os.EX_UNAVAILABLE
            assert f"127.0.0.1:{port} can't be listened on" in process.log


async def test_without_a_health_port_nothing_is_counted_or_loaded():
    code = "import sys, bot.roles, bot.worker.worker, bot.delivery; print(sorted(sys.modules))"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    loaded = set(ast.literal_eval(output.decode()))
    assert "bot.metrics" in loaded
    assert not loaded & {"prometheus_client", "aiohttp.web", "cryptography", "bot.health"}
