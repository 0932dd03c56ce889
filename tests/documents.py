"""What the documents say of the settings, made of ``Settings``: ``python -m tests.documents``."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from pydantic.fields import FieldInfo

from bot.config import Settings

ROOT = Path(__file__).parents[1]
_HEAD = "# Copy this file to .env and fill in the first five. The environment wins over .env.\n"
_TABLE = "| name | default | what it is |\n|---|---|---|\n"


def default_of(field: FieldInfo) -> str:
    """Return a setting's default as it is written in the environment; empty if it has none."""
    if field.is_required():
        return ""
    default: object = field.get_default()
    return ",".join(sorted(default)) if isinstance(default, frozenset) else str(default)


def env_example() -> str:
    """Return the whole of ``.env.example``."""
    parts = [_HEAD]
    for name, field in Settings.model_fields.items():
        sentence = (field.description or "").replace("`", "") + "."
        comment = textwrap.wrap(sentence[:1].upper() + sentence[1:], 96)
        line = f"{name.upper()}={default_of(field)}"
        line = line if field.is_required() else f"# {line}"
        parts.append("\n".join([*(f"# {part}" for part in comment), line]) + "\n")
    return "\n".join(parts)


def settings_table() -> str:
    """Return the README's table of settings."""
    return _TABLE + "".join(_rows())


def _rows() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        default = "required" if field.is_required() else f"`{default_of(field)}`"
        yield f"| `{name.upper()}` | {default} | {field.description} |\n"


def readme_with(table: str) -> str:
    """Return the README with another table of settings."""
    readme = (ROOT / "README.md").read_text()
    return re.sub(r"\| name \| default \| what it is \|\n(?:\|.*\n)+", lambda _: table, readme)


if __name__ == "__main__":
    (ROOT / ".env.example").write_text(env_example())
    (ROOT / "README.md").write_text(readme_with(settings_table()))
