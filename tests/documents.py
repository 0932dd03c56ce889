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
    if default is None:
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    return ",".join(sorted(default)) if isinstance(default, frozenset) else str(default)


def recommended(field: FieldInfo) -> object:
    """Return the value that ``.env.example`` sets, where the default is not what an operator
    should begin with."""
    extra = field.json_schema_extra
    return extra.get("recommended") if isinstance(extra, dict) else None


def env_example() -> str:
    """Return the whole of ``.env.example``."""
    parts = [_HEAD]
    for name, field in Settings.model_fields.items():
        sentence = (field.description or "").replace("`", "") + "."
        comment = textwrap.wrap(sentence[:1].upper() + sentence[1:], 96, break_on_hyphens=False)
        line = f"{name.upper()}={default_of(field)}"
        if (value := recommended(field)) is not None:
            comment.append(
                f"Recommended to begin with: {value}. The default is {default_of(field)}."
            )
            line = f"{name.upper()}={value}"
        elif not field.is_required():
            line = f"# {line}"
        parts.append("\n".join([*(f"# {part}" for part in comment), line]) + "\n")
    return "\n".join(parts)


def settings_table() -> str:
    """Return the README's table of settings."""
    return _TABLE + "".join(_rows())


def _rows() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        default = default_of(field)
        default = f"`{default}`" if default else "required" if field.is_required() else "empty"
        yield f"| `{name.upper()}` | {default} | {field.description} |\n"


def readme_with(table: str) -> str:
    """Return the README with another table of settings."""
    readme = (ROOT / "README.md").read_text()
    return re.sub(r"\| name \| default \| what it is \|\n(?:\|.*\n)+", lambda _: table, readme)


if __name__ == "__main__":
    (ROOT / ".env.example").write_text(env_example())
    (ROOT / "README.md").write_text(readme_with(settings_table()))
