"""What the fold keeps of one account: rings of buckets over four windows, as one numpy record.

A ring covers a window of event time with `buckets` buckets of `width_ms`; its sum at a tick covers
the current bucket and the ones before it, so the window starts on a bucket boundary:
`start = (ceil(tick / width) - buckets) * width`. A record of 1.8 kB an account holds them all.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np

from streams.events.schema import MODERATION_CATEGORIES

__all__ = [
    "COUNTS",
    "DISTINCTS",
    "MINUTE_COUNTS",
    "SHORT_OUTPUT_TOKENS",
    "TOKENS",
    "Layout",
    "Ring",
    "layout",
]

#: Outputs of one to this many tokens count as short.
SHORT_OUTPUT_TOKENS: Final = 32
COUNTS: Final = ("requests", "errors", "throttled", "short_outputs")
#: What the one-minute ring counts: the rest needs no such resolution.
MINUTE_COUNTS: Final = ("requests", "errors")
TOKENS: Final = ("prompt_tokens", "completion_tokens")
DISTINCTS: Final = ("addresses", "end_users", "templates")


@dataclass(frozen=True, slots=True)
class Ring:
    """Buckets over one window; `name` is the prefix of its fields in the account record."""

    name: str
    width_ms: int
    buckets: int

    @property
    def span_ms(self) -> int:
        """Length of the window it covers at most."""
        return self.width_ms * self.buckets

    def start(self, tick: int) -> int:
        """Start of the window that ends at `tick` (epoch ms)."""
        return (-(-tick // self.width_ms) - self.buckets) * self.width_ms

    def bucket(self, tick: int) -> int:
        """Number of the bucket that is current in the tick that ends at `tick`."""
        return (tick - 1) // self.width_ms


MINUTE, HOUR = 60_000, 3_600_000


@dataclass(frozen=True, slots=True)
class Layout:
    """The account record of one tick length and one set of detector states."""

    tick_ms: int
    counts: tuple[Ring, ...]
    distincts: tuple[Ring, ...]
    moderation: tuple[Ring, ...]
    templates: Ring
    dtype: np.dtype[np.void]

    @property
    def rings(self) -> dict[str, Ring]:
        """Every ring by name."""
        rings = (*self.counts, *self.distincts, *self.moderation, self.templates)
        return {ring.name: ring for ring in rings}

    @property
    def identity(self) -> str:
        """Hash of the byte layout: state written under another one is rebuilt, not read."""
        return hashlib.blake2b(
            f"{self.tick_ms} {self.dtype.descr}".encode(), digest_size=8
        ).hexdigest()


def layout(tick_ms: int, detector_state: np.dtype[np.void]) -> Layout:
    """The layout for ticks of `tick_ms` (a divisor of a minute), with a detector's state in it."""
    counts = (
        Ring("minute", tick_ms, MINUTE // tick_ms),
        Ring("five", MINUTE, 5),
        Ring("hour", 10 * MINUTE, 6),
        Ring("day", 2 * HOUR, 12),
    )
    distincts = (
        Ring("five_distinct", MINUTE, 5),
        Ring("hour_distinct", 10 * MINUTE, 6),
        Ring("day_distinct", 4 * HOUR, 6),
    )
    moderation = (Ring("hour_moderation", 20 * MINUTE, 3), Ring("day_moderation", 6 * HOUR, 4))
    templates = Ring("templates", 10 * MINUTE, 6)
    fields: list[tuple[str, object, tuple[int, ...]]] = [("burst", detector_state, ())]
    for ring in counts:
        names = MINUTE_COUNTS if ring.name == "minute" else COUNTS
        tokens = np.uint64 if ring.name == "day" else np.uint32
        fields.append((f"{ring.name}_counts", np.uint32, (ring.buckets, len(names))))
        fields.append((f"{ring.name}_tokens", tokens, (ring.buckets, len(TOKENS))))
    for ring in distincts:
        word = np.uint32 if ring.name == "five_distinct" else np.uint64
        fields.append((ring.name, word, (ring.buckets, len(DISTINCTS))))
    for ring in moderation:
        shape = (ring.buckets, len(MODERATION_CATEGORIES))
        fields.append((f"{ring.name}_sum", np.float32, shape))
        fields.append((f"{ring.name}_max", np.uint8, shape))
    fields.append(("templates_candidate", np.uint64, (templates.buckets,)))
    fields.append(("templates_weight", np.uint32, (templates.buckets,)))
    fields.append(("quota", np.float32, (templates.buckets,)))
    dtype = np.dtype(fields, align=True)
    return Layout(tick_ms, counts, distincts, moderation, templates, dtype)
