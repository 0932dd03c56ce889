"""What ``/quota`` says."""

from __future__ import annotations

from discord.utils import format_dt

from bot.errors import LimitRule
from bot.store.quotas import Allowance

COMMAND = "See how many pictures you may still ask for"
TITLE = "**What you may ask for**"

_RULES: dict[LimitRule | None, tuple[str, str]] = {
    LimitRule.USER: ("In 24 hours", "the operator's limit for each user"),
    LimitRule.MEMBER: ("Here in 24 hours", "this server's limit for each member"),
    LimitRule.ROLE: ("Here in 24 hours", "this server's limit for {role}"),
    LimitRule.SERVER: ("This server in 24 hours", "the limit for all its members together"),
    LimitRule.TOTAL: ("Everybody in 24 hours", "the operator's limit for all users together"),
    None: ("Waiting or running at a time", "the operator's limit for each user"),
}


def _rule(given: Allowance) -> tuple[str, str]:
    of_what, whose = _RULES[given.rule]
    return of_what, whose.format(role=f"<@&{given.role_id}>")


def allowance(given: Allowance) -> str:
    """Say how much of a limit is used and left, when the next one counts no longer, and whose
    limit it is."""
    of_what, whose = _rule(given)
    if given.left is None:
        return f"**{of_what}:** {given.used} used, no limit"
    said = f"**{of_what}:** {given.used} used, {given.left} left of {given.limit} ({whose})"
    if given.free_at is None:
        return said
    return f"{said}. The next one is free again {format_dt(given.free_at, 'R')}"


def limit(given: Allowance) -> str:
    """Say what a rule allows."""
    of_what, whose = _rule(given)
    return f"{of_what}: {given.limit or 'no limit'}{f' ({whose})' if given.limit else ''}"
