"""Every alert rule: incidents by severity, and the system's own health."""

from __future__ import annotations

from dashboards.model.rule import Rule
from dashboards.rules import incidents, system

__all__ = ["all_rules", "rule"]


def all_rules() -> tuple[Rule, ...]:
    """All of them, incidents first."""
    return (*incidents.RULES, *system.RULES)


def rule(uid: str) -> Rule:
    """The rule of this uid; a KeyError when there is none."""
    for one in all_rules():
        if one.uid == uid:
            return one
    raise KeyError(uid)
