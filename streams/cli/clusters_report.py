"""The end of `pulse clusters`: the two result tables, and in words or JSON what was found."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, Any, Final

import numpy as np

from dashboards.live.words import chance as chance_words
from streams.cli.clusters_found import Cluster, Found
from streams.cli.terminal import shown
from streams.traffic.actions import Actions

__all__ = ["as_object", "lines", "write_accounts", "write_pairs"]

_LINES: Final = 10
_KINDS: Final = 4
_CHUNK: Final = 65_536


def write_accounts(out: IO[str], actions: Actions, found: Found) -> None:
    """One row an account, best score first, equal scores in order of name."""
    score = np.round(found.score, 6)
    order = np.argsort(-score, kind="stable")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("account_id", "cluster_id", "score"))
    for start in range(0, len(order), _CHUNK):
        rows = order[start : start + _CHUNK]
        names = actions.accounts.take(rows).to_pylist()
        clusters = [place or "" for place in found.cluster[rows].tolist()]
        writer.writerows(zip(names, clusters, map(_number, score[rows].tolist()), strict=True))


def write_pairs(out: IO[str], actions: Actions, found: Found) -> None:
    """One row a tied pair, best score first, account_a before account_b in order of name."""
    score = np.round(found.pair_score, 6)
    order = np.lexsort((found.pair_b, found.pair_a, -score))
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("account_a", "account_b", "score"))
    for start in range(0, len(order), _CHUNK):
        rows = order[start : start + _CHUNK]
        a, b = (
            actions.accounts.take(side[rows]).to_pylist() for side in (found.pair_a, found.pair_b)
        )
        writer.writerows(zip(a, b, map(_number, score[rows].tolist()), strict=True))


def _number(score: float) -> str:
    return f"{score:.6f}".rstrip("0").rstrip(".")


def lines(actions: Actions, found: Found, seconds: float) -> Iterator[str]:
    """What a person wants to know at the end."""
    rate = f"{actions.rows / max(seconds, 1e-9):,.0f}/s"
    kinds = _listed(actions.kinds) if len(actions.kinds) > 1 else ""
    yield (
        f"{_many(actions.rows, 'action')} by {_many(len(actions.accounts), 'account')} on "
        f"{_many(actions.objects, 'object')}{f' ({kinds})' if kinds else ''} "
        f"in {seconds:.1f} s ({rate})"
    )
    members = sum(len(cluster.members) for cluster in found.clusters)
    inside = f" of {_many(members, 'account')}" if members else ""
    clusters = _many(len(found.clusters), "cluster")
    yield f"{_many(len(found.pair_a), 'pair')} tied, {clusters}{inside}"
    for number, cluster in enumerate(found.clusters[:_LINES], 1):
        yield f"  {number:>3}  {_sentence(actions, cluster)}"
    if len(found.clusters) > _LINES:
        yield f"       and {len(found.clusters) - _LINES:,} more"
    if found.left_out:
        groups = _many(found.left_out, "group")
        yield f"{groups} left out: no closer in time than by chance, or too few kinds of signal"


def _sentence(actions: Actions, cluster: Cluster) -> str:
    first = shown(actions.accounts[int(cluster.members[0])].as_py())
    kinds = f" ({_listed(cluster.kinds)})" if len(actions.kinds) > 1 else ""
    said = (
        f"{_many(len(cluster.members), 'account')} ({_cut(first)} first) share "
        f"{_many(cluster.objects, 'object')}{kinds}, {_span(cluster.first_ms, cluster.last_ms)}"
    )
    if cluster.chance is not None:
        said += f", so close in time: {chance_words(cluster.chance)} by chance"
    if cluster.known:
        said += f"; known: {shown(cluster.known)}"
    return said


def as_object(actions: Actions, found: Found, seconds: float) -> dict[str, Any]:
    """The same for `--json`, with all clusters."""
    return {
        "actions": actions.rows,
        "accounts": len(actions.accounts),
        "objects": actions.objects,
        "kinds": list(actions.kinds),
        "skipped": actions.skipped,
        "disordered": actions.disordered,
        "pairs": len(found.pair_a),
        "left_out": found.left_out,
        "seconds": round(seconds, 3),
        "clusters": [
            {
                "cluster_id": number,
                "accounts": len(cluster.members),
                "first_account": actions.accounts[int(cluster.members[0])].as_py(),
                "objects": cluster.objects,
                "kinds": list(cluster.kinds),
                "first": _moment(cluster.first_ms),
                "last": _moment(cluster.last_ms),
                "chance": cluster.chance,
                "independent_kinds": cluster.independent_kinds or None,
                "known": cluster.known or None,
            }
            for number, cluster in enumerate(found.clusters, 1)
        ],
    }


def _moment(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC)


def _span(first_ms: int, last_ms: int) -> str:
    """2025-01-06 10:00:05 to 12:30:00 UTC; both days where they differ."""
    first, last = _moment(first_ms), _moment(last_ms)
    to = last.strftime("%H:%M:%S" if first.date() == last.date() else "%Y-%m-%d %H:%M:%S")
    return f"{first:%Y-%m-%d %H:%M:%S} to {to} UTC"


def _many(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' * (number != 1)}"


def _cut(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"


def _listed(kinds: tuple[str, ...]) -> str:
    names = ", ".join(_cut(shown(kind)) for kind in kinds[:_KINDS])
    return names + (f" and {len(kinds) - _KINDS} more" if len(kinds) > _KINDS else "")
