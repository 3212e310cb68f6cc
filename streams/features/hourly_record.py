"""What an account's record holds of its clock hour, and what outlives the hour: the byte layout.

Beside `streams/features/layout.py`. `streams/features/hourly.py` fills it tick by tick and turns it
into the inputs of the stride detectors. All bytes zero is an account never seen; everything before
`place` is emptied when the account is next touched in a later hour.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from streams.events.schema import MODERATION_CATEGORIES

__all__ = [
    "BINS",
    "BITS",
    "CATEGORY_BINS",
    "COUNTS",
    "HOURLY",
    "MEANING",
    "MIXES",
    "MIX_BINS",
    "MODERATION",
    "PASSING",
    "PLACES",
    "SIZE_BINS",
    "SIZE_EDGES",
    "TEMPLATE_BINS",
    "TICKS",
    "TOKENS",
    "WORDS",
]

#: Names along the axes of the fields of HOURLY.
TOKENS: Final = ("prompt_tokens", "completion_tokens")
BITS: Final = ("keys", "addresses", "end_users")
COUNTS: Final = (
    "requests",
    "errors",
    "throttled",
    "short_outputs",
    "outputs",
    "templated",
    "novel",
)
MODERATION: Final = ("moderation_sum", "flagged", "flagged_short")
TICKS: Final = ("active_ticks", "throttled_ticks", "retried_ticks")
MIXES: Final = ("endpoints", "countries", "prompt_sizes", "output_sizes")

TEMPLATE_BINS: Final = 32
CATEGORY_BINS: Final = 8
#: Tokens from which each size bin but the first (0) begins.
SIZE_EDGES: Final = (1, 32, 128, 512, 2048, 8192, 32_768)
SIZE_BINS: Final = len(SIZE_EDGES) + 1
#: Accounts are told apart by this many places where it is enough to know how many there are.
PLACES: Final = 512
#: Of the bins by MIXES among `bins`; after them come the short outputs of new templates.
MIX_BINS: Final = slice(TEMPLATE_BINS, TEMPLATE_BINS + len(MIXES) * CATEGORY_BINS)
BINS: Final = MIX_BINS.stop + TEMPLATE_BINS

HOURLY: Final = np.dtype(
    [
        ("tokens", np.uint64, (len(TOKENS),)),
        ("bits", np.uint64, (len(BITS),)),  # one of 64 for each value, by hash
        ("counts", np.uint32, (len(COUNTS),)),
        ("moderation", np.uint32, (len(MODERATION), len(MODERATION_CATEGORIES))),
        ("quota_max", np.float32),
        ("quota_first", np.float32),
        ("ticks", np.uint16, (len(TICKS),)),
        # Requests by template, by MIXES, and short outputs of new templates; see `hourly.thinning`.
        ("bins", np.uint16, (BINS,)),
        # From here on nothing is emptied when an hour is over.
        ("place", np.uint16),  # of the account, by hash of its name, from 1: see `cohorts`
        ("hour", np.uint32),  # since 1970, to which all of the above belongs
        ("cohort", np.uint32),  # hash of the approved use case, 0 while unknown
        ("throttled_tick", np.uint32),  # number of the last tick with a 429, modulo 2^32
        ("templates", np.uint64, (3, 8)),  # ever sent: see `streams/features/seen.py`
    ],
    align=True,
)
#: A record as whole words.
WORDS: Final[np.dtype[Any]] = np.dtype((np.uint64, (HOURLY.itemsize // 8,)))
#: Bytes of a record that are emptied when the hour is over.
PASSING: Final[int] = HOURLY.fields["place"][1]  # type: ignore[index]
#: Part of the layout's identity: raise the number when the same bytes come to mean something else.
MEANING: Final = f"hourly 3 {TOKENS} {BITS} {COUNTS} {MODERATION} {TICKS} {MIXES} {SIZE_EDGES}"
