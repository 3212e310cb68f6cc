"""Kinds of signal that go together count once; those that stand on their own count each."""

from __future__ import annotations

import numpy as np

from detectors.coordination.kinds import Dependence

IP, NETWORK, TEMPLATE, PAYMENT = range(4)
NOW = 1_760_000_000_000


def population(dependence: Dependence, slots: int = 20) -> None:
    """Pairs who share an address share its network; templates and cards come as they like."""
    rng = np.random.default_rng(0)
    for slot in range(slots):
        rows: list[tuple[int, int, int]] = []
        for pair in range(60):
            a, b = 1000 * slot + 2 * pair, 1000 * slot + 2 * pair + 1
            kinds = [TEMPLATE] if rng.random() < 0.5 else []
            kinds += [PAYMENT] if rng.random() < 0.2 else []
            if rng.random() < 0.4:
                kinds += [NETWORK] + ([IP] if rng.random() < 0.6 else [])
            rows += [(a, b, kind) for kind in kinds]
        columns = np.array(rows, np.int64).T
        moment = NOW + slot * 30_000
        dependence.add(columns[0], columns[1], columns[2].astype(np.uint8), moment)


def mask(*kinds: int) -> int:
    return sum(1 << kind for kind in kinds)


def test_address_and_network_count_once_template_and_card_each() -> None:
    dependence = Dependence()
    population(dependence)
    assert dependence.together(IP, NETWORK)
    assert not dependence.together(TEMPLATE, PAYMENT)
    assert not dependence.together(TEMPLATE, NETWORK)
    sets = dependence.independent(mask(IP, NETWORK, TEMPLATE, PAYMENT))
    assert sets == [[IP, NETWORK], [TEMPLATE], [PAYMENT]]


def test_one_large_ring_does_not_make_its_kinds_depend_on_each_other() -> None:
    """A clique of forty makes 780 pairs, but is forty accounts among hundreds."""
    dependence = Dependence()
    population(dependence)
    ends = np.array([(a, b) for a in range(40) for b in range(a + 1, 40)])
    for kind in (TEMPLATE, PAYMENT):
        codes = np.full(len(ends), kind, np.uint8)
        dependence.add(ends[:, 0], ends[:, 1], codes, NOW + 600_000)
    assert not dependence.together(TEMPLATE, PAYMENT)


def test_without_a_population_only_what_is_known_goes_together() -> None:
    dependence = Dependence([(NETWORK, IP)])
    population(dependence, slots=0)
    assert dependence.independent(mask(IP, NETWORK, TEMPLATE)) == [[IP, NETWORK], [TEMPLATE]]
    assert dependence.independent(0) == []


def test_it_goes_on_from_a_dump() -> None:
    one, other = Dependence([(0, 9)]), Dependence()
    population(one)
    other.load(one.dump())
    for dependence in (one, other):
        dependence.add(np.array([1]), np.array([2]), np.array([IP], np.uint8), NOW + 86_400_000)
    assert all((one.dump()[name] == other.dump()[name]).all() for name in one.dump())


def test_what_nearly_everybody_shares_goes_together_with_nothing() -> None:
    """Whoever shares a card shares a template, but so does everybody else."""
    dependence = Dependence()
    ends = np.arange(0, 800, 2)
    dependence.add(ends, ends + 1, np.full(400, TEMPLATE, np.uint8), NOW)
    dependence.add(ends[:50], ends[:50] + 1, np.full(50, TEMPLATE, np.uint8), NOW + 30_000)
    both = np.repeat([TEMPLATE, PAYMENT], 50).astype(np.uint8)
    a = np.tile(ends[50:100], 2)
    dependence.add(a, a + 1, both, NOW + 60_000)
    assert not dependence.together(TEMPLATE, PAYMENT)
