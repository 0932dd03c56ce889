"""A Discord on 127.0.0.1: REST API, gateway and attachment host, and the members who use it."""

from sandbox.discord.answers import ANSWER_WITHIN
from sandbox.discord.http import ApiError, Fault, Request
from sandbox.discord.loopback import LoopbackDiscord
from sandbox.discord.model import (
    COMPONENTS_V2,
    EPHEMERAL,
    LOADING,
    Attachment,
    Channel,
    Interaction,
    Json,
    Message,
    Role,
    Upload,
    User,
    buttons_of,
    images_of,
    label_of,
    text_of,
    walk,
)

__all__ = [
    "ANSWER_WITHIN",
    "COMPONENTS_V2",
    "EPHEMERAL",
    "LOADING",
    "ApiError",
    "Attachment",
    "Channel",
    "Fault",
    "Interaction",
    "Json",
    "LoopbackDiscord",
    "Message",
    "Request",
    "Role",
    "Upload",
    "User",
    "buttons_of",
    "images_of",
    "label_of",
    "text_of",
    "walk",
]
