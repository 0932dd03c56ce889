"""Commands as they are sent to Discord, and as it returns them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from bot.app import VaryBot
from bot.store import Store
from bot.ui.commands import same_commands
from tests.conftest import MakeSettings

OURS: list[dict[str, Any]] = [
    {
        "name": "vary",
        "description": "Turn",
        "type": 1,
        "nsfw": False,
        "dm_permission": True,
        "default_member_permissions": 32,
        "contexts": [0, 1],
        "integration_types": [0],
        "options": [
            {
                "type": 3,
                "name": "prompt",
                "description": "What",
                "required": True,
                "min_length": 0,
                "choices": [{"name": "a", "value": "b"}],
            },
            {"type": 11, "name": "image", "description": "The picture", "required": False},
        ],
    },
    {"name": "Look", "type": 3, "nsfw": False, "contexts": [0], "integration_types": [0]},
]


def registered() -> list[dict[str, Any]]:
    """Return what Discord makes of :data:`OURS`."""
    vary, look = copy.deepcopy(OURS)
    for number, command in enumerate((vary, look)):
        command |= {"id": f"{number}", "application_id": "7", "version": "1"}
        command["name_localizations"] = None
    vary |= {"default_member_permissions": "32", "contexts": [1, 0], "dm_permission": None}
    del vary["options"][1]["required"]
    look |= {"description": "", "options": []}
    return [look, vary]


def test_what_discord_adds_leaves_out_and_reorders_is_no_difference():
    assert same_commands(OURS, registered())


@pytest.mark.parametrize(
    ("where", "change"),
    [
        ([], {"description": "Other"}),
        ([], {"contexts": None}),
        ([], {"integration_types": [0, 1]}),
        ([], {"default_member_permissions": None}),
        ([], {"name_localizations": {"de": "x"}}),
        (["options", 0], {"min_length": None}),
        (["options", 1], {"required": True}),
        (["options", 0, "choices", 0], {"value": "c"}),
    ],
)
def test_whatever_else_differs_is_one(where: list[Any], change: dict[str, Any]):
    look, vary = registered()
    changed: Any = vary
    for key in where:
        changed = changed[key]
    changed |= change
    assert not same_commands(OURS, [look, vary])


def test_a_command_more_or_less_is_one():
    look, vary = registered()
    assert not same_commands(OURS, [vary])
    assert not same_commands(OURS, [look, vary, vary | {"name": "another"}])


async def test_every_feature_loads_beside_all_others(make_settings: MakeSettings):
    """No two of them have the same command, or custom_ids that begin alike."""
    settings = make_settings()
    async with VaryBot(Store(settings), settings.prompt_rules()) as bot:
        await bot.load_features()
        assert {"vary", "describe", "gallery", "queue", "quota", "help"} <= {
            command.name for command in bot.tree.get_commands()
        }
