"""Every error a person can meet, as one small tree; libraries' errors are translated at the edge.

PulseError                  message for a person, exit code 1
├── UsageError              wrong command line, setting or file content, exit code 2
├── BadInput                a place in a file that cannot be read: file, line, field, expectation
├── StoreError              ClickHouse said no, and would say no again
│   ├── StoreUnavailable    ClickHouse cannot be reached or is overloaded: worth a retry
│   └── SchemaTooNew        the store was migrated by a newer program
├── BrokerUnavailable       Kafka cannot be reached: worth a retry
└── DataDirectoryLocked     another process owns the embedded data directory
"""

from __future__ import annotations

__all__ = [
    "BadInput",
    "BrokerUnavailable",
    "DataDirectoryLocked",
    "PulseError",
    "SchemaTooNew",
    "StoreError",
    "StoreUnavailable",
    "UsageError",
]


class PulseError(Exception):
    """A failure told in one line; the command line prints it and exits with `exit_code`."""

    exit_code = 1


class UsageError(PulseError):
    """The request itself is wrong: nothing was started."""

    exit_code = 2


class BadInput(PulseError):
    """A file or message that cannot be read; says where, and what was expected there."""

    def __init__(self, source: str, place: str, problem: str) -> None:
        super().__init__(f"{source}, {place}: {problem}" if place else f"{source}: {problem}")
        self.source = source
        self.place = place
        self.problem = problem


class StoreError(PulseError):
    """ClickHouse refused a statement and would refuse it again."""


class StoreUnavailable(StoreError):
    """ClickHouse cannot take the statement now; the same statement may pass later."""


class SchemaTooNew(StoreError):
    """The store carries a migration this program does not know."""


class BrokerUnavailable(PulseError):
    """Kafka cannot be reached now; the same call may pass later."""


class DataDirectoryLocked(PulseError):
    """Another process owns the embedded data directory."""
