"""Generations of a partition's state: the newest counts, older ones go a table partition at a time.

Written by the snapshots of the fold and of the signals' rings, each into a table of its own.
"""

from __future__ import annotations

from streams.storage.base import Store

__all__ = ["drop_older"]


def drop_older(store: Store, table: str, column: str, partition: int, generation: int) -> None:
    """Drops generations before this one, those included that a dying worker left unfinished.

    `table` is partitioned by (`column`, generation), `column` tells the partition of the stream.
    """
    older = store.query(
        f"SELECT DISTINCT generation FROM {table} "
        f"WHERE {column} = {{partition}} AND generation < {{generation}}",
        {"partition": partition, "generation": generation},
    )
    for row in older.to_pylist():
        store.command(
            f"ALTER TABLE {table} DROP PARTITION ({{partition}}, {{generation}})",
            {"partition": partition, "generation": row["generation"]},
        )
