"""The version of a policy: a hash of what it says, not of how its file is written.

Comments, the order of keys, tables and lists, and what is spelt out or left to its default make no
difference; every value does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streams.policy.model import Policy

__all__ = ["content", "content_hash"]

#: Tables whose lists are sets. A detector's list, as a pair of limits, has an order.
_ORDERED = "parameters"


def content_hash(policy: Policy) -> str:
    """16 hex digits."""
    parts = {name: part for name, part in content(policy).items() if name != "version"}
    text = json.dumps(_normal(parts), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def content(value: Any) -> Any:
    """A dataclass as plain mappings, lists and values, for JSON; dates as text."""
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: content(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): content(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [content(part) for part in value]
    if isinstance(value, date):
        return value.isoformat()
    return value


def _normal(value: Any) -> Any:
    """`content` with everything that has no order in one order."""
    if isinstance(value, dict):
        return {n: part if n == _ORDERED else _normal(part) for n, part in value.items()}
    if isinstance(value, list):
        return sorted(
            (_normal(part) for part in value), key=lambda p: json.dumps(p, sort_keys=True)
        )
    return value
