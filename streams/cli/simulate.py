"""`pulse simulate`: synthetic traffic with labelled attacks, in a file for `pulse replay`."""

from __future__ import annotations

import gzip
import io
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from streams.cli.options import as_json, json_option
from streams.errors import UsageError

if TYPE_CHECKING:
    from streams.traffic.simulate import Attack, SimulationSpec

__all__ = ["simulate"]

HOUR_MS = 3_600_000
#: Seconds and strength of the attacks that --attacks plans, by kind.
SHAPES = {
    "burst": (300.0, 30.0),
    "dormant": (300.0, 30.0),
    "new_account": (300.0, 30.0),
    "ramp": (3600.0, 25.0),
    "template_spam": (900.0, 25.0),
    "coordinated": (900.0, 5.0),
    "low_and_slow": (10_800.0, 0.9),
    "medical_spam": (10_800.0, 0.5),
    "use_case_drift": (10_800.0, 0.8),
    "retry_abuse": (3600.0, 20.0),
    "key_hopping": (3600.0, 10.0),
}
PROGRESS_S = 0.5


@click.command()
@click.option(
    "--output",
    required=True,
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write, .ndjson or .ndjson.gz; the truth is written beside it as .truth.csv.",
)
@click.option("--hours", type=float, default=24.0, show_default=True, help="Span of event time.")
@click.option("--accounts", type=int, default=200, show_default=True, help="Number of accounts.")
@click.option(
    "--rate",
    type=float,
    default=10.0,
    show_default=True,
    help="Mean events a second, all accounts.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Same seed, same bytes."
)
@click.option(
    "--start",
    default="2025-01-06T00:00:00Z",
    show_default=True,
    metavar="TIME",
    help="Event time of the beginning, RFC 3339.",
)
@click.option(
    "--traces",
    type=click.Path(file_okay=False, exists=True, path_type=Path),
    metavar="DIR",
    help="Directory with the ServeGen files: real clients' rates and token lengths instead of the "
    "built-in population.",
)
@click.option(
    "--attacks",
    default="all",
    show_default=True,
    metavar="KIND[=N],...",
    help="What to plant in the second half: all, none, or kinds out of " + ", ".join(SHAPES) + ".",
)
@json_option
def simulate(
    output: Path,
    hours: float,
    accounts: int,
    rate: float,
    seed: int,
    start: str,
    traces: Path | None,
    attacks: str,
    json_: bool,
) -> None:
    """Write synthetic traffic with labelled attacks in it.

    Every account has its own rhythm and token lengths; the attacks are written down with their
    times beside the events, so that what a detector finds can be counted. No prompt is in it.
    """
    from streams.traffic.simulate import Simulation, SimulationSpec, write_truth

    if not 0.0 < hours <= 24 * 365:
        raise UsageError(f"option --hours: expected more than 0, to 8760, got {hours}")
    start_ms = _milliseconds(start)
    spec = SimulationSpec(
        start_ms=start_ms,
        end_ms=start_ms + round(hours * HOUR_MS),
        seed=seed,
        accounts=accounts,
        clients=min(accounts, 150),
        rate_per_s=rate,
        attacks=tuple(_planned(attacks, start_ms, hours, seed)),
        servegen=traces,
    )
    truth = _truth_path(output)
    events = _written(spec, output, json_)
    rows = Simulation(spec).truth
    write_truth(truth, rows)
    if json_:
        click.echo(
            as_json(
                {
                    "output": output,
                    "truth": truth,
                    "events": events,
                    "attacks": _count(spec),
                    "seed": seed,
                }
            )
        )
        return
    click.echo(f"{events:,} events in {output}")
    click.echo(f"{_count(spec)} attacks by {len(rows)} accounts in {truth}")


def _count(spec: SimulationSpec) -> int:
    return len(spec.attacks)


def _milliseconds(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None or moment.timestamp() < 0:
        raise UsageError(
            f"option --start: expected RFC 3339, as 2025-01-06T00:00:00Z, got {text!r}"
        )
    return round(moment.astimezone(UTC).timestamp() * 1000)


def _planned(text: str, start_ms: int, hours: float, seed: int) -> Iterator[Attack]:
    """Attacks of each kind at times that the seed draws out of the second half, in order."""
    import numpy as np

    from streams.traffic.simulate import Attack

    rng = np.random.default_rng([seed, 10])
    half_ms = round(hours * HOUR_MS / 2)
    for kind, number in _kinds(text).items():
        length_s, strength = SHAPES[kind]
        length_s = min(length_s, half_ms / 2000)
        room_ms = half_ms - round(length_s * 1000)
        for offset in sorted(rng.uniform(0.0, room_ms, number).tolist()):
            yield Attack(
                kind=kind,  # type: ignore[arg-type]
                start_ms=start_ms + half_ms + int(offset),
                length_s=length_s,
                strength=strength,
            )


def _kinds(text: str) -> dict[str, int]:
    if text == "none":
        return {}
    if text == "all":
        return dict.fromkeys(SHAPES, 1)
    kinds: dict[str, int] = {}
    for part in text.split(","):
        kind, _, number = part.strip().partition("=")
        if kind not in SHAPES or (number and not number.isdecimal()) or len(number) > 4:
            known = ", ".join(SHAPES)
            raise UsageError(
                f"option --attacks: expected all, none, or KIND[=N],... with {known}, got {part!r}"
            )
        kinds[kind] = kinds.get(kind, 0) + int(number or 1)
    return kinds


def _truth_path(output: Path) -> Path:
    name = output.name.removesuffix(".gz").removesuffix(".ndjson")
    return output.with_name(f"{name}.truth.csv")


def _written(spec: SimulationSpec, output: Path, silent: bool) -> int:
    """Write the events; an unfinished file never bears the name `output`."""
    from streams.traffic.simulate import Simulation

    simulation = Simulation(spec)
    events, told = 0, 0.0
    with _fresh(output) as file:
        for batch in simulation:
            file.write(b"\n".join(batch.lines) + b"\n")
            events += len(batch.lines)
            now = time.monotonic()
            if not silent and sys.stderr.isatty() and now - told > PROGRESS_S:
                told = now
                line = f"\r{simulation.fraction:4.0%}  {events:,} events"
                click.echo(line, nl=False, err=True)
    if told:
        click.echo("\r" + " " * 40 + "\r", nl=False, err=True)
    return events


@contextmanager
def _fresh(output: Path) -> Iterator[IO[bytes]]:
    part = output.with_name(output.name + ".part")
    try:
        with ExitStack() as stack:
            try:
                file: IO[bytes] = stack.enter_context(part.open("wb"))
            except OSError as error:
                raise UsageError(f"option --output: {output}: {error.strerror}") from None
            if output.suffix == ".gz":
                # No name and no time in the header: same seed, same bytes.
                packed = gzip.GzipFile("", "wb", 6, file, mtime=0)
                file = io.BufferedWriter(stack.enter_context(packed), 1 << 20)
                stack.callback(file.flush)
            yield file
        os.replace(part, output)
    finally:
        part.unlink(missing_ok=True)
