"""What accounts with the same approved use case do: the mixes of requests of each such cohort.

Part of the fold's own state, beside the accounts. When an hour ends it learns from the hourly
records (`streams/features/hourly.py`); the stride detectors compare an account with the others of
its cohort through the input `cohort_profile`.

An account must not be compared with itself, and its own part of sums that fade cannot be taken out
again. So each account has a place, by hash of its name, in one of eight folds, and is compared with
the seven others: the K-fold form of leave-one-out (Stone, "Cross-validatory choice and assessment
of statistical predictions", 1974).

An account counts for at most 64 requests an hour: a cohort's profile is that of its accounts, not
that of its largest. What an hour adds is a sum of integers, so it does not depend on the order of
accounts. At most 256 cohorts are kept, those with the most requests, and of cohorts not kept so
far at most 1,024 (the smallest hashes) compete in an hour.

Records hold the hash of a use case; its text, which the policy's own cohorts are matched with, is
kept here as long as any account has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streams.features import hourly
from streams.features.hourly_record import CATEGORY_BINS, MIX_BINS, MIXES, PLACES

__all__ = ["PROFILE", "Cohorts"]

#: Shares of a profile: 8 bins of each mix.
PROFILE: Final = len(MIXES) * CATEGORY_BINS
_FOLDS: Final = 8
_BITS: Final = PLACES // _FOLDS
_LARGEST: Final = 256
_NEW: Final = 1024
_HALF_LIFE_H: Final = 168
_REMEMBERED_H: Final = 168  # an account belongs to its cohort for one to two such spans
_OTHERS: Final = 5  # accounts without which there is no profile
_REQUESTS: Final = 64  # an hour that count of one account at most
_UNIT: Final = 1024  # of a request, in which sums are kept

Codes = NDArray[np.uint32]


@dataclass(slots=True)
class _Hour:
    """What the hour has added so far, by cohort (c), ascending by code."""

    codes: Codes
    requests: NDArray[np.int64]  # (c,)
    sums: NDArray[np.int64]  # (c, folds, PROFILE)
    present: NDArray[np.uint64]  # (c, folds) a bit for each account

    @staticmethod
    def of(codes: Codes) -> _Hour:
        count = len(codes)
        return _Hour(
            codes,
            np.zeros(count, np.int64),
            np.zeros((count, _FOLDS, PROFILE), np.int64),
            np.zeros((count, _FOLDS), np.uint64),
        )

    def for_codes(self, codes: Codes) -> _Hour:
        """The same for other cohorts: those not among them are left out."""
        hour = _Hour.of(codes)
        kept, to = _matches(self.codes, codes)
        for field in ("requests", "sums", "present"):
            getattr(hour, field)[to] = getattr(self, field)[kept]
        return hour


class Cohorts:
    """Fading sums of every cohort; `hour` is the last clock hour it has learned."""

    def __init__(self) -> None:
        self.hour = 0
        self.codes: Codes = np.zeros(0, np.uint32)  # ascending
        self.sums = np.zeros((0, _FOLDS, PROFILE))
        #: Who belongs: a bit an account, in this span of `_REMEMBERED_H` and in the one before.
        self.present = np.zeros((0, 2, _FOLDS), np.uint64)
        self._hour = _Hour.of(self.codes)
        self._texts: dict[int, str] = {}

    def text(self, code: int) -> str:
        """The use case of that hash; empty for none."""
        return self._texts.get(code, "")

    def name(self, texts: Mapping[int, str]) -> None:
        """Use cases that rows named, by hash."""
        for code, text in texts.items():
            self._texts.setdefault(code, text)

    def forget_texts(self, used: Codes) -> None:
        """Keep the texts of these hashes only."""
        kept = set(used.tolist())
        self._texts = {code: text for code, text in self._texts.items() if code in kept}

    def collect(self, records: Any) -> None:
        """Take in hourly records (n,) of the hour that ends; each account once, in any order."""
        records = records[(records["cohort"] > 0) & (records["counts"][:, 0] > 0)]
        if not len(records):
            return
        new = np.setdiff1d(np.concatenate((self._hour.codes, records["cohort"])), self.codes)
        hour = self._hour = self._hour.for_codes(np.union1d(self.codes, new[:_NEW]))
        kept, which = _matches(records["cohort"], hour.codes)
        records = records[kept]
        fold, bit = np.divmod(records["place"].astype(np.int64) - 1, _BITS)
        requests = records["counts"][:, 0].astype(np.int64)
        counted = np.minimum(requests, _REQUESTS)
        bins = records["bins"][:, MIX_BINS].astype(np.int64)
        bins <<= hourly.thinning(requests)[:, None]
        shares = bins * (_UNIT * counted)[:, None] // requests[:, None]
        np.add.at(hour.requests, which, counted)
        np.add.at(hour.sums, (which, fold), shares)
        np.bitwise_or.at(hour.present, (which, fold), np.uint64(1) << bit.astype(np.uint64))

    def end_hour(self, now_ms: int) -> None:
        """The hour that ends at `now_ms` is collected: learn it, and drop cohorts beyond 256."""
        hour = hourly.hour_of(now_ms)
        self.sums *= 0.5 ** ((hour - self.hour) / _HALF_LIFE_H)
        spans = hour // _REMEMBERED_H - self.hour // _REMEMBERED_H
        if spans > 0:
            self.present[:, 1] = self.present[:, 0] if spans == 1 else np.uint64(0)
            self.present[:, 0] = 0
        codes = np.union1d(self.codes, self._hour.codes)
        self._keep(codes)
        collected = self._hour.for_codes(codes)
        if len(codes) > _LARGEST:
            start = MIXES.index("prompt_sizes") * CATEGORY_BINS  # every request has one
            weight = self.sums[:, :, start : start + CATEGORY_BINS].sum(axis=(1, 2)) / _UNIT
            weight += collected.requests
            codes = np.sort(codes[np.lexsort((codes, -weight))[:_LARGEST]])
            self._keep(codes)
            collected = collected.for_codes(codes)
        self.sums += collected.sums
        self.present[:, 0] |= collected.present
        self.hour = hour
        self._hour = _Hour.of(self.codes)

    def profile(self, records: Any) -> NDArray[np.float64]:
        """(n, 32) shares of the other accounts of the cohort of each hourly record, by MIXES.

        Zeros where fewer than 5 others are known; a mix that no other account has told (no
        endpoint ever, say) is zeros, too.
        """
        accounts = np.bitwise_count(self.present[:, 0] | self.present[:, 1]).astype(np.int64)
        others = accounts.sum(axis=1, keepdims=True) - accounts
        sums = np.maximum(self.sums.sum(axis=1, keepdims=True) - self.sums, 0.0)
        mixes = sums.reshape(-1, _FOLDS, len(MIXES), CATEGORY_BINS)
        total = mixes.sum(axis=3, keepdims=True)
        shares = mixes / np.where(total > 0, total, 1.0)
        shares[others < _OTHERS] = 0.0
        known, which = _matches(records["cohort"], self.codes)
        fold = (records["place"][known].astype(np.int64) - 1) // _BITS
        result = np.zeros((len(records), PROFILE))
        result[known] = shares[which, fold].reshape(-1, PROFILE)
        return result

    def dump(self) -> dict[str, Any]:
        """Everything learned, as JSON can hold it; between hours nothing else is known."""
        return {
            "hour": self.hour,
            "codes": self.codes.tolist(),
            "sums": self.sums.tolist(),
            "present": self.present.tolist(),
            "texts": [self._texts[code] for code in sorted(self._texts)],
            "text_codes": sorted(self._texts),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take over what `dump` returned."""
        count = len(state["codes"])
        self.hour = state["hour"]
        self.codes = np.array(state["codes"], np.uint32)
        self.sums = np.array(state["sums"], np.float64).reshape(count, _FOLDS, PROFILE)
        self.present = np.array(state["present"], np.uint64).reshape(count, 2, _FOLDS)
        self._hour = _Hour.of(self.codes)
        # Snapshots of earlier versions hold no texts: they come back with the next events.
        self._texts = dict(zip(state.get("text_codes", ()), state.get("texts", ()), strict=True))

    def _keep(self, codes: Codes) -> None:
        """Make these the cohorts."""
        sums = np.zeros((len(codes), _FOLDS, PROFILE))
        present = np.zeros((len(codes), 2, _FOLDS), np.uint64)
        kept, to = _matches(self.codes, codes)
        sums[to], present[to] = self.sums[kept], self.present[kept]
        self.codes, self.sums, self.present = codes, sums, present


def _matches(wanted: Codes, codes: Codes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places in `wanted` (n,) of those that `codes` (ascending) holds, and where it holds each."""
    where = np.searchsorted(codes, wanted)
    inside = np.flatnonzero(where < len(codes))
    kept = inside[codes[where[inside]] == wanted[inside]]
    return kept, where[kept]
