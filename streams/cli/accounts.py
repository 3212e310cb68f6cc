"""`pulse accounts`: what the store knows of an account, on one screen."""

from __future__ import annotations

from typing import Any

import click

from detectors.wording import series_name
from streams.cli.options import json_option, tell, with_store
from streams.settings import Settings

__all__ = ["accounts", "sparkline"]

BARS = "▁▂▃▄▅▆▇█"
SERIES = ("requests", "tokens", "errors")


@click.group()
def accounts() -> None:
    """What is known about an account."""


@accounts.command()
@click.argument("account", metavar="ID")
@click.option(
    "--hours",
    type=click.FloatRange(0.1, 24 * 90),
    default=24.0,
    show_default=True,
    help="Length of the timeline, up to the account's last event.",
)
@with_store
@json_option
def show(
    settings: Settings,
    account: str,
    hours: float,
    json_: bool,
) -> None:
    """Show an account: timeline, windows, baseline, findings and incidents."""
    from streams.cli.account_report import report

    found = report(settings, account, hours)
    tell(found, _lines, json_=json_)


def sparkline(values: list[float]) -> str:
    """One character a value, the tallest block for the largest; a dot stands for none at all."""
    top = max(values, default=0.0)
    if top <= 0:
        return "·" * len(values)
    steps = len(BARS) - 1
    return "".join(BARS[round(value / top * steps)] if value > 0 else "·" for value in values)


def _lines(found: dict[str, Any]) -> list[str]:
    total = found["totals"]
    lines = [
        f"{found['account_id']}"
        + (f"  (organisation {total['org_id']})" if total["org_id"] else ""),
        f"  seen        {total['first_event']} to {total['last_event']}",
        f"  in total    {total['requests']:,} requests, {total['tokens']:,} tokens, "
        f"{total['errors']:,} errors",
    ]
    timeline = found["timeline"]
    minutes = timeline["bucket_s"] // 60
    lines.append(f"  timeline    {minutes:,} minutes a character, from {timeline['start']}")
    for name in SERIES:
        values = timeline[name]
        lines.append(f"    {name:9} {sparkline(values)}  most {max(values):,.0f}")
    lines += _window_lines(found)
    lines += _story_lines("findings", found["findings"], "window_end")
    lines += _story_lines("incidents", found["incidents"], "started_at")
    return lines


def _window_lines(found: dict[str, Any]) -> list[str]:
    windows, baseline = found["windows"], found["baseline"]
    if windows is None:
        return ["  windows     no snapshot of the rolling features yet"]
    lines = [f"  windows     at {windows['tick']}"]
    lines += [
        f"    {span:4} {windows[f'requests_{span}']:>12,} requests"
        for span in ("1m", "5m", "1h", "24h")
    ]
    if baseline is None:
        return [*lines, "  baseline    written by another version, or with another tick"]
    lines.append(
        f"  baseline    since {baseline['since']}, {baseline['windows']:,} windows of 5 minutes"
    )
    for name in ("requests", "prompt_tokens", "completion_tokens"):
        lines.append(
            f"    {series_name(name):13} {baseline['mean'][name]:,.1f} in 5 minutes on average; "
            + "record "
            + ", ".join(
                f"{value:,.0f} in {span}" for span, value in baseline["record"][name].items()
            )
        )
    return lines


def _story_lines(title: str, rows: list[dict[str, Any]], when: str) -> list[str]:
    if not rows:
        return [f"  {title:11} none"]
    lines = [f"  {title:11} {len(rows)} newest"]
    for row in rows:
        state = f"{row['state']}, {row['severity']}: " if "state" in row else ""
        if row.get("held"):
            state = f"no alert ({row['held']}): "
        lines.append(f"    {row[when]}  {state}{row['sentence']}")
    return lines
