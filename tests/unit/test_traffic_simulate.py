"""Simulated traffic: the same bytes for the same seed, real clients' facts, true labels."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
import pytest

from streams.errors import BadInput, UsageError
from streams.events.schema import Event
from streams.traffic.simulate import (
    ATTACK_KINDS,
    Attack,
    Simulation,
    SimulationSpec,
    demo_spec,
    simulate,
)
from streams.traffic.simulate.arrivals import arrival_times
from streams.traffic.simulate.population import BuiltInPopulation, Population
from streams.traffic.simulate.servegen import CLIENTS_FILE, TOKENS_FILE, ServeGenPopulation
from tests.support.simulated import CALM, HOUR, START
from tests.support.traces import trace_file

DECODER = msgspec.json.Decoder(Event)


def joined(spec: SimulationSpec) -> bytes:
    return b"\n".join(line for batch in simulate(spec) for line in batch.lines)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    spec = replace(
        CALM, attacks=(Attack(kind="burst", start_ms=START + HOUR, length_s=60, strength=9),)
    )
    first = joined(spec)
    assert first == joined(spec)
    assert joined(replace(spec, seed=1)) != first
    simulation = Simulation(spec)
    assert next(iter(simulation)).lines == next(iter(simulation)).lines


def test_time_never_goes_back_and_stays_inside() -> None:
    spec = replace(CALM, volatility=0.8, empty_share=0.5, end_ms=START + HOUR + 12_345)
    ts = np.concatenate([batch.ts for batch in simulate(spec)])
    assert (np.diff(ts) >= 0).all()
    assert spec.start_ms <= ts[0]
    assert ts[-1] < spec.end_ms
    assert ts[-1] > spec.end_ms - 60_000


def test_every_event_is_valid_full_and_unique() -> None:
    simulation = Simulation(CALM)
    everything = []
    for batch in simulation:
        decoded = [DECODER.decode(line) for line in batch.lines]
        assert [event.account_id for event in decoded] == list(batch.account_ids())
        assert [event.ts for event in decoded] == batch.ts.tolist()
        everything += decoded
    assert simulation.fraction == 1.0
    assert len({event.event_id for event in everything}) == len(everything)
    for name in Event.__struct_fields__:
        filled = sum(bool(getattr(event, name)) for event in everything)
        assert filled > (0 if name == "error" else len(everything) / 2), name
    statuses = Counter(event.status for event in everything)
    assert set(statuses) == {200, 400, 429, 500}
    assert statuses[200] > 0.97 * len(everything)
    assert all((event.status == 200) == (event.error == "") for event in everything)
    scores = [score for event in everything for score in event.moderation.values()]
    assert np.quantile(scores, 0.9) < 0.05
    assert all(event.completion_tokens <= event.max_tokens for event in everything)


def test_long_simulations_are_lazy() -> None:
    century = replace(CALM, end_ms=START + 876_600 * HOUR, rate_per_s=1000.0)
    assert sum(len(batch) for batch in islice(simulate(century), 5)) == 5 * 4096


def population_facts(population: Population, steps: int) -> tuple[float, float, float]:
    """(share of the ten largest, share of empty client steps, median CV of active steps)."""
    rates, spread = [], []
    for step in islice(population.steps(), steps):
        rates.append(step.rate)
        spread.append(step.cv[step.rate > 0])
    table = np.array(rates)
    sizes = np.sort(table.sum(axis=0))[::-1]
    return (
        float(sizes[:10].sum() / sizes.sum()),
        float((table == 0).mean()),
        float(np.median(np.concatenate(spread))),
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_built_in_population_has_the_facts_of_real_clients(seed: int) -> None:
    spec = SimulationSpec(start_ms=START, end_ms=START + HOUR, seed=seed)
    population = BuiltInPopulation(spec)
    share, empty, cv = population_facts(population, 14 * 144)
    assert 0.63 <= share <= 0.93
    assert 0.5 <= empty <= 0.7
    assert 1.25 <= cv <= 1.5
    total = np.mean([step.rate.sum() for step in islice(population.steps(), 14 * 144)])
    assert 0.7 * spec.rate_per_s < total < 1.4 * spec.rate_per_s


def test_the_real_population_keeps_its_facts_and_the_asked_rate() -> None:
    folder = trace_file(CLIENTS_FILE).parent
    trace_file(TOKENS_FILE)
    spec = SimulationSpec(start_ms=START, end_ms=START + HOUR, servegen=folder, clients=200)
    share, empty, cv = population_facts(ServeGenPopulation(spec, folder), 2016)
    assert 0.63 <= share <= 0.93
    assert 0.5 <= empty <= 0.7
    assert 1.2 <= cv <= 1.5
    ts = np.concatenate([batch.ts for batch in simulate(spec)])
    assert 0.5 * 200 < len(ts) / 3600 < 2 * 200
    minute = replace(spec, end_ms=START + 60_000)
    assert joined(minute) == joined(minute)


@pytest.mark.parametrize("weibull", [False, True])
@pytest.mark.parametrize("cv", [0.5, 1.0, 1.35, 3.0])
def test_arrivals_have_the_wanted_burstiness(cv: float, weibull: bool) -> None:
    rng = np.random.default_rng(0)
    counts = np.array([50_000, 0, 3, 50_000])
    client, times = arrival_times(rng, counts, np.full(4, cv), np.full(4, weibull))
    assert np.bincount(client, minlength=4).tolist() == counts.tolist()
    assert (times >= 0).all()
    assert (times < 1).all()
    for number in (0, 3):
        gaps = np.diff(times[client == number])
        assert (gaps >= 0).all()
        assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.06)


def test_many_accounts_share_their_clients_traffic() -> None:
    spec = replace(CALM, accounts=3000, rate_per_s=50.0)
    sizes = Counter(account for batch in simulate(spec) for account in batch.account_ids())
    assert len(sizes) > 2000
    assert max(sizes.values()) < 0.4 * sum(sizes.values())


def test_the_load_scales_the_whole_rate() -> None:
    middle = START + HOUR
    spec = replace(CALM, load=((middle - 1, 0.1), (middle, 1.0)))
    ts = np.concatenate([batch.ts for batch in simulate(spec)])
    before, after = (ts < middle).sum(), (ts >= middle).sum()
    assert 0.08 < before / after < 0.13


def test_the_demo_shows_an_attack_within_a_minute_on_an_account_with_history() -> None:
    spec = demo_spec(START, seed=3, live_hours=0.1)
    kinds = {attack.kind for attack in demo_spec(START).attacks}
    assert kinds == set(ATTACK_KINDS)
    live_attacks = [attack for attack in spec.attacks if attack.start_ms >= START]
    assert 20_000 <= live_attacks[0].start_ms - START <= 40_000
    starts = np.array([attack.start_ms for attack in live_attacks])
    assert (np.diff(starts) <= 140_000).all()
    simulation = Simulation(spec)
    first = next(row for row in simulation.truth if row.started_at >= START)
    minutes: Counter[int] = Counter()
    live = total = 0
    for batch in simulation:
        total += len(batch)
        live += int((batch.ts >= START).sum())
        own = batch.ts[batch.account == simulation_account(simulation, first.account_id)]
        minutes.update(((own - START) // 60_000).tolist())
    assert first.kind == "burst"
    assert 250 <= first.strength <= 350
    assert 2 < live / 360 < 40
    assert total - live < 400_000
    history = [minutes[minute] for minute in range(-24, 0)]
    assert sum(history) > 12
    assert minutes[0] + minutes[1] > 4 * max(history)


def test_the_demo_goes_on_with_what_it_missed_and_plants_nobody_who_was_never_there() -> None:
    spec = demo_spec(START, seed=3, history_hours=0.2, live_hours=1.0)
    assert spec.start_ms == START - 720_000
    assert "dormant" not in {attack.kind for attack in spec.attacks}
    assert min(attack.start_ms for attack in spec.attacks) >= spec.start_ms


def test_a_gathered_past_is_the_same_traffic_in_fewer_moments() -> None:
    until = START + HOUR
    spec = replace(CALM, gathered_until_ms=until, gathered_ms=300_000)
    ts = np.concatenate([batch.ts for batch in simulate(spec)])
    past, rest = ts[ts < until], ts[ts >= until]
    assert len(np.unique(past)) == 12
    assert len(np.unique(rest)) > 0.9 * len(rest)
    assert (np.diff(ts) >= 0).all()
    assert len(past) == pytest.approx(len(rest), rel=0.1)


def simulation_account(simulation: Simulation, account_id: str) -> int:
    return next(iter(simulation)).accounts.index(account_id)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"end_ms": START}, "simulation: end_ms: expected after start_ms"),
        ({"accounts": 0}, "accounts: expected 1 to"),
        ({"zipf": -1.0}, "zipf: expected 0 to 3"),
        ({"gathered_ms": 7}, "gathered_ms: expected a divisor of 600000"),
        (
            {"attacks": (Attack(kind="low_and_slow", start_ms=START, length_s=1, strength=2),)},
            "strength: expected a share of at most 1",
        ),
        ({"rate_per_s": -1.0}, "rate_per_s: expected over 0"),
        ({"rate_per_s": float("nan")}, "rate_per_s: expected over 0"),
        ({"attacks": (Attack(kind="burst", start_ms=1, length_s=1, strength=1),)}, "a time of the"),
        (
            {"attacks": (Attack(kind="x", start_ms=START, length_s=1, strength=1),)},  # type: ignore[arg-type]
            "attacks[0].kind: expected burst or dormant",
        ),
    ],
)
def test_an_impossible_spec_is_refused(changes: dict[str, object], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        replace(CALM, **changes)  # type: ignore[arg-type]
    assert told in str(caught.value)


def test_missing_and_damaged_trace_tables_are_refused(tmp_path: Path) -> None:
    spec = replace(CALM, servegen=tmp_path)
    with pytest.raises(UsageError, match=f"{CLIENTS_FILE}: cannot be read"):
        Simulation(spec)
    (tmp_path / CLIENTS_FILE).write_bytes(b"\x1f\x8b\x08\x00damaged")
    with pytest.raises(BadInput, match=CLIENTS_FILE):
        Simulation(spec)
