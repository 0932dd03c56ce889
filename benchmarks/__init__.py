"""The bot measured beside a bare bot, over the same loopback Discord and API in the same run."""
