"""The description of one key of a policy file, from which everything about it is made.

A dataclass field whose metadata says what the key means and what its values are held to: read by
`streams.policy.convert`, `streams.policy.schema` and `streams.policy.template`.
"""

from __future__ import annotations

from dataclasses import field
from typing import Any

__all__ = ["key"]


def key(about: str, default: Any = ..., **limits: Any) -> Any:
    """A key of the file: what it means, and what `streams.policy.convert` holds it to."""
    meta = {"about": about, "limits": limits}
    return field(metadata=meta) if default is ... else field(default=default, metadata=meta)
