from __future__ import annotations

import pytest

from bot.domain import Asker, Permission, is_supported_upload


def asker(permissions: int, *, guild_id: int | None = 10, in_thread: bool = False) -> Asker:
    return Asker(1, 2, guild_id, 20, "token", 1_000_000, permissions, in_thread)


VIEW, SEND, ATTACH, THREADS = 1 << 10, 1 << 11, 1 << 15, 1 << 38


@pytest.mark.parametrize(
    ("asker", "missing"),
    [
        (asker(VIEW | SEND | ATTACH), set()),
        (asker(1 << 3), set()),
        (asker(VIEW | ATTACH), {Permission.SEND_MESSAGES}),
        (asker(SEND | THREADS), {Permission.VIEW_CHANNEL, Permission.ATTACH_FILES}),
        (asker(VIEW | THREADS | ATTACH, in_thread=True), set()),
        (asker(VIEW | SEND | ATTACH, in_thread=True), {Permission.SEND_MESSAGES_IN_THREADS}),
        (asker(ATTACH, guild_id=None), set()),
        (asker(0, guild_id=None), set()),
    ],
)
def test_what_the_bot_lacks_to_post_is_known_from_the_interaction(
    asker: Asker, missing: set[Permission]
):
    assert set(asker.missing_permissions) == missing


@pytest.mark.parametrize(
    ("name", "content_type", "supported"),
    [
        ("cat.png", "image/png", True),
        ("cat.JPEG", "image/jpeg", True),
        ("cat.webp", "image/webp; charset=binary", True),
        ("cat.gif", None, True),
        ("cat.png", "application/zip", False),
        ("cat.exe", "image/png", False),
        ("cat", "image/png", False),
        ("cat.svg", "image/svg+xml", False),
        ("cat.bmp", "image/bmp", False),
    ],
)
def test_uploads_are_known_by_declared_type_and_name(
    name: str, content_type: str | None, supported: bool
):
    assert is_supported_upload(name, content_type) is supported
