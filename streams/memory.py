"""How much memory this process takes, and how much it may: for the status."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Final

__all__ = ["memory"]

_PROCESS: Final = Path("/proc/self/statm")
_CONTAINER: Final = Path("/sys/fs/cgroup/memory.max")


def memory(process: Path = _PROCESS, container: Path = _CONTAINER) -> dict[str, int | None]:
    """Resident and allowed bytes; None where the system does not tell (no Linux, no limit)."""
    pages = _words(process)
    allowed = _words(container)
    return {
        "rss": int(pages[1]) * resource.getpagesize() if len(pages) > 1 else None,
        "limit": int(allowed[0]) if allowed and allowed[0].isdigit() else None,
    }


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except OSError:
        return []
