"""Every sentence that a user sees, and how what members typed is shown."""

from bot.text.sentences import *  # noqa: F403
