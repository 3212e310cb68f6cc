"""A policy file that may change while the worker runs: looked at now and then, never half taken.

The worker polls every second or so and hands a new policy to its folds, which take it at their next
tick. An editor may write a file in two steps, and half of a policy can be a valid one (without its
allow-list): so a content counts only when two polls in a row have seen it. A file that is wrong or
gone leaves the policy before in force, and is reported once.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from detectors.base import Detector
from streams.policy.coordination import KnownGroup
from streams.policy.load import content_of, parse
from streams.policy.model import Allow, Policy, default_policy
from streams.policy.problems import PolicyError

__all__ = ["PolicyFile"]

_LOG = logging.getLogger(__name__)


class PolicyFile:
    """The policy in force and the file it came from; no path is the built-in policy."""

    def __init__(
        self, path: str | Path | None, *, detectors: Sequence[Detector] | None = None
    ) -> None:
        self.path = Path(path) if path else None
        #: What is wrong with the file now, in one line for people; empty when nothing is.
        self.problem = ""
        self._detectors = detectors
        self._policy: Policy | None = None
        self._seen: str | PolicyError = ""  # content at the last poll
        self._judged: str | None = None  # content that was taken or refused
        self._refused = ""  # why, where it was refused

    @property
    def policy(self) -> Policy:
        """The policy in force, of `start` or a later `poll`."""
        if self._policy is None:
            raise RuntimeError("PolicyFile: start() comes first")
        return self._policy

    def start(self, today: date) -> Policy:
        """The policy to begin with; `today` (UTC) is what expiry dates are compared with.

        Raises:
            PolicyError: the file is wrong. There is no policy before it that could stay.
        """
        if self.path is None:
            self._policy = default_policy(self._detectors)
            return self._policy
        content = content_of(self.path)
        self._policy = self._parsed(content, today)
        self._seen = self._judged = content
        return self._policy

    def poll(self, today: date) -> Policy | None:
        """Another policy if the file holds one now, else None; call it every second or so."""
        if self.path is None:
            return None
        if self._policy is None:
            return self.start(today)
        before, self._seen = self._seen, self._read()
        if isinstance(self._seen, PolicyError):
            self._report(str(self._seen))
            return None
        if self._seen != before:
            return None  # perhaps still being written
        if self._seen != self._judged:
            self._judged = self._seen
            return self._changed(self._seen, today)
        self._remind(today)
        return None

    def _read(self) -> str | PolicyError:
        assert self.path is not None
        try:
            return content_of(self.path)
        except PolicyError as error:
            return error

    def _parsed(self, content: str, today: date) -> Policy:
        return parse(content, str(self.path), today=today, detectors=self._detectors)

    def _changed(self, content: str, today: date) -> Policy | None:
        old = self.policy
        try:
            new = self._parsed(content, today)
        except PolicyError as error:
            self._refused = str(error)
            self._report(self._refused)
            return None
        self._refused = ""
        self._report("")
        if new.version == old.version:
            return None
        self._policy = new
        _LOG.warning("%s: policy %s is in force, after %s", self.path, new.version, old.version)
        return new

    def _remind(self, today: date) -> None:
        """The file is the one judged before; an entry of its allow-list may have ended since."""
        if self._refused:
            self._report(self._refused)
            return
        ended = [
            f"the allow-list's {', '.join((*entry.accounts, *entry.orgs))}" + _ended(entry)
            for entry in self.policy.allow
            if entry.expired(today)
        ]
        ended += [
            entry.title + _ended(entry)
            for entry in self.policy.known_groups
            if entry.expired(today)
        ]
        self._report("; ".join(f"{self.path}: {sentence}" for sentence in ended))

    def _report(self, problem: str) -> None:
        """Keep it for the status; a log line when it is news."""
        if problem and problem != self.problem:
            _LOG.warning("%s; policy %s stays in force", problem, self.policy.version)
        self.problem = problem


def _ended(entry: Allow | KnownGroup) -> str:
    return f" ({entry.owner}) expired {entry.expires} and no longer counts"
