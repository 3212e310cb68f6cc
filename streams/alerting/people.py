"""What people decide about incidents: acknowledged, owned, resolved, labelled, silenced.

Beside the flow: the fold opens and resolves incidents by what accounts do; what people say is kept
in rows of its own (`incident_actions`, `review_log`, `suppression_log`) and never changes what is
found. The command line and the console both come here; beside a running worker the command line
sends the same words through the worker's socket (`perform`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, get_args

import pyarrow as pa

from streams.alerting.findings import identity
from streams.errors import UsageError
from streams.policy import globs
from streams.storage.base import Store

__all__ = ["ACTIONS", "LABELS", "Label", "People", "covering", "perform"]

Label = Literal["true", "false", "unsure"]
LABELS: Final[tuple[str, ...]] = get_args(Label)
#: What `perform` takes, with the names of what each needs.
ACTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "acknowledge": ("incident_id", "by", "note"),
    "assign": ("incident_id", "owner", "by"),
    "resolve": ("incident_id", "by", "note"),
    "reopen": ("incident_id", "by", "note"),
    "note": ("incident_id", "by", "note"),
    "label": ("incident_id", "label", "by", "note"),
    "silence": ("accounts", "orgs", "kinds", "owner", "reason", "expires_at", "by"),
    "revoke": ("suppression_id", "by"),
}
_MOMENT: Final = pa.timestamp("ms", "UTC")
_LONGEST: Final = 1000  # characters of a note or reason
_LONGEST_SILENCE_MS: Final = 90 * 86_400_000


class People:
    """Writes what people decide; `now_ms` is the wall clock in epoch ms.

    Every method raises UsageError, in one line, for what cannot be: an unknown incident, an empty
    name, a silence that would cover everything or has no end.
    """

    def __init__(self, store: Store, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_ms = now_ms

    def acknowledge(self, incident_id: str, by: str, note: str = "") -> None:
        """Somebody looks at it."""
        self._act(incident_id, "acknowledged", by, note=note)

    def assign(self, incident_id: str, owner: str, by: str) -> None:
        """It is `owner`'s now."""
        self._act(incident_id, "assigned", by, owner=_name(owner, "owner"))

    def resolve(self, incident_id: str, by: str, note: str = "") -> None:
        """Nothing is left to do; the fold may see it go on all the same."""
        self._act(incident_id, "resolved", by, note=note)

    def reopen(self, incident_id: str, by: str, note: str = "") -> None:
        """It was not over."""
        self._act(incident_id, "reopened", by, note=note)

    def note(self, incident_id: str, by: str, note: str) -> None:
        """A remark for the next shift."""
        if not note.strip():
            raise UsageError("a note needs words")
        self._act(incident_id, "noted", by, note=note)

    def label(self, incident_id: str, label: str, by: str, note: str = "") -> None:
        """Was the alarm right? The last word counts."""
        if label not in LABELS:
            raise UsageError(f"label {label!r}: expected one of {', '.join(LABELS)}")
        self._known(incident_id)
        row = {"incident_id": incident_id, "at": self._now_ms(), "label": label}
        self._insert("review_log", row | {"by": _name(by, "by"), "note": _text(note)})

    def silence(
        self,
        accounts: Sequence[str],
        orgs: Sequence[str],
        kinds: Sequence[str],
        owner: str,
        reason: str,
        expires_at: int,
        by: str,
    ) -> str:
        """Send nothing about these (patterns; all that are given must match) until `expires_at`
        (epoch ms); returns its id. Incidents open all the same, and what it held back is counted.
        """
        now = self._now_ms()
        if not any(name.strip("*") for name in (*accounts, *orgs, *kinds)):
            raise UsageError("a silence must name an account, an organisation or a kind")
        if not reason.strip():
            raise UsageError("a silence needs a reason")
        if not now < expires_at <= now + _LONGEST_SILENCE_MS:
            raise UsageError("a silence ends between now and 90 days from now")
        row: dict[str, Any] = {
            "suppression_id": identity("silence", now, by, *accounts, *orgs, *kinds),
            "version": 1,
            "accounts": list(accounts),
            "orgs": list(orgs),
            "kinds": list(kinds),
            "owner": _name(owner, "owner"),
            "reason": _text(reason),
            "by": _name(by, "by"),
            "created_at": now,
            "expires_at": expires_at,
            "revoked_at": None,
            "revoked_by": "",
        }
        self._insert("suppression_log", row)
        return str(row["suppression_id"])

    def revoke(self, suppression_id: str, by: str) -> None:
        """End a silence now."""
        rows = self._store.query(
            "SELECT * FROM suppressions WHERE suppression_id = {id}", {"id": suppression_id}
        ).to_pylist()
        if not rows:
            raise UsageError(f"silence {suppression_id}: there is none of this id")
        row = {name: _plain(value) for name, value in rows[0].items()}
        if row["revoked_at"] is None:
            row |= {"version": row["version"] + 1, "revoked_at": self._now_ms()}
            self._insert("suppression_log", row | {"revoked_by": _name(by, "by")})

    def silences(self, at_ms: int) -> list[dict[str, Any]]:
        """Those in force at `at_ms`, the ones that end first first."""
        rows = self._store.query(
            "SELECT suppression_id, accounts, orgs, kinds, owner, reason, by, "
            "toUnixTimestamp64Milli(created_at) AS created_ms, "
            "toUnixTimestamp64Milli(expires_at) AS expires_ms FROM suppressions "
            "WHERE created_at <= fromUnixTimestamp64Milli({at}, 'UTC') "
            "AND expires_at > fromUnixTimestamp64Milli({at}, 'UTC') "
            "AND (revoked_at IS NULL OR revoked_at > fromUnixTimestamp64Milli({at}, 'UTC')) "
            "ORDER BY expires_ms, suppression_id",
            {"at": at_ms},
        ).to_pylist()
        return [{name: _plain(value) for name, value in row.items()} for row in rows]

    def silenced_by(self, account_id: str, org_id: str, kind: str, at_ms: int) -> str:
        """Id of a silence in force that covers this, empty when there is none."""
        return covering(self.silences(at_ms), account_id, org_id, kind)

    def _act(self, incident_id: str, action: str, by: str, owner: str = "", note: str = "") -> None:
        self._known(incident_id)
        row = {"incident_id": incident_id, "at": self._now_ms(), "action": action}
        row |= {"by": _name(by, "by"), "owner": owner, "note": _text(note)}
        self._insert("incident_actions", row)

    def _known(self, incident_id: str) -> None:
        rows = self._store.query(
            "SELECT count() AS n FROM incident_log WHERE incident_id = {id}", {"id": incident_id}
        )
        if not int(rows.column("n")[0].as_py()):
            raise UsageError(f"incident {incident_id}: there is none of this id")

    def _insert(self, table: str, row: Mapping[str, Any]) -> None:
        columns: dict[str, Any] = {}
        for name, value in row.items():
            if name == "at" or name.endswith("_at"):
                columns[name] = pa.array([value], pa.int64()).cast(_MOMENT)
            elif isinstance(value, list):
                columns[name] = pa.array([value], pa.list_(pa.string()))
            elif isinstance(value, int):
                columns[name] = pa.array([value], pa.uint64())
            else:
                columns[name] = pa.array([value], pa.string())
        self._store.insert(table, pa.table(columns))


