"""The bot's core and edge: everything that is not one feature's command."""

__version__ = "0.1.0"
