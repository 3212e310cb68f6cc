"""A ring of accounts in a store: 24 act together nine times in two hours, six joined today."""

from __future__ import annotations

import random

from streams.storage.base import expand
from streams.storage.chdb_store import ChdbStore

__all__ = ["CLUSTER", "SENTENCE", "store_ring"]

CLUSTER = "c-88"
SENTENCE = (
    "24 accounts sent the same 2 templates within 10 seconds of each other, nine times in two hours"
)
_HOUR = 3_600_000
_SIZE, _FRESH, _TIMES = 24, 6, 9


def store_ring(store: ChdbStore, now: int) -> None:
    """Its events, members, ties and the cluster itself, ending a minute before `now` (epoch ms)."""
    chance = random.Random(5)
    names = [f"acct-{6200 + 7 * number}" for number in range(_SIZE)]
    moments = sorted(now - 60_000 - chance.randrange(2 * _HOUR) for _ in range(_TIMES))
    rows = []
    for number, name in enumerate(names):
        since = 5 if number >= _SIZE - _FRESH else 0
        for place, at in enumerate(moments[since:]):
            rows.append((name, at + chance.randrange(8_000), f"t{place % 2}"))
        rows += [(name, now - chance.randrange(2 * _HOUR), "own") for _ in range(4)]
    values = ", ".join(
        expand(
            "({id}, {account}, fromUnixTimestamp64Milli({at}, 'UTC'), "
            "fromUnixTimestamp64Milli({at}, 'UTC'), fromUnixTimestamp64Milli({at}, 'UTC'), "
            "{template}, 40, 20)",
            {"id": f"ring-{number}", "account": account, "at": at, "template": template},
        )
        for number, (account, at, template) in enumerate(rows)
    )
    store.command(
        "INSERT INTO events (event_id, account_id, ts, tick, arrived_at, template, prompt_tokens, "
        f"completion_tokens) VALUES {values}"
    )
    _store_cluster(store, names, moments)


def _store_cluster(store: ChdbStore, names: list[str], moments: list[int]) -> None:
    def at(ms: int) -> str:
        return f"fromUnixTimestamp64Milli({ms}, 'UTC')"

    store.command(
        expand(
            "INSERT INTO cluster_log (cluster_id, version, state, since, found_at, last_seen_at, "
            "members, joined, ties, coincidences, kinds, independent, object_kinds, object_values, "
            "object_accounts, within_s, p_value, severity, sentence, sql, incident_id) VALUES "
            f"({{cluster}}, 1, 'open', {at(moments[0])}, {at(moments[2])}, {at(moments[-1])}, "
            "24, 6, 276, 1800, ['template', 'signup'], 3, ['template', 'template'], "
            "['5be1c0de5be1c0de', '77aa77aa77aa77aa'], [24, 21], 10, 2.5e-7, 'high', {sentence}, "
            "'SELECT 1 AS observed', 'inc-ring')",
            {"cluster": CLUSTER, "sentence": SENTENCE},
        )
    )
    for number, name in enumerate(names):
        fresh = number >= _SIZE - _FRESH
        joined = moments[-2] if fresh else moments[0] - 30 * _HOUR
        store.command(
            "INSERT INTO cluster_member_log (cluster_id, account_id, org_id, joined_at, version, "
            f"join_reason, score, moments) VALUES ('{CLUSTER}', '{name}', 'org-{number % 5}', "
            f"{at(joined)}, 1, 'acts with {names[0]}', {40 - number}, 9)"
        )
    ties = [
        f"('{CLUSTER}', '{a}', '{b}', 1, 2.5, 9)"
        for place, a in enumerate(names)
        for b in names[place + 1 : place + 8]
    ]
    store.command(
        "INSERT INTO cluster_tie_log (cluster_id, account_a, account_b, version, score, "
        f"coincidences) VALUES {', '.join(ties)}"
    )
