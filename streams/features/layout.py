"""What the fold keeps of one account: rings of buckets over four windows, as one numpy record.

A ring covers a window of event time with `buckets` buckets of `width_ms`; its sum at a tick covers
the current bucket and the ones before it, so the window starts on a bucket boundary:
`start = (ceil(tick / width) - buckets) * width`. They and the states of the tick detectors are the
hot part of the record, copied whenever a tick touches the account. The cold part follows: the clock
hour (`streams/features/hourly.py`, which copies its own) and the states of the stride detectors.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from detectors.base import Detector
from streams.events.schema import MODERATION_CATEGORIES
from streams.features.hourly_record import HOURLY, MEANING
from streams.scoring.record import DETECTORS, SCORE

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
MINUTE_COUNTS: Final = ("requests", "errors", "throttled")
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
    hot: np.dtype[np.void]  # the fields with which `dtype` begins, at the same offsets

    @property
    def rings(self) -> dict[str, Ring]:
        """Every ring by name."""
        rings = (*self.counts, *self.distincts, *self.moderation, self.templates)
        return {ring.name: ring for ring in rings}

    @property
    def identity(self) -> str:
        """Hash of the byte layout: state written under another one is rebuilt, not read."""
        return hashlib.blake2b(
            f"{self.tick_ms} {self.dtype.descr} {MEANING}".encode(), digest_size=8
        ).hexdigest()


def layout(tick_ms: int, detectors: Sequence[Detector] = DETECTORS) -> Layout:
    """The layout for ticks of `tick_ms` (a divisor of a minute), with the states of `detectors`."""
    counts = (
        Ring("minute", tick_ms, MINUTE // tick_ms),
        Ring("five", MINUTE, 5),
        Ring("hour", 10 * MINUTE, 6),
        Ring("day", 4 * HOUR, 6),
    )
    distincts = (
        Ring("five_distinct", MINUTE, 5),
        Ring("hour_distinct", 10 * MINUTE, 6),
        Ring("day_distinct", 6 * HOUR, 4),
    )
    moderation = (Ring("hour_moderation", 20 * MINUTE, 3), Ring("day_moderation", 6 * HOUR, 4))
    templates = Ring("templates", 10 * MINUTE, 6)
    hot: list[_Field] = [(d.NAME, d.STATE, ()) for d in detectors if d.CADENCE == "tick"]
    hot.append(("score", SCORE, ()))
    for ring in counts:
        names = MINUTE_COUNTS if ring.name == "minute" else COUNTS
        tokens = np.uint64 if ring.name == "day" else np.uint32
        hot.append((f"{ring.name}_counts", np.uint32, (ring.buckets, len(names))))
        hot.append((f"{ring.name}_tokens", tokens, (ring.buckets, len(TOKENS))))
    for ring in distincts:
        word = np.uint32 if ring.name == "five_distinct" else np.uint64
        hot.append((ring.name, word, (ring.buckets, len(DISTINCTS))))
    for ring in moderation:
        shape = (ring.buckets, len(MODERATION_CATEGORIES))
        hot.append((f"{ring.name}_sum", np.float32, shape))
        hot.append((f"{ring.name}_max", np.uint8, shape))
    hot.append(("templates_candidate", np.uint64, (templates.buckets,)))
    hot.append(("templates_weight", np.uint32, (templates.buckets,)))
    hot.append(("quota_used", np.float32, (templates.buckets,)))
    cold: list[_Field] = [("hourly", HOURLY, ())]
    cold += [(d.NAME, d.STATE, ()) for d in detectors if d.CADENCE == "stride"]
    whole = _record([*hot, *cold])
    return Layout(tick_ms, counts, distincts, moderation, templates, whole, _record(hot))


_Field = tuple[str, object, tuple[int, ...]]


def _record(fields: Sequence[_Field]) -> np.dtype[np.void]:
    """Fields one after the other, each at a whole word: the states of detectors are packed."""
    formats = [np.dtype((kind, shape)) for _, kind, shape in fields]
    ends = np.cumsum([-(-each.itemsize // 8) * 8 for each in formats]).tolist()
    return np.dtype(
        {
            "names": [name for name, _, _ in fields],
            "formats": formats,
            "offsets": [0, *ends[:-1]],
            "itemsize": ends[-1],
        }
    )
