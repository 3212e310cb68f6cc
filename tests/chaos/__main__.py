"""`python -m tests.chaos [--rounds N] [--seed S]`: exit code 1 and what differs, or 0."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos.faults import FAULTS
from tests.chaos.run import Plan, chaos
from tests.support.kafka import missing


def main() -> int:
    """The command."""
    names = [fault.__name__ for fault in FAULTS]
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="faults in turn (default 100)")
    parser.add_argument("--seed", type=int, default=1, help="of traffic and faults (default 1)")
    parser.add_argument("--rate", type=float, default=1500.0, help="lines a second (default 1500)")
    parser.add_argument(
        "--fault", action="append", choices=names, help="only this one (may be given again)"
    )
    parser.add_argument("--keep", action="store_true", help="keep data and logs")
    given = parser.parse_args()
    if reason := missing():
        print(f"chaos: {reason}", file=sys.stderr)
        return 1
    directory = Path(tempfile.mkdtemp(prefix="pulse-chaos-"))
    print(f"chaos: {given.rounds} rounds, seed {given.seed}, in {directory}", flush=True)
    plan = Plan(given.rounds, given.seed, given.rate, tuple(given.fault or ()))
    failed = True
    try:
        result = chaos(plan, directory, lambda line: print(line, flush=True))
        print(
            f"{result.events:,} events, {result.letters:,} dead letters, "
            f"{result.incidents} incidents, {plan.rounds} rounds in {result.seconds:.0f} s"
        )
        print(result.verdict.line())
        for line in result.verdict.details():
            print(f"  {line}")
        failed = not result.verdict or not result.incidents
        if not result.incidents:
            print("no incident: the run is too short to prove anything about them")
    except AssertionError as error:
        print(f"chaos: {error}")
    finally:
        if failed or given.keep:
            print(f"data and logs are kept in {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
