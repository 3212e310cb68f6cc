"""Which templates an account has sent before: what is new, what stays known, what is forgotten."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streams.features import seen


def never_sent(filters: Any, random: np.random.Generator, rounds: int) -> float:
    """Share of templates taken for known although they never were sent; nothing is learned."""
    new = [
        seen.unseen(filters.copy(), np.arange(len(filters)), drawn(random, len(filters)))
        for _ in range(rounds)
    ]
    return 1.0 - float(np.mean(new))


def drawn(random: np.random.Generator, count: int) -> Any:
    return seen.spread(random.integers(1, 2**63, count).astype(np.uint64))


def settled(filters: Any) -> Any:
    """A day later."""
    return seen.settle(filters, np.ones(len(filters), np.bool_))


def test_how_often_a_new_template_is_taken_for_known() -> None:
    """The figures in the docstring of `streams/features/seen.py`."""
    random = np.random.default_rng(3)
    filters = np.zeros((2000, 3, 8), np.uint64)
    everybody = np.arange(len(filters))
    shares = {}
    for sent in range(1, 201):
        seen.unseen(filters, everybody, drawn(random, len(filters)))
        filters = settled(filters)
        if sent in (10, 30, 200):
            shares[sent] = never_sent(filters, random, 10)
    assert shares[10] < 0.001
    assert shares[30] < 0.005
    assert shares[200] < 0.035


@pytest.mark.parametrize(("templates", "novel"), [(10, 0.0), (40, 0.0), (60, 0.08)])
def test_templates_in_use_stay_known(templates: int, novel: float) -> None:
    random = np.random.default_rng(4)
    own = seen.spread(random.integers(1, 2**63, (200, templates)).astype(np.uint64))
    filters = np.zeros((200, 3, 8), np.uint64)
    found = []
    for _ in range(max(400, 20 * templates)):
        which = random.integers(0, templates, 200)
        found.append(seen.unseen(filters, np.arange(200), own[np.arange(200), which]).mean())
        filters = settled(filters)
    assert np.mean(found[len(found) // 2 :]) <= novel


def test_a_flood_of_templates_makes_nothing_look_known() -> None:
    random = np.random.default_rng(5)
    filters = np.zeros((1, 3, 8), np.uint64)
    account = np.zeros(5000, np.int64)
    for _ in range(3):
        new = seen.unseen(filters, account, drawn(random, len(account)))
        assert new.mean() > 0.97
        filters = settled(filters)
    assert never_sent(filters, random, 500) < 0.05


def test_templates_long_out_of_use_are_forgotten() -> None:
    random = np.random.default_rng(6)
    filters = np.zeros((1, 3, 8), np.uint64)
    old, account = drawn(random, 1), np.zeros(1, np.int64)
    assert seen.unseen(filters, account, old)
    filters = seen.settle(filters, np.zeros(1, np.bool_))
    assert seen.unseen(filters, account, old)  # another hour of the same day
    filters = settled(filters)
    assert not seen.unseen(filters, account, old)
    for _ in range(200):
        seen.unseen(filters, account, drawn(random, 1))
        filters = settled(filters)
    assert seen.unseen(filters, account, old)


def test_who_sends_many_new_templates_has_them_known_before_the_day_is_over() -> None:
    random = np.random.default_rng(7)
    filters = np.zeros((1, 3, 8), np.uint64)
    many = drawn(random, 60)
    seen.unseen(filters, np.zeros(60, np.int64), many)
    filters = seen.settle(filters, np.zeros(1, np.bool_))
    assert not seen.unseen(filters, np.zeros(60, np.int64), many).any()
