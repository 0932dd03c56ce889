"""What ``/describe`` says."""

from __future__ import annotations

from collections.abc import Sequence

from bot.domain import ErrorCode
from bot.text.markdown import cut, inert

COMMAND = "Get four descriptions of a picture, each ready to be a prompt"
IMAGE = "The picture to describe: PNG, JPEG, WebP or GIF, up to 25 MB"
SOURCE = "The picture that is described"
MODAL_TITLE = "New pictures in these words"
PROMPT = "Prompt"
READY = "Your descriptions are ready"

FAILURES = {
    ErrorCode.BAD_REQUEST: "The picture service doesn't accept this picture.",
    ErrorCode.REQUEST_TOO_LARGE: "This picture's link is too long for the picture service.",
    ErrorCode.TIMEOUT: (
        "The picture service didn't answer in time. Moderation may be the reason: it gives no "
        "answer to a picture that it refuses."
    ),
    ErrorCode.SOURCE_GONE: (
        "The picture to describe is gone: Discord drops a file given to a command after about a "
        "day, and a picture whose message was deleted. Use /describe with the picture again."
    ),
    ErrorCode.SOURCE_UNREACHABLE: "The picture to describe couldn't be fetched.",
    ErrorCode.SOURCE_TOO_LARGE: (
        "The picture to describe is too large: use one of up to 64 megapixels."
    ),
    ErrorCode.SOURCE_NOT_A_PICTURE: (
        "The file to describe isn't a picture that can be read. Use a PNG, JPEG, WebP or GIF."
    ),
    ErrorCode.UNDELIVERED: (
        "The descriptions are ready, but I can't post them here. Use /fetch, in a channel where I "
        "may send messages and attach files, to get them."
    ),
    ErrorCode.BLOCKED: (
        "The descriptions are ready, but Discord doesn't let them be posted here: the server's "
        "AutoMod blocks their words. Use /fetch in another channel to get them."
    ),
    ErrorCode.MAYBE_POSTED: (
        "The descriptions are ready, and perhaps posted already: I can't read this channel's "
        "history to tell. Use /fetch to get them."
    ),
}
"""What is said instead of a grid's sentence."""

_SHOWN_LENGTH = 850


def descriptions(texts: Sequence[str]) -> str:
    """Return numbered descriptions, each cut so that four fit a message."""
    numbered = (f"**{n}** {cut(inert(text), _SHOWN_LENGTH)}" for n, text in enumerate(texts, 1))
    return "\n\n".join(numbered)
