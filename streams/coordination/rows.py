"""Rows of `cluster_log`, `cluster_member_log` and `cluster_tie_log` out of a verdict on a group."""

from __future__ import annotations

from typing import Any, Final

from detectors.coordination.groups import Change, Group
from streams.coordination.clusters import Cluster, Judged
from streams.coordination.memory import Memory
from streams.coordination.ties import GroupTies

__all__ = ["cluster_row", "left_row", "member_rows", "tie_rows"]

Row = dict[str, Any]
_DAY_MS: Final = 86_400_000
#: Of a large group the strongest ties are stored.
_MOST_TIES: Final = 2000


def cluster_row(
    cluster: Cluster,
    group: Group,
    verdict: Judged,
    ties: GroupTies,
    state: str,
    incident_id: str,
    acted_ms: int,
    timeline: int,
    slot: int,
) -> Row:
    """The cluster at the end of a slot (epoch ms)."""
    strong = ties.pairs.score >= 1.0
    joined = sum(member.joined_at > slot - _DAY_MS for member in group.members.values())
    return {
        "cluster_id": cluster.cluster_id,
        "version": slot,
        "timeline": timeline,
        "state": state,
        "since": verdict.first_ms,
        "found_at": cluster.found_at,
        "last_seen_at": acted_ms or cluster.row.get("last_seen_at", slot),
        "members": len(verdict.members),
        "joined": joined,
        "ties": int(strong.sum()),
        "coincidences": int(ties.pairs.objects.sum()),
        "kinds": verdict.kinds,
        "independent": verdict.independent,
        "object_kinds": [kind for kind, _, _ in verdict.shared],
        "object_values": [value for _, value, _ in verdict.shared],
        "object_accounts": [accounts for _, _, accounts in verdict.shared],
        "within_s": verdict.within_s,
        "lag_s": verdict.lag_s,
        "score": verdict.numbers["mean_score"],
        "p_value": verdict.p_value,
        "chance_log10": verdict.log10,
        "severity": "" if verdict.held else verdict.severity,
        "held": verdict.held,
        "known_group": verdict.known_group,
        "owner": verdict.owner,
        "parent": group.parent,
        "merged_into": "",
        "sentence": verdict.sentence,
        "sql": verdict.sql,
        "raster_sql": verdict.raster_sql,
        "incident_id": incident_id,
    }


def member_rows(
    group: Group, verdict: Judged, ties: GroupTies, memory: Memory, slot: int
) -> list[Row]:
    """Everybody in it, by name."""
    rows = []
    for name, member in sorted(group.members.items()):
        partner, tie = ties.partner(name)
        rows.append(
            {
                "cluster_id": group.group_id,
                "account_id": name,
                "org_id": verdict.orgs[name],
                "joined_at": member.joined_at,
                "version": slot,
                "left_at": None,
                "join_reason": member.reason,
                "left_reason": "",
                "score": member.score,
                "moments": memory.moments(name),
                "top_partner": partner,
                "top_tie": tie,
            }
        )
    return rows


def left_row(cluster: Cluster, change: Change) -> Row:
    """Somebody who has left; forgotten as a member."""
    return {
        "cluster_id": change.group_id,
        "account_id": change.account,
        "org_id": cluster.judged.get("orgs", {}).get(change.account, ""),
        "joined_at": cluster.joined.pop(change.account),
        "version": change.at,
        "left_at": change.at,
        "join_reason": "",
        "left_reason": change.reason,
        "score": 0.0,
        "moments": 0,
        "top_partner": "",
        "top_tie": 0.0,
    }


def tie_rows(cluster_id: str, ties: GroupTies, memory: Memory, slot: int) -> list[Row]:
    """Its ties, the strongest first."""
    pairs = ties.pairs
    return [
        {
            "cluster_id": cluster_id,
            "account_a": min(a, b),
            "account_b": max(a, b),
            "version": slot,
            "score": float(pairs.score[place]),
            "sync": float(pairs.sync[place]),
            "lag": float(pairs.lag[place]),
            "lag_s": float(pairs.lag_s[place]) * (1.0 if a < b else -1.0),
            "coincidences": int(pairs.objects[place]),
            "kinds": ties.by_kind(place, memory.kinds),
            "first_at": int(pairs.first_ms[place]),
            "last_at": int(pairs.last_ms[place]),
        }
        for place, (a, b) in enumerate(zip(ties.name_a, ties.name_b, strict=True))
        if place < _MOST_TIES
    ]
