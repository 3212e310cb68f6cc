"""`pulse dashboards`: boards and rules as files, or pushed into a Grafana that runs elsewhere."""

from __future__ import annotations

import os
from pathlib import Path

import click

from streams.errors import UsageError

__all__ = ["dashboards"]

_TOKEN = "GRAFANA_TOKEN"


@click.group()
def dashboards() -> None:
    """Grafana's boards and alert rules, as code."""


@dashboards.command()
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=None,
    help="Where the files go (default: dashboards/generated of this package).",
)
@click.option("--check", is_flag=True, help="Write nothing; exit 1 when a file is stale.")
def build(output: Path | None, check: bool) -> None:
    """Write board JSON and provisioning files for a Grafana beside the stack."""
    from dashboards.grafana import provisioning

    directory = output or Path(provisioning.__file__).parents[1] / "generated"
    if check:
        stale = provisioning.stale(directory)
        for name in stale:
            click.echo(f"{directory / name}: stale, run `pulse dashboards build`", err=True)
        if stale:
            raise SystemExit(1)
        click.echo(f"{directory}: {len(provisioning.built())} files are up to date")
        return
    changed = provisioning.write(directory)
    for name in changed:
        click.echo(f"wrote {directory / name}")
    click.echo(f"{directory}: {len(changed)} of {len(provisioning.built())} files changed")


@dashboards.command()
@click.argument("address", metavar="URL")
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"File with a service account's token (default: the environment's {_TOKEN}).",
)
@click.option("--datasource", default="", metavar="UID", help="Of the ClickHouse datasource.")
@click.option("--runbook", default="", metavar="URL", help="Address of the runbook page.")
@click.option("--dry-run", is_flag=True, help="Show what would change, write nothing.")
def push(
    address: str, token_file: Path | None, datasource: str, runbook: str, dry_run: bool
) -> None:
    """Push boards and rules into the Grafana at URL; what is there already is left alone."""
    from dashboards.grafana.api import Api
    from dashboards.grafana.push import apply, difference, plan

    api = Api(address, _token(token_file))
    try:
        steps = plan(api, datasource, runbook)
        if not steps:
            click.echo(f"{address}: everything is there already")
            return
        if dry_run:
            for step in steps:
                click.echo(f"would {step.kind} {step.title}")
                for line in difference(step):
                    click.echo(f"    {line}")
            return
        for step in apply(api, steps):
            click.echo(f"{step.kind}d {step.title}")
    finally:
        api.close()


def _token(file: Path | None) -> str:
    if file is not None:
        try:
            token = file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise UsageError(f"{file}: {error.strerror}") from None
        where = str(file)
    else:
        token, where = os.environ.get(_TOKEN, "").strip(), f"the environment's {_TOKEN}"
    if not token:
        raise UsageError(f"no token: {where} is empty; set it or name a file with --token-file")
    if not token.isascii() or any(letter.isspace() for letter in token):
        raise UsageError(f"{where}: expected one line with a token")
    return token
