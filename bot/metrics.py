"""What a process counts for Prometheus.

Nothing is counted, and prometheus_client isn't loaded, until :func:`enable` is called, which is
done where ``HEALTH_PORT`` is set.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import aiohttp
from cachetools import LRUCache

from bot.domain import Generation
from bot.errors import VaryError

_ANSWERS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3)
_WORK = (0.1, 0.5, 1, 5, 15, 30, 60, 120, 300, 600, 1800)
_CALLS = (1, 5, 15, 30, 45, 60, 90, 120, 180, 300, 600)
_DATABASE = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_LAG = (0.001, 0.005, 0.01, 0.03, 0.08, 0.25, 1, 3)
_OPEN = 10_000
"""Interactions whose answers are waited for at most."""


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """How the queue is: rows that wait and run, seconds since the oldest that waits was asked for
    (0 where none waits), and workers that are alive; and what the operator has been told of the
    account behind the API: little fast time, a refused key."""

    waiting: int
    running: int
    oldest: float
    workers: int
    fast_time_low: bool = False
    key_refused: bool = False


class _Instruments:
    """Every metric of a process."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
        from prometheus_client.platform_collector import PlatformCollector
        from prometheus_client.process_collector import ProcessCollector

        self.registry = own = CollectorRegistry()
        self.shared = shared = CollectorRegistry()
        ProcessCollector(registry=own)
        PlatformCollector(registry=own)

        def counter(name: str, what: str, *labels: str) -> Counter:
            return Counter(f"vary_{name}", what, labels, registry=own)

        def gauge(name: str, what: str, registry: CollectorRegistry, *labels: str) -> Gauge:
            return Gauge(f"vary_{name}", what, labels, registry=registry)

        def histogram(name: str, what: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"vary_{name}", what, labels, buckets=buckets, registry=own)

        self.interactions = counter("interactions", "Interactions received", "kind")
        self.answer = histogram(
            "answer_seconds", "From receiving an interaction until Discord took the answer",
            _ANSWERS, "kind",
        )  # fmt: skip
        self.generation = histogram(
            "generation_seconds", "From the start of the work until its end",
            _WORK, "kind", "outcome",
        )  # fmt: skip
        self.wait = histogram(
            "queue_wait_seconds", "From the request until the start of the work", _WORK, "kind"
        )
        self.api = histogram("api_call_seconds", "Calls of the API", _CALLS)
        self.api_errors = counter("api_errors", "Calls of the API that failed", "error")
        self.fallbacks = counter(
            "delivery_fallbacks", "Results that could not be delivered the usual way", "way"
        )
        self.discord = counter("discord_requests", "Requests to Discord", "status")
        self.limits = counter("discord_rate_limits", "Rate limits that Discord told of", "kind")
        self.limit_wait = counter(
            "discord_rate_limit_wait_seconds", "Seconds that Discord asked to wait after a 429"
        )
        self.database = histogram(
            "database_seconds", "Transactions, and waiting for them", _DATABASE, "kind", "outcome"
        )
        self.lag = histogram("event_loop_lag_seconds", "How late a timer comes", _LAG)
        self.ready = gauge("ready", "Whether a part of this process is ready", own, "part")
        self.waiting = gauge("queue_length", "Generations that wait, over all processes", shared)
        self.running = gauge("running", "Generations that run, over all processes", shared)
        self.oldest = gauge("queue_oldest_seconds", "Age of the oldest that waits", shared)
        self.workers = gauge("workers", "Workers that are alive, over all processes", shared)
        self.fast_time_low = gauge("fast_time_low", "Whether little fast time is left", shared)
        self.key_refused = gauge("key_refused", "Whether the API refuses the key", shared)
        self.received: LRUCache[str, tuple[str, float]] = LRUCache(_OPEN)


_found: _Instruments | None = None


def enable() -> None:
    """Begin to count."""
    global _found
    _found = _found or _Instruments()


def interaction(id_: int, kind: str) -> None:
    """Count an interaction that was received."""
    if _found:
        _found.interactions.labels(kind).inc()
        _found.received[str(id_)] = (kind, time.perf_counter())


def discord_trace() -> Any:
    """Return what a client of discord.py takes as ``http_trace``: an ``aiohttp.TraceConfig``, or
    ``None`` where nothing is counted."""
    if _found is None:
        return None

    async def on_end(
        _: aiohttp.ClientSession, __: SimpleNamespace, end: aiohttp.TraceRequestEndParams
    ) -> None:
        _discord_request(end.url.raw_path, end.response.status, end.response.headers)

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(on_end)
    return trace


def _discord_request(path: str, status: int, headers: Mapping[str, str]) -> None:
    """Count a request to Discord that was answered; ``path`` is its address without the host.

    Source of the headers: documentation, "Rate Limits".
    """
    if not _found:
        return
    _found.discord.labels(str(status)).inc()
    if status == 429:
        _found.limits.labels(headers.get("X-RateLimit-Scope", "unknown")).inc()
        _found.limit_wait.inc(float(headers.get("Retry-After", 0)))
    elif headers.get("X-RateLimit-Remaining") == "0":
        _found.limits.labels("exhausted").inc()
    match path.split("/"):
        case [*_, "interactions", id_, _, "callback"] if status < 300 and id_ in _found.received:
            kind, since = _found.received.pop(id_)
            _found.answer.labels(kind).observe(time.perf_counter() - since)
        case _:
            pass


def ended(generations: Iterable[Generation]) -> None:
    """Count generations that are over."""
    for one in generations if _found else ():
        assert _found is not None  # noqa: S101
        if one.started_at and one.finished_at:
            _found.wait.labels(one.kind).observe((one.started_at - one.created_at).total_seconds())
            seconds = (one.finished_at - one.started_at).total_seconds()
            _found.generation.labels(one.kind, one.state).observe(seconds)


def fell_back(way: str) -> None:
    """Count a result that is delivered another way than usual."""
    if _found:
        _found.fallbacks.labels(way).inc()


@contextmanager
def api_call() -> Generator[None]:
    """Count a call of the API, and what it raises."""
    began = time.perf_counter()
    try:
        yield
    except VaryError as error:
        if _found:
            _found.api_errors.labels(error.code).inc()
        raise
    finally:
        if _found:
            _found.api.observe(time.perf_counter() - began)


@contextmanager
def transaction(kind: str) -> Generator[None]:
    """Count a transaction of the database; ``kind`` is ``read`` or ``write``."""
    if _found is None:
        yield
        return
    began, outcome = time.perf_counter(), "failed"
    try:
        yield
        outcome = "done"
    finally:
        _found.database.labels(kind, outcome).observe(time.perf_counter() - began)


def lag(seconds: float) -> None:
    """Count how late a timer of the event loop came."""
    if _found:
        _found.lag.observe(seconds)


def page(figures: QueueFigures | None, ready: Mapping[str, bool]) -> tuple[bytes, str]:
    """Return all metrics and their content type.

    Without ``figures``, which the database didn't give, the page says nothing of the queue.
    """
    from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

    assert _found is not None  # noqa: S101
    for part, is_ready in ready.items():
        _found.ready.labels(part).set(is_ready)
    text = generate_latest(_found.registry)
    if figures:
        _found.waiting.set(figures.waiting)
        _found.running.set(figures.running)
        _found.oldest.set(figures.oldest)
        _found.workers.set(figures.workers)
        _found.fast_time_low.set(figures.fast_time_low)
        _found.key_refused.set(figures.key_refused)
        text += generate_latest(_found.shared)
    return text, CONTENT_TYPE_LATEST
