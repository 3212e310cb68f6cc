"""Blind spans: hatched in every chart over time, named with their partition, told in words."""

from __future__ import annotations

import asyncio
import html
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from dashboards.boards.all import all_boards, board
from dashboards.live.blind import Blind, hatched, legend, spoken
from dashboards.live.board import board_page
from dashboards.live.chart import Plot, chart, spark
from dashboards.live.read import Reader
from streams.storage.chdb_store import ChdbStore
from tests.support.board_store import board_store
from tests.unit.test_page_words import worker

MINUTE = 60_000
HOUR = 60 * MINUTE
START = 20_000 * 24 * HOUR + 14 * HOUR  # 14:00 UTC


def gap(start: float, end: float, partition: int = 3) -> Blind:
    return Blind(partition, round(START + start * MINUTE), round(START + end * MINUTE))


def test_hatches_are_joined_cut_and_never_too_thin_to_be_seen() -> None:
    end = START + 150 * MINUTE
    spans = [gap(30, 40), gap(2, 13), gap(10, 20, 1), gap(-60, 1), gap(149.9, 300)]
    assert hatched(spans, START, end) == [
        [START, START + MINUTE],
        [START + 2 * MINUTE, START + 20 * MINUTE],
        [START + 30 * MINUTE, START + 40 * MINUTE],
        [end - MINUTE, end],
    ]
    moment = hatched([gap(50, 50)], START, end)  # ten messages of one moment
    assert moment == [[START + 50 * MINUTE, START + 51 * MINUTE]]
    assert hatched([], START, end) == []


def test_the_legend_names_spans_and_partitions() -> None:
    said = re.sub("<[^>]+>", "", legend([gap(2, 13)]).text)
    assert said == (
        " Blind 14:02 UTC to 14:13 UTC on partition 3: nothing there counts as all clear."
    )
    assert spoken([gap(2, 13)]) == "Blind 14:02 to 14:13 UTC on partition 3."
    many = [gap(n, n + 1) for n in range(7)]
    assert "; and 3 more" in legend(many).text
    assert spoken(many).endswith(" and 3 more.")
    assert " hidden" in legend([]).text
    assert spoken([]) == ""


def test_charts_of_the_server_hatch_what_they_show_and_say_it() -> None:
    points = [(START + n * MINUTE, float(n)) for n in range(60)]
    told = (START + 2 * MINUTE, START + 13 * MINUTE)
    plot = Plot(points, "requests", "Requests", blind=[told, told, (0, 1)])
    drawn = chart(plot, key="c").text
    assert drawn.count('class="hatch"') == spark(plot).text.count('class="hatch"') == 1
    assert "blind 14:02 to 14:13 UTC" in plot.alternative
    assert "blind 14:02 UTC to 14:13 UTC" in re.sub("<[^>]+>", "", drawn)
    assert "blind" not in chart(Plot(points, "requests", "Requests"), key="c").text


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChdbStore]:
    made = board_store(Path(tmp_path_factory.mktemp("blind")) / "data")
    yield made
    made.close()


def figures(store: ChdbStore, name: str, query: dict[str, str]) -> tuple[str, list[dict[str, Any]]]:
    """The page, and what its pictures are drawn from."""

    async def answer(sql: str, parameters: Mapping[str, Any]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = store.query(sql, parameters or None).to_pylist()
        return rows

    now = int(store.query("SELECT toUnixTimestamp(now()) AS at")["at"][0].as_py()) * 1000
    found = asyncio.run(board_page(board(name), query, worker(now=now), Reader(answer)))
    data = re.findall(r'data-figure="([^"]*)"', found.whole.text)
    return found.whole.text, [json.loads(html.unescape(one)) for one in data]


@pytest.mark.parametrize("name", [one.uid for one in all_boards()])
def test_every_chart_over_time_of_every_board_is_hatched(store: ChdbStore, name: str) -> None:
    chosen = {"var-account": "acct-1"} if name == "pulse-account" else {}
    text, drawn = figures(store, name, {"last": "1h", **chosen})
    assert "on partition 2: nothing there counts as all clear" in text
    for picture in drawn:
        if picture["kind"] == "bars":
            assert "blind" not in picture
        else:
            assert len(picture["blind"]) == 1
            start, end = picture["blind"][0]
            assert end - start == pytest.approx(10 * MINUTE, abs=5)
    told = re.findall(r'aria-label="[^"]*Blind [\d:]+ to [\d:]+ UTC on partition 2', text)
    assert len(told) == sum(picture["kind"] != "bars" for picture in drawn)


def test_a_range_without_a_gap_has_no_hatch(store: ChdbStore) -> None:
    text, drawn = figures(store, "pulse-oncall", {"last": "15m"})
    assert drawn
    assert all("blind" not in picture for picture in drawn)
    assert "nothing there counts" not in text
