"""The two methods of `pulse clusters`: this program's own, and the classic windowed counter.

Both take the actions in order of time, a block at a time, and end in the same `Found`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from detectors.coordination.cosharing import CoSharing, TooManyTies, components
from streams.cli.clusters_decide import Decision, Rules
from streams.cli.clusters_found import Found, deeds, numbered, outlined, ranked
from streams.errors import UsageError
from streams.traffic.actions import Actions

__all__ = ["Progress", "co_sharing", "coordination"]

Progress = Callable[[int], None]


def coordination(actions: Actions, rules: Rules, progress: Progress) -> Found:
    """Accounts that meet on objects more closely in time, and oftener, than chance would have it.

    A community becomes a cluster when enough of its members score, and its timing is improbable.
    """
    # igraph takes a second to import: the other method does without.
    from detectors.coordination.stream import Stream

    stream = Stream(rules.parameters)
    done = 0
    for block in actions.blocks():
        stream.push(block.account, block.object, block.kind, block.time)
        done += len(block)
        progress(done)
    judged = stream.judge()
    accounts = len(actions.accounts)
    score = np.zeros(accounts)
    score[judged.accounts.account] = judged.accounts.score
    label = np.full(accounts, -1, np.int64)
    label[judged.accounts.account] = judged.label
    groups = numbered(label)
    decision = Decision(actions, judged, groups, rules)
    decided = [
        decision.cluster(number, group) for number, group in enumerate(deeds(actions, groups), 1)
    ]
    counts = np.array([False, *(cluster is not None for cluster in decided)])
    groups[~counts[groups]] = 0
    # Largest first as before, so the clusters that are left keep their order.
    cluster = numbered(groups - 1)
    clusters = [one for one in decided if one is not None]
    return Found(
        score,
        cluster,
        judged.pairs.account_a,
        judged.pairs.account_b,
        judged.pairs.score,
        [
            replace(one, members=members)
            for one, members in zip(clusters, ranked(cluster, score), strict=True)
        ],
        left_out=len(decided) - len(clusters),
    )


def co_sharing(actions: Actions, window_s: float, repeats: int, progress: Progress) -> Found:
    """Accounts are tied when they share an object within `window_s` so often; tied ones cluster.

    A pair's score is its repetitions, an account's the sum over its pairs.

    Raises:
        UsageError: the window makes more pairs than fit into memory.
    """
    counter = CoSharing(round(window_s * 1000))
    done = 0
    try:
        for block in actions.blocks():
            counter.push(block.account, block.object, block.time)
            done += len(block)
            progress(done)
    except TooManyTies as error:
        raise UsageError(f"option --window: {window_s:g} s is too long here: {error}") from None
    ties = counter.ties(repeats)
    accounts = len(actions.accounts)
    score = np.zeros(accounts)
    np.add.at(score, ties.account_a, ties.repeats)
    np.add.at(score, ties.account_b, ties.repeats)
    cluster = numbered(components(ties, accounts))
    return Found(
        score,
        cluster,
        ties.account_a,
        ties.account_b,
        ties.repeats.astype(np.float64),
        outlined(actions, cluster, score),
    )
