"""Sentences of the use-case detector: one line that a person reads first."""

from __future__ import annotations

from typing import Final

from detectors.wording import amount, one_in

__all__ = ["sentence"]

SIZES: Final = (
    "none",
    "1 to 31",
    "32 to 127",
    "128 to 511",
    "512 to 2,047",
    "2,048 to 8,191",
    "8,192 to 32,767",
    "32,768 and more",
)


def sentence(
    account_id: str,
    what: str,
    bin_: int,
    observed: float,
    total: float,
    expected: float,
    p_value: float,
) -> str:
    """`what` is the mix that drifted, or "requests" when it is the hour of the day.

    >>> sentence("acct-1", "prompt_sizes", 6, 90.0, 100.0, 2.0, 1e-6)
    'acct-1 sent 90 of 100 requests in 1 hour with prompts of 8,192 to 32,767 tokens; its usual is \
2, by its own profile and others with its approved use (1 in 1 million)'
    """
    odds = one_in(p_value)
    if what == "requests":
        return (
            f"{account_id} sent {amount(observed)} requests in 1 hour between {3 * bin_}:00 and "
            f"{3 * bin_ + 3}:00 UTC, when it hardly ever works ({odds} by its own hours)"
        )
    which = {
        "endpoints": f"to endpoints of group {bin_}",
        "countries": f"from countries of group {bin_}",
        "prompt_sizes": f"with prompts of {SIZES[bin_]} tokens",
        "output_sizes": f"with outputs of {SIZES[bin_]} tokens",
    }[what]
    return (
        f"{account_id} sent {amount(observed)} of {amount(total)} requests in 1 hour {which}; its "
        f"usual is {amount(expected)}, by its own profile and others with its approved use ({odds})"
    )
