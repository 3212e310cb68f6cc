"""Reading tables of actions: what is accepted, what is refused and how it is told."""

from __future__ import annotations

import gzip
import io
from collections.abc import Collection
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.errors import BadInput, PulseError
from streams.traffic import actions_records, actions_spool
from streams.traffic.actions import read_actions
from streams.traffic.actions_cells import ACTIONS, COORTWEET, Columns
from streams.traffic.actions_names import Names, hashed

HEADER = b"account_id,signal,object_id,timestamp\n"
Row = tuple[str, str, int, int]  # account, kind, hash of the object, ms


def rows_of(
    data: bytes,
    *,
    columns: Columns = ACTIONS,
    kinds: Collection[str] | None = None,
    skip_bad: bool = False,
) -> list[Row]:
    """The actions as they are handed out."""
    with read_actions(
        io.BytesIO(data), "a.csv", columns=columns, kinds=kinds, skip_bad=skip_bad
    ) as actions:
        names = actions.accounts.to_pylist()
        assert names == sorted(names, key=str.encode)
        rows: list[Row] = []
        for block in actions.blocks():
            for account, kind, thing, time in zip(
                block.account, block.kind, block.object, block.time, strict=True
            ):
                rows.append((names[account], actions.kinds[kind], int(thing), int(time)))
        assert len(rows) == actions.rows
        assert len({row[2] for row in rows}) == actions.objects
        return rows


def refused(data: bytes) -> str:
    with pytest.raises(BadInput) as caught:
        rows_of(data)
    message = str(caught.value)
    assert "\n" not in message
    return message


def plain(*rows: tuple[str, str, str, str]) -> bytes:
    return HEADER + "".join(",".join(row) + "\n" for row in rows).encode()


def test_the_columns_of_the_contract_with_times_to_the_millisecond() -> None:
    rows = rows_of(
        plain(("b", "ip", "x", "10"), ("a", "ip", "x", "10.25"), ("a", "tpl", "x", "11"))
    )
    assert [(account, kind, time) for account, kind, _, time in rows] == [
        ("b", "ip", 10_000),
        ("a", "ip", 10_250),
        ("a", "tpl", 11_000),
    ]
    same, also, other = (row[2] for row in rows)
    assert same == also, "one object of one kind is one object"
    assert same != other, "one text of another kind is another object"


@pytest.mark.parametrize(
    "data",
    [
        b"timestamp,more,object_id,signal,account_id\r\n10,?,x,ip,b\r\n12,,x,ip,a\r\n",
        b"\xef\xbb\xbf" + HEADER + b"b,ip,x,10\na,ip,x,12",
        b'\n"account_id", Signal ,object_id,timestamp\n"b","ip","x","10"\n\na,ip,x, 12.0 \n',
        gzip.compress(HEADER + b"b,ip,x,10\n") + gzip.compress(b"a,ip,x,1.2e1\n"),
    ],
    ids=["other order, more columns, CRLF", "mark, no last newline", "quotes, blanks", "gzip"],
)
def test_every_way_to_write_the_same_table(data: bytes) -> None:
    expected = rows_of(plain(("b", "ip", "x", "10"), ("a", "ip", "x", "12")))
    assert rows_of(data) == expected


def test_quoted_cells_hold_commas_quotes_and_newlines() -> None:
    strange = 'a "b",\r\n c'
    quoted = '"' + strange.replace('"', '""') + '"'
    data = plain((quoted, "ip", 'an 8" pipe', "10"), ("z", "ip", "y", "11"))
    assert [row[0] for row in rows_of(data)] == [strange, "z"]


cells = st.text(st.sampled_from('ab,"\n\r é'), min_size=1, max_size=4)
tables = st.lists(
    st.tuples(cells, st.sampled_from(["ip", "tpl"]), cells, st.integers(0, 40)), max_size=30
)


