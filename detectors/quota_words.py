"""Sentences of the quota detector: one line that a person reads first."""

from __future__ import annotations

from collections.abc import Mapping

from detectors.quota_state import WINDOW_H
from detectors.wording import amount, one_in

__all__ = ["sentence"]


def sentence(account_id: str, kind: str, d: Mapping[str, float], p_value: float) -> str:
    """`d`: the drivers of the explanation."""
    odds = f"({one_in(p_value)} by its own history)"
    if kind == "quota_hugging":
        return (
            f"{account_id} rides just under its limit: {d['quota_max']:.3f} of its quota in use "
            f"and hardly a 429, in {d['near_hours_of_6']:.0f} of the last {WINDOW_H} hours; "
            f"usual is {d['usual_level']:.3f} {odds}"
        )
    if kind == "early_exhaustion":
        used = d["quota_max"] - d["quota_first"]
        return (
            f"{account_id} has {d['quota_max']:.3f} of its quota in use, {100 * used:.0f} % of it "
            f"used up within this hour; its usual pace is {100 * d['usual_pace']:.1f} % an hour "
            f"{odds}"
        )
    if kind == "retry_abuse":
        share = d["throttled"] / max(d["requests"], 1.0)
        return (
            f"{account_id} got {amount(d['throttled'])} 429s in 1 hour, {100 * share:.0f} % of its "
            f"requests (usual {100 * d['usual_throttled_share']:.1f} %); it went on at once after "
            f"{amount(d['retried_ticks'])} of {amount(d['throttled_ticks'])} such moments {odds}"
        )
    return (
        f"{account_id} used {amount(d['keys'])} keys in 1 hour (usual {amount(d['usual_keys'])}) "
        f"while {amount(d['throttled'])} of its requests were throttled {odds}"
    )
