"""Stored traces become events: the real files, their identities, and every kind of damage."""

from __future__ import annotations

import gzip
import os
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from streams.errors import BadInput, PulseError, UsageError
from streams.events.schema import Event
from streams.traffic.readers import FORMATS, Trace, guess_format, open_trace
from tests.support.traces import trace_file

DECODER = msgspec.json.Decoder(Event)
AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,374,44\n"
MOONCAKE = '{"timestamp": 27482, "input_length": 6955, "output_length": 52, "hash_ids": [46, 47]}\n'
COORTWEET = "object_id,account_id,content_id,timestamp_share\no1,a1,c1,1623881091.0\n"
OURS = '{"event_id":"e1","ts":1700000000000,"account_id":"a1","prompt_tokens":7}\n'


def events(trace: Trace) -> list[Event]:
    """All events of a trace; what stands in the columns must be what stands in the JSON."""
    found: list[Event] = []
    for batch in trace:
        decoded = [DECODER.decode(line) for line in batch.lines]
        assert [event.account_id for event in decoded] == list(batch.account_ids())
        if trace.format != "ndjson":
            assert [event.ts for event in decoded] == batch.ts.tolist()
        found += decoded
    return found


def written(folder: Path, content: str | bytes, name: str = "trace.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("name", "trace_format", "rows"),
    [
        ("azure_llm_2023_conv.csv.gz", "azure", 19_366),
        ("azure_llm_2023_code.csv.gz", "azure", 8_819),
        ("mooncake_conversation.jsonl.gz", "mooncake", 12_031),
        ("coortweet_russian.csv.gz", "coortweet", 35_125),
    ],
)
def test_every_row_of_a_real_trace_is_one_event_in_order_of_time(
    name: str, trace_format: str, rows: int
) -> None:
    path = trace_file(name)
    trace = open_trace(path, trace_format)
    assert trace.fraction == 0 or trace.bytes_read < trace.bytes_total
    found = events(trace)
    assert len(found) == rows
    assert len({event.event_id for event in found}) == rows
    times = [event.ts for event in found]
    assert times == sorted(times)
    assert trace.fraction == 1.0
    again = events(open_trace(path, trace_format))
    assert again == found


def test_drawn_accounts_have_a_heavy_tail_and_are_as_many_as_asked_for() -> None:
    path = trace_file("azure_llm_2023_conv.csv.gz")
    for accounts in (20, 50, 1000):
        sizes = Counter(e.account_id for e in events(open_trace(path, "azure", accounts=accounts)))
        largest = sum(count for _, count in sizes.most_common(10)) / 19_366
        assert 0.63 < largest < 0.98
        assert 0.8 * min(accounts, 500) < len(sizes) <= accounts


def test_another_seed_draws_other_accounts_but_the_same_events() -> None:
    path = trace_file("azure_llm_2023_code.csv.gz")
    one, other = (events(open_trace(path, "azure", seed=seed)) for seed in (0, 1))
    assert [event.event_id for event in one] == [event.event_id for event in other]
    assert [event.account_id for event in one] != [event.account_id for event in other]


def test_identity_depends_on_content_and_row_not_on_the_file_name(tmp_path: Path) -> None:
    row = "2023-11-16 18:15:46.6805900,374,44\n"
    plain = written(tmp_path, AZURE + row, "one.csv")
    packed = written(tmp_path, gzip.compress((AZURE + row).encode()), "two.bin")
    windows = written(tmp_path, b"\xef\xbb\xbf" + (AZURE + row).replace("\n", "\r\n").encode(), "w")
    identities = [
        [event.event_id for event in events(open_trace(path, "azure"))]
        for path in (plain, packed, windows)
    ]
    assert identities[0] == identities[1] == identities[2]
    assert len(set(identities[0])) == 2, "equal rows are different events"


def test_azure_times_are_cut_to_milliseconds_and_columns_found_by_name(tmp_path: Path) -> None:
    header = "x,GeneratedTokens,TIMESTAMP,ContextTokens\n"
    path = written(tmp_path, header + ",44,2023-11-16 18:15:46.6805900,3\n")
    (event,) = events(open_trace(path, "azure"))
    assert (event.ts, event.prompt_tokens, event.completion_tokens) == (1_700_158_546_680, 3, 44)


def test_mooncake_prefixes_tell_account_template_and_bands(tmp_path: Path) -> None:
    other = MOONCAKE.replace("47", "99")
    path = written(tmp_path, MOONCAKE + MOONCAKE + other)
    one, same, different = events(open_trace(path, "mooncake", accounts=100_000))
    assert one.ts == 1_719_360_000_000 + 27_482
    assert (one.template, one.bands) == ("000000000000002f", ["2e", "2f"])
    assert (one.account_id, one.template) == (same.account_id, same.template)
    assert different.account_id != one.account_id
    assert different.template != one.template


def test_coortweet_is_sorted_and_says_so(tmp_path: Path) -> None:
    trace = open_trace(written(tmp_path, COORTWEET + "o2,a2,c2,1623881000\n"), "coortweet")
    assert [(e.ts, e.account_id, e.template) for e in events(trace)] == [
        (1_623_881_000_000, "a2", "o2"),
        (1_623_881_091_000, "a1", "o1"),
    ]
    assert "sorted 2 in memory" in trace.notices[0]


def test_our_events_pass_byte_for_byte_without_blank_lines_and_heartbeats(tmp_path: Path) -> None:
    odd = '{"account_id": "ä", "ts": "2023-11-14T22:13:20.5Z", "zzz": [1], "event_id": "e2"}'
    text = OURS + "\n" + '{"heartbeat":1700000000000}\n' + odd
    trace = open_trace(written(tmp_path, gzip.compress(text.encode()), "mine.ndjson.gz"))
    first, last = list(trace)
    assert first.lines + last.lines == [OURS.strip().encode(), odd.encode()]
    assert [*first.account_ids(), *last.account_ids()] == ["a1", "ä"]
    assert [*first.ts, *last.ts] == [1_700_000_000_000, 1_700_000_000_500]