@given(tables, st.integers(1, 60), st.integers(1, 5), st.randoms())
@settings(max_examples=150, deadline=None)
def test_neither_blocks_nor_runs_nor_the_order_of_rows_matter(
    table: list[tuple[str, str, str, int]], block: int, run: int, random: object
) -> None:
    """However the file is cut, all rows come back, in order of time, as one canonical list."""
    import csv
    import random as random_module

    def written(rows: list[tuple[str, str, str, int]]) -> bytes:
        text = io.StringIO(newline="")
        csv.writer(text).writerows([("account_id", "signal", "object_id", "timestamp"), *rows])
        return text.getvalue().encode()

    assert isinstance(random, random_module.Random)
    shuffled = list(table)
    random.shuffle(shuffled)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(actions_records, "BLOCK_BYTES", block)
        patch.setattr(actions_spool, "RUN_ROWS", run)
        patch.setattr(actions_spool, "SPAN_ROWS", 4)
        patch.setattr(actions_spool, "_SAMPLES_A_RUN", 2)
        got = rows_of(written(shuffled))
    assert got == rows_of(written(table))
    assert sorted((a, k, t) for a, k, _, t in got) == sorted(
        (a, k, 1000 * t) for a, k, _, t in table
    )
    assert [row[3] for row in got] == sorted(row[3] for row in got)


def test_rows_are_sorted_over_many_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions_records, "BLOCK_BYTES", 2000)
    monkeypatch.setattr(actions_spool, "RUN_ROWS", 1000)
    monkeypatch.setattr(actions_spool, "SPAN_ROWS", 512)
    times = np.random.default_rng(0).integers(0, 5000, 20_000)
    lines = "".join(f"a{n % 7},ip,x{n % 5},{time}\n" for n, time in enumerate(times.tolist()))
    with read_actions(io.BytesIO(HEADER + lines.encode()), "a.csv") as actions:
        blocks = [block.time for block in actions.blocks()]
        assert max(map(len, blocks)) < 2000, "a span at a time"
        np.testing.assert_array_equal(np.concatenate(blocks), np.sort(times) * 1000)
        again = np.concatenate([block.time for block in actions.blocks()])
        np.testing.assert_array_equal(again, np.sort(times) * 1000)
        running = np.maximum.accumulate(times)
        assert actions.disordered == int((times < running).sum())


def test_names_are_numbered_as_they_appear_and_hardly_ever_meet() -> None:
    drawn = np.random.default_rng(2).integers(0, 150_000, 400_000)
    texts = [f"{'long name of account ' * (n % 2)}{n}" for n in drawn.tolist()]
    names, expected = Names(), {text: place for place, text in enumerate(dict.fromkeys(texts))}
    numbers: list[int] = []
    seen: list[str] = []
    for start in range(0, len(texts), 90_000):
        part = texts[start : start + 90_000]
        # A slice of a longer column keeps its place in it.
        cells = pa.array(["before", *part], pa.string()).slice(1)
        number, fresh = names.number(hashed(cells))
        numbers += number.tolist()
        seen += [part[row] for row in fresh]
    assert numbers == [expected[text] for text in texts]
    assert seen == list(expected)
    assert len(names) == len(expected)


def test_kinds_that_count_and_those_that_do_not() -> None:
    data = plain(("a", "ip", "x", "1"), ("b", "tpl", "x", "2"), ("c", "pay", "x", "3"))
    assert [row[:2] for row in rows_of(data, kinds=["tpl", "ip"])] == [("a", "ip"), ("b", "tpl")]
    with read_actions(io.BytesIO(data), "a.csv", kinds=["ip"]) as actions:
        assert actions.accounts.to_pylist() == ["a", "b", "c"], "every account of the input"
    with pytest.raises(BadInput) as caught:
        rows_of(data, kinds=["ip", "mail"])
    assert str(caught.value) == "a.csv: --kinds: no mail: the file has ip, pay, tpl"


def test_a_header_alone_is_no_actions() -> None:
    for data in (HEADER, HEADER.rstrip(), HEADER + b"\r\n\n"):
        with read_actions(io.BytesIO(data), "a.csv") as actions:
            assert (actions.rows, len(actions.accounts), list(actions.blocks())) == (0, 0, [])


