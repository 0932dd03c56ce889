"""Discord's permission bits, as far as the routes here need them, and usual sets of them.

Source: Discord's documentation, "Permissions".
"""

from __future__ import annotations

ADMINISTRATOR, MANAGE_GUILD = 1 << 3, 1 << 5
VIEW_CHANNEL, SEND_MESSAGES, MANAGE_MESSAGES = 1 << 10, 1 << 11, 1 << 13
EMBED_LINKS, ATTACH_FILES, READ_HISTORY = 1 << 14, 1 << 15, 1 << 16
MENTION_EVERYONE, EXTERNAL_EMOJIS, CONNECT = 1 << 17, 1 << 18, 1 << 20
USE_COMMANDS, MANAGE_THREADS, SEND_IN_THREADS = 1 << 31, 1 << 34, 1 << 38
USE_EXTERNAL_APPS = 1 << 50

READ_AND_WRITE = (
    VIEW_CHANNEL | SEND_MESSAGES | EMBED_LINKS | ATTACH_FILES | READ_HISTORY | SEND_IN_THREADS
)
MEMBER = READ_AND_WRITE | EXTERNAL_EMOJIS | CONNECT | USE_COMMANDS | USE_EXTERNAL_APPS
# A bot that may mention everyone, so that a mention it should have suppressed is seen.
BOT = READ_AND_WRITE | CONNECT | MENTION_EVERYONE | EXTERNAL_EMOJIS | USE_COMMANDS
# What an app is told in direct messages (documentation, "Interaction Structure").
DIRECT = ATTACH_FILES | EMBED_LINKS | MENTION_EVERYONE
