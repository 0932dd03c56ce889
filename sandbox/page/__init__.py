"""The sandbox in the browser: a Discord channel with the real bot behind it."""
