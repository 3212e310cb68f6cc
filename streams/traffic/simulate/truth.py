"""The labels of simulated traffic: who attacked when and how, and what a detector should see."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from streams.errors import UsageError
from streams.traffic.simulate.attacks import PlannedAttack
from streams.traffic.simulate.spec import AttackKind

__all__ = ["TruthRow", "truth_rows", "write_truth"]

_EXPECT: Final[dict[AttackKind, str]] = {
    "burst": "requests and tokens far above the account's own record",
    "dormant": "an account silent for long sends at once at speed",
    "new_account": "an account minutes old sends far more than other new accounts",
    "ramp": "requests growing evenly to far above the account's own record",
    "template_spam": "requests up, one template, outputs of at most 32 tokens, medical_spam up",
    "low_and_slow": "a share of the requests turns to one new template with short outputs",
    "medical_spam": "a share of the requests turns to short outputs flagged as medical_spam",
    "use_case_drift": "a share of the requests turns to another endpoint, country and prompt size",
    "retry_abuse": "requests go on evenly, at once after each 429",
    "key_hopping": "many new keys while the requests are throttled",
    "coordinated": "accounts use one template and network within the same seconds, none is loud",
}


@dataclass(frozen=True, slots=True)
class TruthRow:
    """One attacking account; times are epoch ms, rates requests/s (0 for coordinated groups)."""

    attack_id: str
    kind: AttackKind
    account_id: str
    started_at: int
    ended_at: int
    strength: float
    normal_per_s: float
    attack_per_s: float
    expect: str


def truth_rows(plans: Iterable[PlannedAttack], names: Sequence[str], end_ms: int) -> list[TruthRow]:
    """A row for each account of each attack; an attack ends with the simulation at the latest."""
    return [
        TruthRow(
            plan.attack_id,
            plan.attack.kind,
            names[account],
            plan.attack.start_ms,
            min(plan.attack.end_ms, end_ms),
            plan.attack.strength,
            round(plan.normal, 6),
            round(plan.rate, 6),
            _EXPECT[plan.attack.kind],
        )
        for plan in plans
        for account in plan.accounts
    ]


def write_truth(path: Path, rows: Iterable[TruthRow]) -> None:
    """Writes rows as CSV with a header; times as RFC 3339 in UTC with milliseconds.

    Raises:
        UsageError: the file cannot be written.
    """
    names = [entry.name for entry in fields(TruthRow)]
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(names)
            for row in rows:
                values = {name: getattr(row, name) for name in names}
                values["started_at"] = _rfc3339(row.started_at)
                values["ended_at"] = _rfc3339(row.ended_at)
                writer.writerow(values.values())
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None


def _rfc3339(ms: int) -> str:
    moment = datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