def covering(silences: Iterable[Mapping[str, Any]], account_id: str, org_id: str, kind: str) -> str:
    """Id of the first of these silences (`People.silences`) that covers this, else empty."""
    for one in silences:
        if (
            globs.matches(tuple(one["accounts"]), account_id)
            and globs.matches(tuple(one["orgs"]), org_id)
            and globs.matches(tuple(one["kinds"]), kind)
        ):
            return str(one["suppression_id"])
    return ""


def perform(people: People, message: Mapping[str, Any]) -> str:
    """Do what `message` says, `{"do": "acknowledge", "incident_id": ..., "by": ...}`; its answer.

    Raises:
        UsageError: no such action, or something of it is missing, too much or of the wrong type.
    """
    action = str(message.get("do", ""))
    if action not in ACTIONS:
        raise UsageError(f"action {action!r}: expected one of {', '.join(ACTIONS)}")
    given = {name: value for name, value in message.items() if name != "do"}
    if extra := sorted(set(given) - set(ACTIONS[action])):
        raise UsageError(f"{action}: {', '.join(extra)} is not known")
    for name in ACTIONS[action]:
        if name not in given and name != "note":
            raise UsageError(f"{action}: {name} is missing")
        if name in given and not _fits(name, given[name]):
            raise UsageError(f"{action}: {name} has the wrong type")
    return str(getattr(people, action)(**given) or "")


def _fits(name: str, value: object) -> bool:
    if name == "expires_at":
        return isinstance(value, int) and not isinstance(value, bool)
    if name in ("accounts", "orgs", "kinds"):
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    return isinstance(value, str)


def _name(text: str, what: str) -> str:
    name = " ".join(text.split())
    if not name:
        raise UsageError(f"{what}: a name is missing")
    return name[:200]


def _text(text: str) -> str:
    return text.strip()[:_LONGEST]


def _plain(value: Any) -> Any:
    """Times as epoch ms, bytes as text."""
    if hasattr(value, "timestamp"):
        return round(value.timestamp() * 1000)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value
