"""`pulse dead-letters`: see what could not be understood, and send it again once it can be."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Any

import click

from streams.cli.asking import iso, rows
from streams.cli.options import (
    as_json,
    broker_option,
    data_option,
    json_option,
    load_settings,
    require_broker,
    store_option,
    with_store,
)
from streams.errors import PulseError, UsageError
from streams.settings import Settings

__all__ = ["dead_letters"]

LETTERS = f"""
SELECT letter_id, {iso("arrived_at")} AS arrived, topic, kafka_partition, kafka_offset, line,
       reason, sentence, length(bytes) AS size, retries, last_retry
FROM dead_letters AS d FINAL
LEFT JOIN (
    SELECT letter_id, count() AS retries, {iso("max(retried_at)")} AS last_retry
    FROM dead_letter_retries GROUP BY letter_id
) AS r USING (letter_id)
"""


@click.group()
def dead_letters() -> None:
    """Events that could not be understood.

    Each is kept with its bytes, its place in Kafka and one reason: look at it, mend the sender,
    send it again.
    """


@dead_letters.command("list")
@click.option("--reason", metavar="CODE", help="Only those refused for this reason.")
@click.option("--pending", is_flag=True, help="Only those that were never sent again.")
@click.option(
    "--limit", type=click.IntRange(1), default=20, show_default=True, help="Newest first."
)
@with_store
@json_option
def list_(
    settings: Settings,
    reason: str | None,
    pending: bool,
    limit: int,
    json_: bool,
) -> None:
    """Count them by reason and list the newest."""
    where = "reason = {reason}" if reason else "1"
    parameters = {"reason": reason, "limit": limit}
    counts = rows(
        settings,
        f"SELECT reason, count() AS letters FROM ({LETTERS}) WHERE {where} "
        f"{'AND retries = 0 ' if pending else ''}GROUP BY reason ORDER BY letters DESC, reason",
        parameters,
    )
    letters = rows(
        settings,
        f"SELECT * FROM ({LETTERS}) WHERE {where} {'AND retries = 0 ' if pending else ''}"
        "ORDER BY arrived DESC, kafka_partition, kafka_offset, line LIMIT {limit}",
        parameters,
    )
    counted = {row["reason"]: int(row["letters"]) for row in counts}
    if json_:
        click.echo(as_json({"counts": counted, "letters": letters}))
        return
    if not counted:
        click.echo("no dead letters" + (f" for the reason {reason}" if reason else ""))
        return
    click.echo(", ".join(f"{number:,} {code}" for code, number in counted.items()))
    for letter in letters:
        again = f"  (sent again {letter['last_retry']})" if int(letter["retries"]) else ""
        click.echo(f"{letter['letter_id']}  {letter['arrived']}  {_place(letter)}{again}")
        click.echo(f"    {letter['reason']}: {letter['sentence']}")


@dead_letters.command()
@click.argument("letter", metavar="ID")
@with_store
@json_option
def show(settings: Settings, letter: str, json_: bool) -> None:
    """Show one with its bytes (hexadecimal where they are no text)."""
    found = _one(settings, letter)
    content = bytes.fromhex(found.pop("hex"))
    text = _text(content)
    if json_:
        click.echo(as_json({**found, "text": text, "hex": None if text else content.hex()}))
        return
    click.echo(f"{found['letter_id']}  {found['arrived']}  {_place(found)}")
    click.echo(f"{found['reason']}: {found['sentence']}")
    if int(found["retries"]):
        click.echo(f"sent again {found['retries']} times, last {found['last_retry']}")
    click.echo(f"{len(content):,} bytes:" if text is not None else f"{len(content):,} bytes, hex:")
    click.echo(text if text is not None else _dump(content))


@dead_letters.command()
@click.argument("letters", metavar="ID...", nargs=-1, required=True)
@click.option(
    "--edit",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="Send the content of this file instead of the stored bytes (one ID only).",
)
@data_option
@store_option
@broker_option
@json_option
@click.pass_context
def retry(
    ctx: click.Context,
    letters: tuple[str, ...],
    edit: Path | None,
    data: str | None,
    store: str | None,
    broker: str | None,
    json_: bool,
) -> None:
    """Send them to the topic again, as they are or mended, and record that.

    What was refused will be refused again until either the limits of the program or the bytes have
    changed; an event that was stored in the meantime is recognised and not counted twice.
    """
    from streams.cli.resend import record, send

    settings = load_settings(ctx, data=data, store=store, broker=broker)
    require_broker(settings)
    if edit is not None and len(letters) > 1:
        raise UsageError("--edit mends one dead letter: give one ID")
    found = [_one(settings, letter) for letter in dict.fromkeys(letters)]
    contents = [bytes.fromhex(row["hex"]) for row in found]
    if edit is not None:
        contents = [edit.read_bytes().rstrip(b"\r\n")]
    places = send(settings, contents)
    identities = [row["letter_id"] for row in found]
    record(settings, identities, getpass.getuser())
    sent = [
        {"letter_id": identity, "topic": settings.topic, "partition": partition, "offset": offset}
        for identity, (partition, offset) in zip(identities, places, strict=True)
    ]
    if json_:
        click.echo(as_json(sent))
        return
    for row in sent:
        click.echo(
            f"{row['letter_id']} sent to {row['topic']}, "
            f"partition {row['partition']}, offset {row['offset']}"
        )


def _one(settings: Settings, letter: str) -> dict[str, Any]:
    """The letter whose identity begins with `letter`."""
    found = rows(
        settings,
        f"SELECT l.*, hex(d.bytes) AS hex FROM ({LETTERS}) AS l "
        "INNER JOIN (SELECT letter_id, bytes FROM dead_letters FINAL) AS d USING (letter_id) "
        "WHERE startsWith(letter_id, {letter}) ORDER BY letter_id LIMIT 2",
        {"letter": letter},
    )
    if not found:
        raise PulseError(f"no dead letter {letter}; `pulse dead-letters list` shows them")
    if len(found) > 1:
        raise UsageError(f"{letter} fits several dead letters: give more of the ID")
    return found[0]


def _place(letter: dict[str, Any]) -> str:
    return (
        f"{letter['topic']}, partition {letter['kafka_partition']}, "
        f"offset {letter['kafka_offset']}, line {letter['line']}"
    )


def _text(content: bytes) -> str | None:
    """The bytes as a terminal can show them, control characters escaped; None: they are no text."""
    try:
        text = content.decode()
    except UnicodeDecodeError:
        return None
    if not all(character.isprintable() or character in "\n\t" for character in text):
        return json.dumps(text)
    return text


def _dump(content: bytes) -> str:
    """Offset, sixteen bytes, and what of them is printable ASCII."""
    lines = []
    for start in range(0, len(content), 16):
        chunk = content[start : start + 16]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in chunk)
        lines.append(f"{start:08x}  {chunk.hex(' '):<47}  {shown}")
    return "\n".join(lines)
