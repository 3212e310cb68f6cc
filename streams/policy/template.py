"""A whole policy written as TOML: every key with its value, and with comments to learn from.

`default.toml` beside this module is the built-in policy written by `default_file` (`make docs`
keeps it so); `pulse policy show` writes the policy in force; the policy log keeps `written` without
comments. What is written here reads back as the same policy (`streams.policy.load.parse`).
"""

from __future__ import annotations

import ast
import inspect
import io
import json
import textwrap
import tokenize
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import date
from typing import Any

from detectors.base import Detector, all_detectors
from streams.policy.model import Policy, default_policy

__all__ = ["comments_of", "default_file", "toml_value", "written"]

_WIDTH = 100

_HEAD = """\
A policy of Usage Pulse: what alarms, how often that may be wrong, who is excused and who is told.

Whatever a policy leaves out has the value shown here, so a file of your own needs no more than
what differs. Begin one with `pulse policy show > policy.toml`, look what it means with `pulse
policy explain policy.toml`, name it in the setting `policy`. A running worker takes a changed file
within seconds; one with a mistake in it is refused whole, and the policy before stays in force.
"""

_SECTIONS = {
    "budget": """\
The budget of false alarms. Every threshold follows from it, and none is written anywhere else.
The unit is either false_alarms_per_1000_account_days (1,000 accounts for a day, idle ones, too) or
pages_per_shift (on the whole platform). Severities add up: 2 high and 8 medium are 10 in all. The
cold channel judges accounts that are new, or back after a long silence, against others like them.
It has a budget of its own, half of it for the new and half for the returned, for the same unit:
1,000 account-days of all accounts, however few of them are cold. So the channels add up, too: 10
and 10 are 20 in all.""",
    "incidents": "When an incident is over.",
    "coordination": """\
Groups of accounts that act together: tied by what they share and by acting on it at the same
moments or with the same delay. Sharing accuses nobody; a group alarms when its timing is improbable
by chance.""",
    "detectors": """\
The detectors share the budget of their channel by weight: shares of 0.4 and 0.1 are the same as 4
and 1. `pulse policy explain` says what each of them pages about and how rare that is.""",
    "cohorts": """\
Cohorts are accounts judged among themselves instead of with everybody, from min_accounts of them
on. Lists hold patterns (*, ?, [a-z]); every list that is given must match. An account of several
cohorts belongs to the first of them by name. As many as you like:""",
    "allow": """\
The allow-list excuses accounts from alarms until a date. An owner, a reason and the date are a
must; an entry that has expired no longer counts, and a file with one is refused:""",
    "known_groups": """\
Known groups may act together, as a customer's own fleet does: they are shown with their owner and
do not alarm, as long as every member of a cluster is one of them:""",
    "channels": """\
Channels are where messages go: chat, mail, pagers, web hooks, whatever Apprise speaks to. The
address carries secrets and stands in an environment variable or in a file, never here. `pulse
notify test NAME` tries one. Title and body are texts with fields in braces:""",
    "routes": """\
Routes send alerts to notification channels. An empty list takes all; two routes must not send the
same alert to different channels. Hours may run over midnight (22:00-06:00), empty is always:""",
}

_EXAMPLES = {
    "coordination": """\
[[coordination.extra]]
name = "campaign"
field = "campaign_id"
""",
    "cohorts": """\
[[cohorts]]
name = "agencies"
accounts = []
orgs = ["org-agency-*"]
use_cases = ["marketing"]
min_accounts = 100
""",
    "allow": """\
[[allow]]
accounts = ["acct-loadtest-*"]
orgs = []
detectors = ["burst"]
owner = "platform team"
reason = "load tests every night"
expires = 2099-12-31
""",
    "known_groups": """\
[[known_groups]]
name = "fleet of a customer"
accounts = []
orgs = ["org-example"]
owner = "sales"
reason = "one service behind forty accounts"
expires = 2099-12-31
""",
    "channels": """\
[[channels]]
name = "on-call"
url_env = "ON_CALL_ADDRESS"
url_file = ""
title = "[{severity}] {event}: {sentence}"
body = "{sentence}\\nsince {since}, {chance}\\n{link}"
""",
    "routes": """\
[[routes]]
name = "by day"
severities = ["high"]
kinds = []
orgs = []
hours = "09:00-17:00"
time_zone = "Europe/Berlin"
channel = "on-call"
""",
}


def default_file(detectors: Sequence[Detector] | None = None) -> str:
    """The text of `default.toml`."""
    found = all_detectors() if detectors is None else detectors
    return written(default_policy(found), found)


