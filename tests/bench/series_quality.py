"""How good `detectors.series` is beside what practitioners use.

`python -m tests.bench.series_quality`: fifty kinds of labelled synthetic series (see
`tests.bench.series_kinds`), several seeds of each, three measures (`tests.bench.series_measures`).
Parameters were chosen on seeds 0 and 1; the default here are others. Prints a table and, with
--kinds, what each kind gained; exit code 1 when the detector is not ahead of every baseline. About
two minutes on one core.
"""

from __future__ import annotations

import argparse
import sys
import time

from rich.console import Console
from rich.table import Table

from detectors.series import score
from tests.bench.series_baselines import BASELINES
from tests.bench.series_kinds import KINDS, make
from tests.bench.series_measures import Quality, measure

OURS = "detectors.series"


def main() -> int:
    parser = argparse.ArgumentParser(description="Quality of the single-series detector.")
    parser.add_argument("--seeds", type=int, default=3, help="Series of each kind.")
    parser.add_argument("--first", type=int, default=100, help="First seed.")
    parser.add_argument("--kinds", action="store_true", help="Print every kind.")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds)
    series = [make(kind, seed) for seed in seeds for kind in KINDS]
    qualities: dict[str, Quality] = {}
    grid = Table(title=f"{len(series)} series of {len(KINDS)} kinds", title_justify="left")
    for column in ("scores", "early", "ROC", "PR", "top row", "false rows", "rows/s"):
        grid.add_column(column, justify="left" if column == "scores" else "right", no_wrap=True)
    for name, scorer in {OURS: score, **BASELINES}.items():
        started = time.process_time()
        scores = [scorer(one.times, one.values) for one in series]
        rate = sum(len(one.values) for one in series) / (time.process_time() - started)
        q = qualities[name] = measure(series, scores)
        cells = (f"{q.early:.1f}", f"{q.roc:.3f}", f"{q.pr:.3f}", f"{q.top:.2f}")
        grid.add_row(name, *cells, f"{q.false_rows:.2f}", f"{rate:,.0f}")
    console = Console()
    console.print(grid)
    if options.kinds:
        for kind, gain in sorted(qualities[OURS].by_kind.items(), key=lambda item: item[1]):
            console.print(f"{gain:6.2f}  {kind}")
    ours = qualities.pop(OURS)
    ahead = all(ours.early > q.early and ours.roc > q.roc and ours.pr > q.pr
                for q in qualities.values())  # fmt: skip
    return 0 if ahead else 1


if __name__ == "__main__":
    sys.exit(main())
