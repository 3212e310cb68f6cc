"""Settings that a query or a request may carry: a closed list, each within our caps.

A client asks for more than the cap and gets the cap (Grafana sends its own time limit with every
query); inside the SQL, where the engine compares, it is refused instead. What only concerns the
transport is taken without effect; everything else is refused as ClickHouse does for a reader.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from streams.sqlhttp.errors import SqlError
from streams.sqlhttp.functions import names

__all__ = ["LIMITS", "Limits", "accepted", "clause", "statement"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What one query may use, and how many run."""

    memory: int = 1024**3
    seconds: float = 30.0
    rows: int = 5_000_000
    bytes: int = 256 * 1024**2
    disk: int = 1024**3
    threads: int = 2
    at_once: int = 2
    waiting: int = 200
    request: int = 1024**2


LIMITS = Limits()

#: Names of the caps; 0 stands for "no limit" at ClickHouse and therefore for the cap here.
_CAPPED = {
    "max_memory_usage": "memory",
    "max_execution_time": "seconds",
    "max_result_rows": "rows",
    "max_result_bytes": "bytes",
    "max_temporary_data_on_disk_size_for_query": "disk",
    "max_threads": "threads",
}

_WORD = r"[A-Za-z0-9_+/.:%-]{0,64}"
_NUMBER = r"\d{1,18}"
_SWITCH = r"[01]|true|false"
_MODE = r"throw|break"

#: Allowed settings and the form of their values.
_ALLOWED = {
    **dict.fromkeys(("limit", "offset"), _NUMBER),
    **dict.fromkeys(
        names(
            "max_rows_to_read max_bytes_to_read max_rows_to_group_by max_rows_to_sort "
            "max_rows_in_set max_rows_in_join max_rows_in_distinct"
        ),
        _NUMBER,
    ),
    **dict.fromkeys(
        names(
            "result_overflow_mode read_overflow_mode timeout_overflow_mode group_by_overflow_mode "
            "sort_overflow_mode distinct_overflow_mode"
        ),
        _MODE,
    ),
    **dict.fromkeys(
        names(
            "join_use_nulls group_by_use_nulls aggregate_functions_null_for_empty "
            "transform_null_in extremes final prefer_column_name_to_alias "
            "cast_string_to_dynamic_use_inference cast_keep_nullable "
            "empty_result_for_aggregation_by_empty_set"
        ),
        _SWITCH,
    ),
    **dict.fromkeys(
        names(
            "session_timezone date_time_input_format date_time_output_format "
            "interval_output_format union_default_mode join_default_strictness join_algorithm "
            "totals_mode any_join_distinct_right_table_keys"
        ),
        _WORD,
    ),
    "format_csv_delimiter": r".",
}

#: How output looks; `output_format_schema` would name a file and is not among them.
_OUTPUT = re.compile(
    r"output_format_(json|csv|tsv|pretty|arrow|parquet|orc|values|markdown|sql_insert|binary|native"
    r"|msgpack|decimal|float|write_statistics|always_write|trim)\w*"
)

#: Taken, without effect here: the transport, or what we decide ourselves.
_WITHOUT_EFFECT = re.compile(
    r"session_(id|timeout|check)|close_session|quota_key|role|stacktrace|buffer_size|log_comment"
    r"|wait_end_of_query|client_protocol_version|client_name|log_quer\w+|network_\w+|http_\w+"
    r"|send_progress_in_http_headers|cancel_http_readonly_queries_on_client_close|decompress"
    r"|enable_http_compression|add_http_cors_header|(send|receive|connect)_timeout\w*|compress"
    r"|max_block_size|allow_experimental_analyzer|enable_analyzer|use_uncompressed_cache|priority"
)


def accepted(given: Mapping[str, str], limits: Limits = LIMITS) -> dict[str, str]:
    """The settings of a request that take effect, each no higher than its cap.

    Raises:
        SqlError: a setting that is not open to readers, or a value of the wrong form.
    """
    settings: dict[str, str] = {}
    for name, value in given.items():
        if name == "readonly":
            if value not in ("1", "2"):
                raise SqlError(164, "Cannot modify 'readonly' setting in readonly mode")
        elif name in _CAPPED:
            settings[name] = _within(name, value, limits)
        elif _form(name) is not None:
            settings[name] = _checked(name, value)
        elif not _WITHOUT_EFFECT.fullmatch(name):
            raise SqlError(164, f"Cannot modify '{name[:80]}' setting in readonly mode")
    return settings


def clause(given: Mapping[str, str], limits: Limits = LIMITS) -> dict[str, str]:
    """The same for the SETTINGS clauses of a query, whose values stand as they are."""
    for name, value in given.items():
        if name in _CAPPED and _within(name, value, limits) != value:
            raise SqlError(
                164, f"{name} = {value} in SETTINGS: at most {getattr(limits, _CAPPED[name])}"
            )
        if name not in _CAPPED and _form(name) is None:
            raise SqlError(164, f"Cannot modify '{name}' setting in readonly mode")
    return accepted(given, limits)


def statement(settings: Mapping[str, str], limits: Limits, mark: str) -> str:
    """The SET that begins a query: our caps under the accepted settings."""
    base = {name: str(getattr(limits, field)) for name, field in _CAPPED.items()}
    base |= {
        "session_timezone": "UTC",
        "allow_ddl": "0",
        "allow_introspection_functions": "0",
        "log_queries": "0",
        "log_comment": mark,
    }
    return "SET " + ", ".join(f"{name} = '{value}'" for name, value in {**base, **settings}.items())


def _within(name: str, value: str, limits: Limits) -> str:
    cap = getattr(limits, _CAPPED[name])
    if not re.fullmatch(r"\d{1,18}(\.\d{1,6})?", value):
        raise SqlError(36, f"setting {name}: expected a number, got {value[:40]!r}")
    return value if 0 < float(value) <= cap else str(cap)


def _form(name: str) -> str | None:
    return _WORD if _OUTPUT.fullmatch(name) else _ALLOWED.get(name)


def _checked(name: str, value: str) -> str:
    form = _form(name) or ""
    if not re.fullmatch(form, value) or value in ("'", "\\"):
        raise SqlError(36, f"setting {name}: {value[:40]!r} is not of the form {form}")
    return value
