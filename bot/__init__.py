"""The bot's core and edge: everything that is not one feature's command."""

import sys
from typing import Any

__version__ = "0.1.0"

# httpx loads its command line, and rich with it, wherever those are installed: 5 MB that the bot
# has no use for. A module that is None counts as one that isn't there (Python's import system).
_modules: dict[str, Any] = sys.modules
_modules.setdefault("httpx._main", None)
