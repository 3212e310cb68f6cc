"""`pulse topics`: create the topics of a Kafka, and see how far the workers are behind."""

from __future__ import annotations

import click

from streams.cli.options import (
    as_json,
    broker_option,
    json_option,
    load_settings,
    require_broker,
)

__all__ = ["topics"]


@click.group()
def topics() -> None:
    """Create the topics, and see how far workers are behind.

    Of a Kafka given by --broker, PULSE_BROKER or the settings file; the embedded broker makes its
    topics itself.
    """


@topics.command()
@click.option("--partitions", type=click.IntRange(1, 10_000), default=4, show_default=True)
@click.option("--replication", type=click.IntRange(1, 100), default=1, show_default=True)
@broker_option
@json_option
@click.pass_context
def create(
    ctx: click.Context, partitions: int, replication: int, broker: str | None, json_: bool
) -> None:
    """Create the topics of events, dead letters and signals where they are missing.

    Choose the partitions once: accounts hash to them, and a number changed later moves accounts.
    """
    from streams.broker.admin import create_topics

    settings = load_settings(ctx, broker=broker)
    require_broker(settings)
    states = create_topics(settings, partitions, replication)
    if json_:
        click.echo(as_json([state._asdict() for state in states]))
        return
    for state in states:
        done = "created" if state.created else "was there"
        click.echo(f"{state.name}: {done}, {state.partitions} partitions")


@topics.command()
@broker_option
@json_option
@click.pass_context
def lag(ctx: click.Context, broker: str | None, json_: bool) -> None:
    """Show how far the workers are behind, by partition."""
    from streams.broker import admin

    settings = load_settings(ctx, broker=broker)
    require_broker(settings)
    partitions = admin.lag(settings)
    total = sum(partition.lag for partition in partitions)
    if json_:
        rows = [partition._asdict() for partition in partitions]
        click.echo(as_json({"group": settings.group, "lag": total, "partitions": rows}))
        return
    click.echo(f"{'partition':>9}  {'committed':>14}  {'end':>14}  {'messages behind':>15}")
    for partition in partitions:
        committed = "-" if partition.committed is None else f"{partition.committed:,}"
        click.echo(
            f"{partition.partition:>9}  {committed:>14}  {partition.end:>14,}  {partition.lag:>15,}"
        )
    click.echo(f"group {settings.group} is {total:,} messages behind on {settings.topic}")