def written(policy: Policy, detectors: Sequence[Detector] = (), *, comments: bool = True) -> str:
    """`policy` as TOML; `detectors` lend the comments their titles and units."""
    by_name = {detector.NAME: detector for detector in detectors}
    lines = _comment(_HEAD) if comments else []
    lines += ["", *_table(policy, ("fdr",), comments)]
    for name in ("budget", "incidents"):
        lines += ["", *(_comment(_SECTIONS[name]) if comments else []), f"[{name}]"]
        part = getattr(policy, name)
        lines += _table(part, [item.name for item in fields(part)], comments)
    lines += _coordination(policy, comments)
    lines += ["", *_comment(_SECTIONS["detectors"])] if comments else []
    for name, detector in policy.detectors.items():
        lines.append("")
        if comments and name in by_name:
            lines += _comment(_about(by_name[name]))
        lines.append(f"[detectors.{toml_key(name)}]")
        lines += _table(detector, ("enabled", "share"), comments)
        lines += [f"[detectors.{toml_key(name)}.parameters]"]
        lines += _parameters(detector.parameters, comments)
    for name in ("cohorts", "allow", "known_groups", "channels", "routes"):
        lines += ["", *_comment(_SECTIONS[name])] if comments else []
        if comments and not getattr(policy, name):
            lines += _verbatim(_EXAMPLES[name])
        for item in getattr(policy, name):
            lines += ["", f"[[{name}]]"]
            lines += _table(item, [part.name for part in fields(item)], comments)
    return "\n".join(lines).strip("\n") + "\n"


def _coordination(policy: Policy, comments: bool) -> list[str]:
    part = policy.coordination
    lines = ["", *(_comment(_SECTIONS["coordination"]) if comments else [])]
    lines += ["[coordination]"]
    lines += _table(part, [item.name for item in fields(part) if item.name != "extra"], comments)
    if comments and not part.extra:
        lines += ["# Kinds of your own come from any field of your events:"]
        lines += _verbatim(_EXAMPLES["coordination"])
    for kind in part.extra:
        lines += ["", "[[coordination.extra]]", *_table(kind, ("name", "field"), comments)]
    return lines


def _about(detector: Detector) -> str:
    kinds = ", ".join(detector.KINDS)
    when = "every tick" if detector.CADENCE == "tick" else "every ten minutes"
    return f"{detector.TITLE}. Looks {when}; names {kinds}."


def _table(part: Any, names: Sequence[str], comments: bool) -> list[str]:
    about = {item.name: item.metadata["about"] for item in fields(part) if item.name in names}
    return list(_pairs(part, names, about if comments else {}))


def _parameters(parameters: Any, comments: bool) -> list[str]:
    names = [item.name for item in fields(parameters) if item.init]
    return list(_pairs(parameters, names, comments_of(type(parameters)) if comments else {}))


def _pairs(part: Any, names: Sequence[str], about: Mapping[str, str]) -> Iterator[str]:
    pairs = [(f"{toml_key(name)} = {toml_value(getattr(part, name))}", name) for name in names]
    longest = max((len(text) for text, _ in pairs if len(text) <= 56), default=0)
    for text, name in pairs:
        said = about.get(name, "")
        line = f"{text.ljust(longest)}  # {said}" if said else text
        if len(line) > _WIDTH:
            yield from _comment(said)
            line = text
        yield line


def _comment(text: str) -> list[str]:
    """Paragraphs, filled."""
    filled = (
        textwrap.fill(part, _WIDTH - 2, break_on_hyphens=False) for part in text.split("\n\n")
    )
    return _verbatim("\n\n".join(filled))


def _verbatim(text: str) -> list[str]:
    return [f"# {line}".rstrip() for line in text.splitlines()]


def comments_of(cls: type[Any]) -> dict[str, str]:
    """What the source says behind each field of a dataclass, as a detector's Parameters do.

    Empty where the source is not at hand; nothing but comments depends on it.
    """
    try:
        source = textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):
        return {}
    found = {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    body = ast.parse(source).body[0]
    assert isinstance(body, ast.ClassDef)
    return {
        node.target.id: " ".join(
            found[line]
            for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
            if line in found
        )
        for node in body.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def toml_key(name: str) -> str:
    """A key, in quotes where it must be.

    >>> toml_key("burst"), toml_key("my key")
    ('burst', '"my key"')
    """
    bare = name.isascii() and name.replace("-", "_").isidentifier()
    return name if bare else toml_value(name)


def toml_value(value: object) -> str:
    """A value as TOML writes it.

    >>> toml_value((1.0, "a", True))
    '[1.0, "a", true]'

    Raises:
        TypeError: a value that no policy holds.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):  # JSON leaves DEL as it is, TOML wants it escaped
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    raise TypeError(f"no TOML for {type(value).__name__}")
