"""What misuse, and what honest change, does to an account's hour: for `profile_quality`.

Each edits the hour of every account in place, before requests are drawn. The strength of an attack
in 0 .. 1 is about the share of the traffic that it makes up.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from tests.bench.profile_population import Change, Habits, Hour

__all__ = ["ATTACKS", "HONEST"]


def hug_the_limit(hour: Hour, habits: Habits, strength: float) -> None:
    hour.rate = np.maximum(hour.rate, 30.0)
    hour.force["hug"] = 0.9 + 0.09 * strength
    hour.scale["limit"] *= 1e3
    hour.scale["quota"] *= 1e3


def exhaust_early(hour: Hour, habits: Habits, strength: float) -> None:
    hour.rate += habits.quota * (0.3 + 0.6 * strength) / 2.0
    hour.scale["limit"] *= 1e3


def hammer(hour: Hour, habits: Habits, strength: float) -> None:
    hour.rate = np.maximum(hour.rate, 20.0) + habits.limit * strength * 2.0
    hour.shares["retried"] = np.maximum(hour.shares["retried"], 0.6 + 0.38 * strength)


def hop_keys(hour: Hour, habits: Habits, strength: float) -> None:
    hour.rate = np.maximum(hour.rate, 20.0) + habits.limit * 1.2
    hour.more["keys"] += 16.0 * strength


def other_mix(which: int) -> Change:
    def change(hour: Hour, habits: Habits, strength: float) -> None:
        hour.rate = np.maximum(hour.rate, 20.0)
        rare = habits.mix[:, which].argmin(axis=1)
        hour.mix[:, which] *= 1.0 - strength
        hour.mix[np.arange(len(rare)), which, rare] += strength

    return change


def at_night(hour: Hour, habits: Habits, strength: float) -> None:
    since = (hour.time_h % 24 - habits.start_h) % 24.0
    night = since >= habits.length_h
    hour.rate = np.where(night, np.maximum(hour.rate, habits.rate * strength), hour.rate)


def spam(hour: Hour, habits: Habits, strength: float) -> None:
    hour.rate = np.maximum(hour.rate, 20.0)
    for name in ("short", "novel"):
        hour.shares[name] += strength * (1.0 - hour.shares[name])
    hour.templates = hour.templates * (1.0 - strength)
    hour.templates[:, 5] += strength
    hour.scale["output"] *= 1.0 - 0.9 * strength


def take_over(hour: Hour, habits: Habits, strength: float) -> None:
    hour.rate = np.maximum(hour.rate, 20.0) * (1.0 + strength)
    hour.more["addresses"] += 20.0 * strength * np.sqrt(habits.addresses)
    hour.shares["flagged"] = np.minimum(hour.shares["flagged"] + 0.3 * strength, 1.0)
    hour.scale["prompt"] *= 1.0 + 2.0 * strength
    hour.shares["novel"] += 0.5 * strength * (1.0 - hour.shares["novel"])


ATTACKS: Final[dict[str, dict[str, Change]]] = {
    "quota": {
        "quota_hugging": hug_the_limit,
        "early_exhaustion": exhaust_early,
        "retry_abuse": hammer,
        "key_hopping": hop_keys,
    },
    "use_case": {
        "use_case_endpoints": other_mix(0),
        "use_case_countries": other_mix(1),
        "use_case_prompt_sizes": other_mix(2),
        "use_case_output_sizes": other_mix(3),
        "use_case_hours": at_night,
    },
    "shape": {"template_spam": spam, "account_takeover": take_over},
}


def grow(hour: Hour, habits: Habits, strength: float) -> None:
    hour.rate *= 1.0 + 3.0 * strength
    hour.scale["limit"] *= 1.0 + 3.0 * strength
    hour.scale["quota"] *= 1.0 + 3.0 * strength


def launch(hour: Hour, habits: Habits, strength: float) -> None:
    other_mix(0)(hour, habits, 0.4)
    hour.scale["prompt"] *= 2.0
    hour.rate *= 2.0
    hour.scale["limit"] *= 2.0
    hour.scale["quota"] *= 2.0


def move(hour: Hour, habits: Habits, strength: float) -> None:
    moved = replace(habits, start_h=habits.start_h + 5.0)
    since = (hour.time_h % 24 - moved.start_h) % 24.0
    hour.rate = habits.rate * np.where(since < habits.length_h, 1.0, habits.off_share)


def rotate_keys(hour: Hour, habits: Habits, strength: float) -> None:
    hour.more["keys"] += 2.0


def nightly_batch(hour: Hour, habits: Habits, strength: float) -> None:
    if hour.time_h % 24 == 2:
        hour.rate += 3.0 * habits.rate
        hour.scale["limit"] *= 10.0
    hour.scale["quota"] *= 1.2


def outage(hour: Hour, habits: Habits, strength: float) -> None:
    """Errors everywhere for two hours a day, and everybody tries again."""
    if hour.time_h % 24 in (12, 13):
        hour.rate *= 2.0
        hour.shares["error"] = np.minimum(hour.shares["error"] + 0.4, 1.0)


HONEST: Final[dict[str, Change]] = {
    "customer growth (x4 over 3 days)": grow,
    "product launch": launch,
    "time-zone change": move,
    "key rotation": rotate_keys,
    "nightly batch": nightly_batch,
    "retry storm of an outage": outage,
}
