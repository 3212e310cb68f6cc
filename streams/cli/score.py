"""`pulse score`: how unusual each row of one metric is, from a CSV file to a CSV file.

Reads a block of rows at a time, so memory stays bounded however long the file is; the mathematics
is `detectors.series`, the reading `streams.cli.score_rows`.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import click

from streams.cli.files import Line, opened_input, opened_output

if TYPE_CHECKING:
    from _csv import Writer as CsvWriter

    from streams.cli.score_rows import Rows

__all__ = ["score"]


@click.command()
@click.argument("source", metavar="IN.csv")
@click.option(
    "--output", required=True, metavar="OUT.csv", help="Where to write; - for standard output."
)
@click.option(
    "--counts",
    is_flag=True,
    help="The values are counts: a negative one is an error. Without it negative values are "
    "welcome, as temperatures and balances have them.",
)
def score(source: str, output: str, counts: bool) -> None:
    """Score every row of a metric by how unusual it is.

    IN.csv (- for standard input) has the columns timestamp,value; OUT.csv gets
    timestamp,value,score, one row for each, the first two unchanged. A score is in 0..1, and a row
    is judged by the rows up to it only. Timestamps are epoch seconds or milliseconds, RFC 3339, or
    YYYY-MM-DD with or without HH:MM:SS (taken as UTC), at any interval and with gaps; they must not
    go backwards, equal ones are fine. An empty value is a missing one and scores 0; nan, inf and
    text are errors. After an error there is no OUT.csv.

    Example: pulse score requests.csv --output scores.csv
    """
    from detectors.series import SeriesDetector
    from streams.cli.score_rows import read

    detector = SeriesDetector()
    with opened_input(source) as (file, name, size), opened_output(output) as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(("timestamp", "value", "score"))
        progress, done = Line("rows"), 0
        progress.begin("scored")
        for rows in read(file, name, counts=counts):
            scores = detector.update(rows.times, rows.values)
            _write(writer, rows, scores.tolist())
            done += len(scores)
            progress.tell(done, file.tell() / size if size else None)
        progress.end()


def _write(writer: CsvWriter, rows: Rows, scores: list[float]) -> None:
    texts = [f"{number:.9f}" for number in scores]
    writer.writerows(zip(rows.timestamps, rows.texts, texts, strict=True))
