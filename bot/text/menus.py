"""What the entries of a message's Apps menu say."""

from __future__ import annotations

VARY = "Vary this picture"
DESCRIBE = "Describe this picture"
DELETE = "Delete this picture"
"""The names of the entries, which scripts outside the project rely on."""

PICTURE = "Which picture of the message"
STICKER = "Sticker: {name}"

PICK_GONE = (
    "I don't know any more which message this was about. Choose the entry of its menu again."
)
NO_PICTURE = (
    "There is no picture in that message that I can use: PNG, JPEG, WebP or GIF, up to 25 MB."
)
NO_CONSENT = "That member doesn't let others make something of their pictures."
NOT_MINE = "I can delete only pictures that I posted."