def test_other_names_for_columns_and_no_signal() -> None:
    data = b"object_id,account_id,content_id,timestamp_share\nx,a,1,10.0\n"
    assert [row[:2] for row in rows_of(data, columns=COORTWEET)] == [("a", "object")]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "a.csv, line 1: expected a header with the columns account_id,signal,object_id,"),
        (b"\n\n", "got an empty file"),
        (b"account,signal,object_id,timestamp\n", "no account_id in 'account,signal,object_id,t"),
        (b"account_id;signal;object_id;timestamp\n", "separated by commas, got no account_id in"),
        (b"a,ip,x,1\n", "line 1: expected the columns account_id,signal,object_id,timestamp"),
        (HEADER.replace(b"signal", b"account_id"), "got more than one account_id in"),
        (b"\x00\x01\xff\n", "got no account_id in"),
    ],
)
def test_a_header_that_is_none_is_told(data: bytes, message: str) -> None:
    assert message in refused(data)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (b",ip,x,1", "account_id is empty"),
        (b"a,,x,1", "signal is empty"),
        (b"a,ip,,1", "object_id is empty"),
        (b"a,ip,x,", "timestamp: expected seconds since 1970 like 1623881091 or"),
        (b"a,ip,x,soon", "got 'soon'"),
        (b"a,ip,x,nan", "got 'nan'"),
        (b"a,ip,x,inf", "got 'inf'"),
        (b"a,ip,x,-5", "got '-5'"),
        (b"a,ip,x,1_000", "got '1_000'"),
        (b"a,ip,x,1623881091000", "got '1623881091000', which would be milliseconds"),
        (b"a,ip,x,2021-06-16", "got '2021-06-16'"),
        (b"a,ip,x", "expected 4 columns, got 3"),
        (b"a,ip,x,1,2", "expected 4 columns, got 5"),
        (b"a" * 10_240 + b",ip,x,1", "account_id: expected at most 1,024 bytes, got 10,240"),
        (b"caf\xe9,ip,x,1", "account_id: expected UTF-8 text, got byte 0xe9"),
    ],
)
def test_a_bad_row_is_named_by_its_line_or_left_out(row: bytes, message: str) -> None:
    data = HEADER + b'"a\n\nb",ip,x,1\n\n' + row + b"\nz,ip,x,2\n"
    told = refused(data)
    assert told.startswith("a.csv, line 6: ")
    assert message in told
    assert told.endswith(" (--skip-bad leaves it out)")
    assert [row[0] for row in rows_of(data, skip_bad=True)] == ["a\n\nb", "z"]


def test_the_first_bad_rows_and_their_number_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions_records, "BLOCK_BYTES", 50)
    data = HEADER + b"a,ip,x,1\n" * 20 + b"a,ip,,1\n" * 7 + b"a,ip,x,1\n" * 20
    told = refused(data)
    assert told == (
        "a.csv, line 22: object_id is empty; line 23: object_id is empty; line 24: object_id is "
        "empty (7 bad rows; --skip-bad leaves them out)"
    )


def test_a_file_of_nothing_but_bad_rows_is_given_up_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions_records, "BLOCK_BYTES", 10_000)
    assert "(at least 1," in refused(HEADER + b"a,ip,x,2021-06-16T10:00:00Z\n" * 100_000)


def test_a_quote_that_is_never_closed_is_told_where_it_opens() -> None:
    data = HEADER + b'a,ip,x,1\n"b,ip,x,2\n' + b"c,ip,x,3\n" * 10
    assert refused(data) == "a.csv, line 3: a quote is opened and never closed"
    told = refused(data + b"c,ip,x,3\n" * 600_000)
    assert told.startswith("a.csv, line 3: expected a row of at most 1,048,576 bytes; is a quote")


def test_damaged_gzip_is_told() -> None:
    packed = gzip.compress(HEADER + b"a,ip,x,1\n" * 1000)
    assert refused(packed[:-20]).endswith("the gzip data ends early: the file is truncated")
    assert "the gzip data is damaged" in refused(packed[:30] + b"????" + packed[34:])


def test_as_many_kinds_as_a_pair_can_hold() -> None:
    data = HEADER + b"".join(b"a,k%d,x,1\n" % n for n in range(64))
    assert len(rows_of(data)) == 64
    told = refused(data + b"a,one more,x,1\n")
    assert told.startswith(
        "a.csv, column signal: expected at most 64 kinds of signal, got more: k0,"
    )


def test_a_full_temporary_directory_is_told(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(tmp_path / "none"))
        with pytest.raises(PulseError, match=r"temporary directory .*none: No such file.*TMPDIR"):
            rows_of(HEADER)
