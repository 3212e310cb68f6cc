"""Accounts go where Kafka's own clients would put them."""

from __future__ import annotations

import numpy as np
import pytest
from kafka.partitioner.default import murmur2 as reference

from streams.traffic.partition import Partitioner, murmur2


@pytest.mark.parametrize(
    ("key", "expected"),
    [  # org.apache.kafka.common.utils.UtilsTest.testMurmur2
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_known_hashes_of_kafka(key: bytes, expected: int) -> None:
    assert murmur2([key]).astype(np.int32).tolist() == [expected]


def test_columns_of_mixed_lengths_equal_the_client_library() -> None:
    rng = np.random.default_rng(0)
    keys = [rng.bytes(length) for length in rng.integers(0, 40, 500).tolist()]
    assert murmur2(keys).tolist() == [reference(key) % 2**32 for key in keys]


def test_partitions_follow_the_hash_and_a_new_dictionary_is_noticed() -> None:
    partitioner = Partitioner(7)
    names = ["acct-1", "ünïcode", "acct-22"]
    expected = [(reference(name.encode()) & 0x7FFFFFFF) % 7 for name in names]
    assert partitioner.assign(names).tolist() == expected
    assert partitioner.assign(names).tolist() == expected
    names.append("acct-3")
    assert len(partitioner.assign(names)) == 4
    assert partitioner.assign(list(reversed(names[:3]))).tolist() == expected[::-1]
