"""What the page `/health` asks the store: every question with a time limit, none needed.

Between the reader and the checks. A question that fails or takes too long leaves None, so a store
that does not answer takes away its own facts and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from dashboards.live.blind import Blind, blind_spans
from dashboards.live.model import Budget, Row, Status
from dashboards.live.read import Reader
from dashboards.live.shift import shift_pages
from dashboards.live.words import duration
from dashboards.model.macros import Span, expand
from dashboards.model.rule import Rule
from dashboards.queries import pipeline
from dashboards.rules.all import rule
from streams.errors import StoreError

__all__ = ["CHANNEL", "DAY_MS", "DEAD", "LANE_MS", "Stored", "read_stored"]

DAY_MS: Final = 86_400_000
#: Length of a cell in the strip of the last day.
LANE_MS: Final = 1_200_000
#: What the page waits for the store; a store that says nothing for so long does not answer.
PATIENCE_S: Final = 2.0
_MINUTE: Final = 60_000
DEAD: Final[Rule] = rule("pulse-dead-letters")
CHANNEL: Final[Rule] = rule("pulse-channel")

#: Of the stream that is read now: an embedded broker begins a new one at every start.
_PARTITIONS: Final = """
SELECT l.kafka_partition AS partition, toUnixTimestamp64Milli(max(l.stored_at)) AS last_stored,
    toUnixTimestamp64Milli(max(l.watermark)) AS watermark, max(l.next_offset) AS next,
    argMax(l.worker, l.stored_at) AS reader
FROM ingest_log AS l
WHERE l.stored_at >= fromUnixTimestamp64Milli({since}, 'UTC') AND l.stream_id = (
    SELECT argMax(n.stream_id, n.stored_at) FROM ingest_log AS n
    WHERE n.stored_at >= fromUnixTimestamp64Milli({since}, 'UTC'))
GROUP BY partition
ORDER BY partition"""
_HOUR: Final = """
SELECT sum(l.events) AS events, sum(l.late) AS late, sum(l.too_late) AS too_late
FROM ingest_log AS l
WHERE l.stored_at >= fromUnixTimestamp64Milli({since}, 'UTC')
HAVING count() > 0"""
_SILENCES: Final = """
SELECT count() AS active
FROM suppressions AS s
WHERE s.revoked_at IS NULL AND s.expires_at > fromUnixTimestamp64Milli({now}, 'UTC')"""
_SNAPSHOTS: Final = """
SELECT s.kafka_partition AS partition, toUnixTimestamp64Milli(max(s.taken_at)) AS taken
FROM fold_snapshots AS s
GROUP BY partition"""
T = TypeVar("T")


Rows = list[Row] | None


@dataclass(frozen=True, slots=True)
class Stored:
    """Answers, None where there was none; `trouble` is why the trivial question had none.

    `dead` is the rule's own answer (nothing with few lines), `letters` are by reason; `failed` and
    `channels` are by channel; `lanes` are the rows of the pipeline board's strip.
    """

    trouble: str
    answer_ms: float | None
    version: str
    gaps: Sequence[Blind] | None
    pages: tuple[int, Budget | None] | None
    dead: Rows
    letters: Rows
    hour: Rows
    failed: Rows
    channels: Rows
    silences: Rows
    snapshots: Rows
    partitions: Rows
    lanes: Rows


async def read_stored(status: Status, reader: Reader, patience: float = PATIENCE_S) -> Stored:
    """Everything at once; returns within `patience` seconds."""
    # Whole minutes: the same questions are asked again and answered from memory.
    now = -(-status["now"] // _MINUTE) * _MINUTE
    until = -(-status["now"] // LANE_MS) * LANE_MS
    dead = Span(now - DEAD.span_s * 1000, now)
    failed = Span(now - CHANNEL.span_s * 1000, now)
    questions: dict[str, Awaitable[list[Row]]] = {
        "dead": reader.rows(DEAD.query, dead),
        "letters": reader.rows(pipeline.DEAD_NEWEST, dead),
        "hour": reader.ask(_HOUR, {"since": now - 60 * _MINUTE}),
        "failed": reader.rows(CHANNEL.query, failed),
        "channels": reader.rows(pipeline.NOTIFICATIONS, Span(now - DAY_MS, now)),
        "silences": reader.ask(_SILENCES, {"now": now}),
        "snapshots": reader.ask(_SNAPSHOTS, {}),
        "partitions": reader.ask(_PARTITIONS, {"since": now - DAY_MS}),
        # What is past does not change; the cell that still runs is asked for by itself.
        "past": reader.ask(_lanes(until - DAY_MS, until - LANE_MS - 1), {}, seldom=True),
        "running": reader.ask(_lanes(until - LANE_MS, until), {}),
    }

    async def answer(asked: Awaitable[T]) -> T | None:
        try:
            return await asyncio.wait_for(asked, patience)
        except (StoreError, TimeoutError):
            return None

    (probed, gaps, pages), rows = await asyncio.gather(
        asyncio.gather(
            _probe(reader, patience),
            answer(blind_spans(reader, until - DAY_MS, now)),
            answer(shift_pages(status, reader)),
        ),
        asyncio.gather(*(answer(asked) for asked in questions.values())),
    )
    found: dict[str, Rows] = dict(zip(questions, rows, strict=True))
    past, running = found["past"], found["running"]
    return Stored(
        *probed,
        gaps,
        pages,
        dead=found["dead"],
        letters=found["letters"],
        hour=found["hour"],
        failed=found["failed"],
        channels=found["channels"],
        silences=found["silences"],
        snapshots=found["snapshots"],
        partitions=found["partitions"],
        lanes=None if past is None or running is None else [*past, *running],
    )


def _lanes(start: int, end: int) -> str:
    """The pipeline board's question for its strip, in cells of this page."""
    return expand(pipeline.HEALTH.sql, Span(start, end, LANE_MS // 1000))


async def _probe(reader: Reader, patience: float) -> tuple[str, float | None, str]:
    """A trivial question: what is wrong, how long it took (ms), and who answered."""
    try:
        ms, version = await asyncio.wait_for(reader.answer_ms(), patience)
    except TimeoutError:
        return f"it said nothing for {duration(patience * 1000)}", None, ""
    except StoreError as error:
        return str(error), None, ""
    return "", ms, version
