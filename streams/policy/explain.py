"""A policy in words: what would alarm, how often that may be wrong, who is excused, who is told.

Behind `pulse policy explain`. `explained` makes plain data (what `--json` prints), `lines` the text
of it. How often is the budget at its worst: real misuse comes on top, false-discovery control and
incidents that are told once take away.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

from detectors.base import Detector
from detectors.wording import amount, one_in
from streams.policy.budget import HOURS_AN_ALARM, LARGEST_P, Channel, Thresholds, thresholds
from streams.policy.explain_lists import group_lines, list_lines, number, span
from streams.policy.model import SEVERITIES, Policy, channel_of
from streams.policy.population import Population
from streams.policy.version import content
from streams.scoring.activity import NEW, Activity

__all__ = ["explained", "lines", "odds"]

_CHANNELS: Final[tuple[Channel, ...]] = ("usual", "cold")
_MOST: Final = LARGEST_P["usual"]


def explained(
    policy: Policy, detectors: Sequence[Detector], population: Population | None, today: date
) -> dict[str, Any]:
    """Everything `lines` says, as plain data; numbers that need unknown traffic are None."""
    return {
        "version": policy.version,
        "unit": policy.budget.unit,
        "shift_hours": policy.budget.shift_hours,
        "fdr": policy.fdr,
        "population": content(population) if population else None,
        "channels": {name: _channel(policy, name, population) for name in _CHANNELS},
        "detectors": [_detector(policy, detector, population) for detector in detectors],
        "incidents": content(policy.incidents),
        "coordination": content(policy.coordination),
        "cohorts": content(policy.cohorts),
        "known_groups": [
            {**content(entry), "days_left": (entry.expires - today).days}
            for entry in policy.known_groups
        ],
        "allow": [
            {**content(entry), "days_left": (entry.expires - today).days} for entry in policy.allow
        ],
        "notification_channels": [
            {
                "name": channel.name,
                "address": channel.whereabouts,
                "routes": [r.name for r in policy.routes if r.channel == channel.name],
            }
            for channel in policy.channels
        ],
        "routes": content(policy.routes),
    }


def _rare(policy: Policy, population: Population | None, channel: Channel) -> Thresholds | None:
    """Thresholds of a channel; of active account-hours where the usual traffic is known.

    A budget per account-day counts all days of all accounts, and only active hours can alarm. How
    many of them are cold nobody knows here: the cold channel's are those of the budget as it is.
    """
    budget = policy.budget
    if budget.unit == "false_alarms_per_1000_account_days":
        found = thresholds(budget, channel)
        scale = 1.0
        if population is not None and channel == "usual":
            scale = 24.0 * population.accounts / population.account_hours_per_day
    elif population is None or channel == "cold":
        return None
    else:
        shift = population.account_hours_per_day * budget.shift_hours / 24.0
        found, scale = thresholds(budget, "usual", shift), 1.0
    return Thresholds(min(found.high * scale, _MOST), min(found.medium * scale, _MOST))


def _channel(
    policy: Policy, channel: Channel, population: Population | None
) -> dict[str, dict[str, Any]]:
    """By severity: the budget, the share of account-hours it stands for, false alarms a day."""
    budget = policy.budget
    rare = _rare(policy, population, channel)
    shares = {"high": rare.high, "medium": rare.medium - rare.high} if rare else {}
    found: dict[str, dict[str, Any]] = {}
    for severity in SEVERITIES:
        allowed = getattr(budget, severity if channel == "usual" else f"cold_{severity}")
        per_day = None
        if budget.unit == "pages_per_shift":
            per_day = allowed * 24.0 / budget.shift_hours
        elif population is not None:
            per_day = allowed * population.accounts / 1000.0
        if per_day is not None and population is not None and shares and channel == "usual":
            hours = shares[severity] * population.account_hours_per_day
            per_day = min(per_day, hours / HOURS_AN_ALARM)
        found[severity] = {
            "budget": allowed,
            "p_value": shares.get(severity),
            "per_day": per_day,
        }
    return found


def _detector(policy: Policy, detector: Detector, population: Population | None) -> dict[str, Any]:
    own = policy.detectors[detector.NAME]
    channel = channel_of(detector.NAME)
    weight = policy.combination(channel).get(detector.NAME, 0.0)
    rare = _rare(policy, population, channel) if own.enabled else None
    if rare is not None and channel == "cold":
        # As a running watch begins; it goes on with the account-hours it counts.
        rare = Activity().thresholds(policy.budget, NEW, 1)
    defaults, values = detector.Parameters(), content(own.parameters)
    return {
        "name": detector.NAME,
        "title": detector.TITLE,
        "cadence": detector.CADENCE,
        "kinds": list(detector.KINDS),
        "channel": channel,
        "enabled": own.enabled,
        "weight": weight,
        # The combination of one piece of evidence with silence is about p / weight.
        "alone": {"high": rare.high * weight, "medium": rare.medium * weight} if rare else None,
        "changed": {
            name: {"value": value, "default": content(getattr(defaults, name))}
            for name, value in values.items()
            if value != content(getattr(defaults, name))
        },
    }


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """`explained` as a text of a screen or two."""
    population = found["population"]
    yield f"Policy {found['version']}"
    yield ""
    yield _basis(population)
    for severity in SEVERITIES:
        yield "  " + _budget_line(found, "usual", severity)
    yield from _together(found)
    yield f"  (account-hours that alarm come in runs: {HOURS_AN_ALARM} of them are one alarm)"
    yield (
        "Accounts that are new, or back after a long silence, are judged against others like them, "
        "with a budget of their own, half of it for the new and half for the returned:"
    )
    for severity in SEVERITIES:
        yield "  " + _budget_line(found, "cold", severity)
    yield (
        f"Of the alarms of one tick at most {found['fdr']:.0%} may be false; the least certain are "
        "held back until that holds."
    )
    yield ""
    for detector in found["detectors"]:
        yield from _detector_lines(detector, found)
    yield ""
    times = found["incidents"]
    yield (
        f"One incident alarms once. It is resolved {span(times['resolve_after_s'])} after its "
        f"last finding; one within {span(times['reopen_within_s'])} more reopens it."
    )
    yield from group_lines(found)
    yield from list_lines(found)


def _basis(population: Mapping[str, Any] | None) -> str:
    if population is None:
        return (
            "False alarms at most (real misuse comes on top; account-hours count idle ones, too; "
            "--data or --accounts tells how often that is):"
        )
    hours = population["account_hours_per_day"]
    accounts = f"{population['accounts']:,} active account{'s' * (population['accounts'] != 1)}"
    if population["measured_hours"]:
        accounts += (
            f" with {hours:,.0f} active account-hours a day "
            f"(measured over {span(3600 * population['measured_hours'])})"
        )
    return f"False alarms at most, for {accounts} (real misuse comes on top):"


def _budget_line(found: Mapping[str, Any], channel: str, severity: str) -> str:
    part = found["channels"][channel][severity]
    if found["unit"] == "pages_per_shift":
        budget = f"{number(part['budget'])} in a shift of {number(found['shift_hours'])} hours"
    else:
        budget = f"{number(part['budget'])} per 1,000 account-days"
    if part["p_value"] == 0.0:
        return f"{severity}: never, the budget of the others takes all there is ({budget})"
    rare = f"{odds(part['p_value'])} account-hours" if part["p_value"] is not None else ""
    if part["per_day"] is None:
        return f"{severity}: {', '.join(text for text in (budget, rare) if text)}"
    often = _frequency(part["per_day"])
    return f"{severity}: at most {often} ({', '.join(text for text in (budget, rare) if text)})"


def _together(found: Mapping[str, Any]) -> Iterator[str]:
    parts = found["channels"]["usual"].values()
    if all(part["per_day"] is not None for part in parts):
        yield f"  in all: at most {_frequency(sum(part['per_day'] for part in parts))}"
    if sum(part["p_value"] or 0.0 for part in parts) >= _MOST:
        yield (
            f"  Beware: the budget asks for more than {odds(_MOST)} account-hours, and no "
            "threshold goes so far: what shows so often is ordinary."
        )


def _detector_lines(detector: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    if not detector["enabled"]:
        yield f"{detector['title']}: switched off"
        return
    share = f"{detector['title']} ({detector['weight']:.0%} of the budget"
    if detector["channel"] == "cold":
        share += " of new and returning accounts, the others have the rest"
    kinds = ", ".join(detector["kinds"])
    looks = "every tick" if detector["cadence"] == "tick" else "every ten minutes"
    yield f"{share}; looks {looks}; names {kinds})"
    if detector["alone"]:
        high, medium = detector["alone"]["high"], detector["alone"]["medium"]
        yield (
            f"  alone alarms high when fewer than {odds(high)} account-hours of accounts like it "
            f"show as much, medium from {odds(medium)}"
        )
        if detector["channel"] == "cold":
            yield (
                "  (as a new watch begins; the fewer active account-hours are of new accounts, the "
                "less each must show)"
            )
        often = _detector_frequency(detector, found)
        if often:
            yield f"  its part of the false alarms: at most {often}"
    for name, value in detector["changed"].items():
        yield f"  {name} = {value['value']} instead of {value['default']}"


def _detector_frequency(detector: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    parts = found["channels"][detector["channel"]].values()
    if detector["channel"] == "cold" or any(part["per_day"] is None for part in parts):
        return ""
    return _frequency(detector["weight"] * sum(part["per_day"] for part in parts))


def odds(p_value: float) -> str:
    """
    >>> odds(2 / 24_000), odds(1.0)
    ('1 in 12,000', 'every one of the')
    """
    return one_in(p_value) if p_value < 1.0 else "every one of the"


def _frequency(per_day: float) -> str:
    """
    >>> [_frequency(x) for x in (12.3, 0.7, 0.15, 0.02)]
    ['about 12 a day', 'about 0.7 a day', 'about one in 7 days', 'about one in 50 days']
    """
    if per_day >= 0.195:
        return f"about {amount(per_day)} a day"
    return f"about one in {1.0 / per_day:,.0f} days"