def test_an_empty_file_of_our_events_is_no_events(tmp_path: Path) -> None:
    assert list(open_trace(written(tmp_path, "", "none.ndjson"))) == []


def test_a_long_file_is_read_in_pieces(tmp_path: Path) -> None:
    lines = [OURS.strip().replace('"e1"', f'"e{number}"') for number in range(20_000)]
    path = written(tmp_path, "\n".join(lines), "long.ndjson")
    batches = list(open_trace(path))
    assert len(batches) > 3
    assert [line.decode() for batch in batches for line in batch.lines] == lines


@pytest.mark.parametrize(
    ("trace_format", "content", "told"),
    [
        ("azure", "", "line 1: expected a header with the columns TIMESTAMP"),
        ("azure", "a,b\n", "line 1: expected a header with the columns TIMESTAMP,ContextTokens"),
        ("azure", AZURE + "2023-11-16 18:15:47,-3,1\n", "line 3, column ContextTokens: expected"),
        ("azure", AZURE + "2023-11-16 18:15:47,3,4294967296\n", "line 3, column GeneratedTokens"),
        ("azure", AZURE + "2023-11-16 18:15:47,3," + "9" * 30 + "\n", "column GeneratedTokens"),
        ("azure", AZURE + "yesterday,3,4\n", "line 3, column TIMESTAMP: expected a time like"),
        ("azure", AZURE + "2023-11-16 18:15:47,3\n", "line 3: expected 3 columns, got 2"),
        ("azure", AZURE.encode() + b"\xff,3,4\n", "line 3: expected UTF-8"),
        ("azure", AZURE + '"open,3,4\n', "line 3: not valid CSV"),
        ("coortweet", AZURE, "got no object_id in 'TIMESTAMP"),
        ("coortweet", COORTWEET + "o,,c,1\n", "line 3, column account_id: expected 1 to 256"),
        (
            "coortweet",
            COORTWEET + "o,a,c,nan\n",
            "column timestamp_share: expected seconds",
        ),
        ("coortweet", COORTWEET + "o,a,c,1e300\n", "line 3, column timestamp_share"),
        ("mooncake", MOONCAKE + "{}\n", "line 2: expected timestamp, input_length"),
        ("mooncake", MOONCAKE + "not json\n", "line 2: expected timestamp, input_length"),
        ("mooncake", MOONCAKE.replace("6955", "-1"), "$.input_length"),
        ("ndjson", OURS + OURS.replace("account_id", "user"), "line 2: expected an event with"),
        ("ndjson", OURS + "\n{\n", "line 3: expected an event with event_id, ts and account_id"),
        ("ndjson", OURS.replace("1700000000000", "-5"), "line 1, column ts: expected epoch"),
        ("ndjson", OURS.encode() + b'{"event_id":"\xff","ts":1,"account_id":"x"}', "line 2"),
        ("ndjson", OURS + "x" * 1_100_000, "line 2: expected at most 1047552 bytes in a line"),
    ],
)
def test_a_bad_file_is_refused_with_its_place(
    tmp_path: Path, trace_format: str, content: str | bytes, told: str
) -> None:
    path = written(tmp_path, content)
    with pytest.raises(BadInput) as caught:
        list(open_trace(path, trace_format))
    assert str(path) in str(caught.value)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_truncated_and_damaged_gzip_tell_the_line_and_byte_reached(tmp_path: Path) -> None:
    text = AZURE + "".join(f"2023-11-16 18:15:47.{n:06},{n},1\n" for n in range(50_000))
    packed = gzip.compress(text.encode())
    cut = written(tmp_path, packed[: len(packed) // 2], "cut.csv.gz")
    with pytest.raises(BadInput, match=r"after line \d{3,}, at byte \d+: .*truncated"):
        list(open_trace(cut, "azure"))
    damaged = written(tmp_path, packed[:-8] + bytes(8), "damaged.csv.gz")
    with pytest.raises(BadInput, match=r"after line \d+, at byte \d+: the gzip data is damaged"):
        list(open_trace(damaged, "azure"))


def test_wrong_requests_are_usage_errors(tmp_path: Path) -> None:
    path = written(tmp_path, COORTWEET)
    wrong: list[tuple[Path, str | None, int | None, str]] = [
        (path, "nope", None, "unknown format 'nope'; known are ndjson, azure, mooncake, coortweet"),
        (path, None, None, "name it with --as, one of ndjson, azure"),
        (path, "coortweet", 5, "have accounts of their own"),
        (path, "azure", 0, "--accounts: expected 1 to"),
        (tmp_path / "none.ndjson", None, None, "cannot be read: No such file"),
        (tmp_path, "azure", None, "cannot be read: Is a directory"),
    ]
    for file, trace_format, accounts, told in wrong:
        with pytest.raises(UsageError) as caught:
            open_trace(file, trace_format, accounts=accounts)
        assert told in str(caught.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, AZURE)
    path.chmod(0)
    with pytest.raises(PulseError, match="Permission denied"):
        open_trace(path, "azure")


def test_the_formats_name_themselves() -> None:
    assert list(FORMATS) == ["ndjson", "azure", "mooncake", "coortweet"]
    assert all(entry.sentence.endswith(".") for entry in FORMATS.values())
    assert guess_format(Path("a/B.NDJSON.gz")) == "ndjson"
