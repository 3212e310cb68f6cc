"""Cohorts by approved use case: whom an account is compared with, and what is forgotten."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from streams.features.cohorts import PROFILE, Cohorts
from streams.features.hourly_record import HOURLY, TEMPLATE_BINS
from streams.features.layout import HOUR

START = 1_700_000_000_000 // HOUR * HOUR
SUPPORT, TUTORING = 7, 9


def hour_of_accounts(
    places: list[int], cohort: int, requests: int = 10, endpoint: int = 0, country: int | None = 3
) -> Any:
    """Hourly records whose requests all have one endpoint, country and size."""
    records = np.zeros(len(places), HOURLY)
    records["place"], records["cohort"] = places, cohort
    records["counts"][:, 0] = requests
    for mix, place in enumerate((endpoint, country, 2, 1)):
        if place is not None:
            records["bins"][:, TEMPLATE_BINS + 8 * mix + place] = requests
    return records


def spread(count: int, start: int = 1) -> list[int]:
    """Places of `count` accounts, each in the next fold."""
    return [start + 64 * (n % 8) + n // 8 for n in range(count)]


def learned(*hours: Any, cohorts: Cohorts | None = None, first: int = 1) -> Cohorts:
    cohorts = cohorts or Cohorts()
    for number, records in enumerate(hours):
        cohorts.collect(records)
        cohorts.end_hour(START + (first + number) * HOUR)
    return cohorts


def test_a_profile_is_the_shares_of_the_others() -> None:
    one = hour_of_accounts([1], SUPPORT, endpoint=5)
    others = hour_of_accounts(spread(7, start=65), SUPPORT, endpoint=2)
    profile = learned(np.concatenate((one, others))).profile(one)[0]
    assert profile.shape == (PROFILE,)
    assert profile.reshape(4, 8).tolist() == np.eye(8)[[2, 3, 2, 1]].tolist()


def test_an_account_alone_never_meets_itself() -> None:
    """However long it behaves in its own way, nothing of it is in its own profile."""
    one = hour_of_accounts([1], SUPPORT, endpoint=5)
    others = hour_of_accounts(spread(7, start=65), SUPPORT, endpoint=2)
    cohorts = learned(*[np.concatenate((one, others))] * 30)
    assert cohorts.profile(one)[0, 5] == 0.0
    assert cohorts.profile(others[:1])[0, 5] > 0.0


def test_with_fewer_than_five_others_there_is_no_profile() -> None:
    records = hour_of_accounts(spread(5), SUPPORT)
    assert not learned(records).profile(records).any()
    records = hour_of_accounts(spread(6), SUPPORT)
    assert learned(records).profile(records).any(axis=1).all()


def test_cohorts_do_not_mix_and_strangers_have_none() -> None:
    support = hour_of_accounts(spread(16), SUPPORT, endpoint=1)
    tutoring = hour_of_accounts(spread(16, start=9), TUTORING, endpoint=6)
    cohorts = learned(np.concatenate((support, tutoring)))
    assert cohorts.profile(support)[:, 1].tolist() == [1.0] * 16
    assert cohorts.profile(tutoring)[:, 6].tolist() == [1.0] * 16
    assert not cohorts.profile(hour_of_accounts(spread(16), 8)).any()
    assert not cohorts.profile(hour_of_accounts(spread(16), 0)).any()
    assert not learned(hour_of_accounts(spread(16), 0)).codes.size


def test_a_mix_that_nobody_tells_stays_zero() -> None:
    records = hour_of_accounts(spread(16), SUPPORT, country=None)
    shares = learned(records).profile(records).reshape(16, 4, 8).sum(axis=2)
    assert shares.tolist() == [[1.0, 0.0, 1.0, 1.0]] * 16


def test_a_large_account_does_not_outweigh_the_others() -> None:
    large = hour_of_accounts([65], SUPPORT, requests=30_000, endpoint=5)
    small = hour_of_accounts(spread(15, start=1), SUPPORT, requests=64, endpoint=2)
    cohorts = learned(np.concatenate((large, small)))
    profile = cohorts.profile(small[:1])[0]
    assert profile[5] == pytest.approx(1 / 14)
    assert profile[2] == pytest.approx(13 / 14)


def test_the_past_fades_with_a_week() -> None:
    before = hour_of_accounts(spread(16), SUPPORT, endpoint=1)
    after = hour_of_accounts(spread(16), SUPPORT, endpoint=2)
    cohorts = learned(before)
    learned(after, cohorts=cohorts, first=1 + 168)
    profile = cohorts.profile(after)[0]
    assert profile[:3].tolist() == pytest.approx([0, 1 / 3, 2 / 3])


def test_a_cohort_whose_accounts_are_gone_has_no_profile() -> None:
    records = hour_of_accounts(spread(16), SUPPORT)
    cohorts = learned(records)
    cohorts.end_hour(START + 100 * HOUR)
    assert cohorts.profile(records).any()
    cohorts.end_hour(START + 500 * HOUR)
    assert not cohorts.profile(records).any()


def test_blocks_and_their_order_do_not_matter() -> None:
    random = np.random.default_rng(1)
    records = np.concatenate(
        [
            hour_of_accounts(spread(50), int(code), int(random.integers(1, 40_000)), int(code % 8))
            for code in random.permutation(3000)
        ]
    )
    whole = Cohorts()
    whole.collect(records)
    whole.end_hour(START + HOUR)
    parts = Cohorts()
    for block in np.array_split(records[random.permutation(len(records))], 7):
        parts.collect(block)
    parts.end_hour(START + HOUR)
    assert whole.dump() == parts.dump()
    assert len(whole.codes) == 256


def test_of_too_many_cohorts_those_with_the_fewest_requests_are_dropped() -> None:
    old = [hour_of_accounts(spread(8), code, requests=20) for code in range(1, 251)]
    new = [hour_of_accounts(spread(8), code, requests=code % 40) for code in range(1001, 1040)]
    cohorts = learned(np.concatenate(old), np.concatenate(new))
    assert len(cohorts.codes) == 256
    assert {1034, 1035, 1039} <= set(cohorts.codes.tolist())
    assert set(range(1, 221)) <= set(cohorts.codes.tolist())
    assert not {1001, 1002, 1003} & set(cohorts.codes.tolist())


def test_the_way_through_a_snapshot_is_exact() -> None:
    random = np.random.default_rng(2)
    hours = [
        hour_of_accounts(
            random.integers(1, 513, 300).tolist(), SUPPORT, endpoint=int(random.integers(8))
        )
        for _ in range(6)
    ]
    cohorts = learned(*hours[:3])
    again = Cohorts()
    again.load(msgspec.json.decode(msgspec.json.encode(cohorts.dump())))
    for one in (cohorts, again):
        learned(*hours[3:], cohorts=one, first=4)
    assert again.dump() == cohorts.dump()
    assert np.array_equal(again.profile(hours[0]), cohorts.profile(hours[0]))


def test_an_hour_without_traffic_is_no_trouble() -> None:
    cohorts = learned(np.zeros(0, HOURLY), np.zeros(3, HOURLY))
    assert cohorts.profile(np.zeros(3, HOURLY)).tolist() == np.zeros((3, PROFILE)).tolist()
    assert cohorts.profile(np.zeros(0, HOURLY)).shape == (0, PROFILE)
