"""A policy file is refused whole: every mistake in one go, each with its line and what to do."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from streams.policy.load import load
from streams.policy.model import default_policy
from streams.policy.problems import PolicyError
from tests.unit.policy_cases import CHANNEL, DETECTORS, TODAY, Parameters, parsed, refused

ROUTES = """
[[channels]]
name = "a"
url_env = "A"
[[channels]]
name = "b"
url_env = "B"
[[routes]]
name = "one"
channel = "a"
{}
[[routes]]
name = "two"
channel = "b"
{}
"""


def test_an_empty_file_is_the_built_in_policy() -> None:
    assert parsed("") == default_policy(DETECTORS)
    assert parsed("# nothing but words\n") == default_policy(DETECTORS)


def test_what_a_file_says_is_taken_and_the_rest_keeps_its_default() -> None:
    policy = parsed(
        """
        fdr = 0.25
        detectors.burst.share = 3
        detectors.ramp = { enabled = false, parameters = { minimum = 7, limits = [1, 4] } }
        [budget]
        unit = "pages_per_shift"
        high = 1
        [[cohorts]]
        name = "agencies"
        orgs = ["org-a*"]
        [[allow]]
        accounts = ["acct-load-*"]
        owner = "me"
        reason = "load test"
        expires = 2026-06-15
        """
    )
    assert (policy.fdr, policy.budget.high, policy.budget.medium) == (0.25, 1.0, 8.0)
    assert policy.detectors["burst"].share == 3.0
    assert policy.detectors["burst"].parameters == Parameters()
    assert not policy.detectors["ramp"].enabled
    assert policy.detectors["ramp"].share == 0.1
    assert policy.detectors["ramp"].parameters == Parameters(minimum=7, limits=(1.0, 4.0))
    assert (policy.cohorts[0].orgs, policy.cohorts[0].min_accounts) == (("org-a*",), 100)
    assert policy.allow[0].expires == TODAY


@pytest.mark.parametrize(
    ("text", "said"),
    [
        # names
        ("\nbugdet = 1", "2: bugdet: unknown key; did you mean 'budget'?"),
        ("version = 'x'", "1: version: unknown key; known are allow, budget"),
        ("[budget]\nhihg = 1", "2: budget.hihg: unknown key; did you mean 'high'?"),
        ("[detectors.burts]", "1: detectors.burts: unknown detector; did you mean 'burst'?"),
        ("[detectors.zzz]", "1: detectors.zzz: unknown detector; known are burst, cold_start, ra"),
        (
            "[detectors.burst.parameters]\nminimun = 1",
            "2: detectors.burst.parameters.minimun: unknown parameter of burst; did you mean "
            "'minimum'?",
        ),
        # types
        ("budget = 1", "1: budget: expected a table, got 1"),
        ("detectors = 1", "1: detectors: expected tables, got 1"),
        ("[detectors]\nburst = 1", "2: detectors.burst: expected a table, got 1"),
        ("routes = 1", "1: routes: expected [[routes]], a list of tables, got 1"),
        ("routes = [1]", "1: routes #1: expected a table, got 1"),
        ("fdr = true", "1: fdr: expected a finite number, got true"),
        ("[budget]\nhigh = '2'", "2: budget.high: expected a finite number, got '2'"),
        ("[budget]\nhigh = nan", "2: budget.high: expected a finite number, got nan"),
        ("[budget]\nunit = 'a week'", "2: budget.unit: expected one of false_alarms_per_1000_acc"),
        ("[budget]\nunit = []", "2: budget.unit: expected one of false_alarms_per_1000_account_d"),
        (
            "[detectors.burst.parameters]\nminimum = 1.0",
            "2: detectors.burst.parameters.minimum: expected a whole number, got 1.0",
        ),
        (
            "[detectors.burst.parameters]\nlimits = [\n 1,\n '2' ]",
            "4: detectors.burst.parameters.limits #2: expected a finite number, got '2'",
        ),
        (
            "[detectors.burst.parameters]\nlimits = [1]",
            "2: detectors.burst.parameters.limits: expected a list of 2, got [1]",
        ),
        ("[detectors.burst]\nparameters = 1", "2: detectors.burst.parameters: expected a table"),
        ("[detectors.burst]\nenabled = 1", "2: detectors.burst.enabled: expected true or false"),
        # ranges
        ("fdr = 0", "1: fdr: expected a number above 0, at most 1, got 0"),
        ("fdr = 1.5", "1: fdr: expected a number above 0, at most 1, got 1.5"),
        ("[budget]\nhigh = 0", "2: budget.high: expected a number above 0, at most 1,000 (with 0"),
        ("[budget]\ncold_medium = -1", "2: budget.cold_medium: expected a number above 0"),
        ("[detectors.burst]\nshare = 0", "2: detectors.burst.share: expected a number above 0, at"),
        (
            "[detectors.burst.parameters]\nhalf_life_h = -1",
            "2: detectors.burst.parameters.half_life_h: expected above 0, got -1.0",
        ),
        ("incidents.resolve_after_s = 1", "1: incidents.resolve_after_s: expected a number from 5"),
        # rules
        (
            "[detectors]\nburst.enabled = false\nramp.enabled = false",
            "1: detectors: no detector of established accounts is enabled",
        ),
        ("[[cohorts]]\nname = 'a'", "1: cohorts #1: names nobody: expected accounts, orgs or use"),
        ("[[cohorts]]\naccounts = ['a']", "1: cohorts #1: name is missing (shown in findings)"),
        (
            "[[cohorts]]\nname = 'a'\norgs = ['o']\n[[cohorts]]\nname = 'a'\norgs = ['p']",
            "5: cohorts #2.name: 'a' is the name of cohorts #1 already",
        ),
        (
            "[[cohorts]]\nname = 'a'\norgs = ['o', ' ']",
            "3: cohorts #1.orgs #2: expected a text that is not empty, got ' '",
        ),
        (
            "[[cohorts]]\nname = 'a'\norgs = ['o']\nmin_accounts = 1",
            "4: cohorts #1.min_accounts: expected a number from 2",
        ),
        (
            "[[allow]]\nowner = 'me'\nreason = 'r'\nexpires = 2027-01-01",
            "1: allow #1: names nobody: expected accounts or orgs",
        ),
        (
            "[[allow]]\norgs = ['o']\nowner = 'me'\nreason = 'r'\nexpires = 2026-06-14",
            "5: allow #1.expires: expired 2026-06-14, 1 day ago: remove the entry, or let me renew",
        ),
        (
            "[[allow]]\norgs = ['o']\nowner = 'me'\nreason = 'r'\nexpires = 2027-01-01T00:00:00Z",
            "5: allow #1.expires: expected a date as 2027-12-31, got 2027-01-01 00:00:00+00:00",
        ),
        (
            "[[allow]]\norgs = ['o']\nowner = 'me'\nreason = ''\nexpires = 2027-01-01",
            "4: allow #1.reason: expected a text that is not empty, got ''",
        ),
        (
            "[[routes]]\nname = 'a'\nchannel = 'c'\nseverities = ['low']" + CHANNEL,
            "4: routes #1.severities #1",
        ),
        (
            "[[routes]]\nname = 'a'\nchannel = 'c'\nkinds = [\n'ramp',\n'brust']" + CHANNEL,
            "6: routes #1.kinds #2: unknown kind 'brust'; did you mean 'burst'?",
        ),
        (
            "[[routes]]\nname = 'a'\nchannel = 'c'\nhours = '9-17'" + CHANNEL,
            "4: routes #1.hours: expected hours as 09:00-17:00 (over midnight: 22:00-06:00), got",
        ),
        (
            "[[routes]]\nname = 'a'\nchannel = 'c'\nhours = '09:00-09:00'" + CHANNEL,
            "4: routes #1.hours: start and end are the same minute",
        ),
        (
            "[[routes]]\nname = 'a'\nchannel = 'c'\ntime_zone = 'Mars'" + CHANNEL,
            "4: routes #1.time_zone: expected a time zone as Europe/Berlin or UTC, got 'Mars'",
        ),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, said: str) -> None:
    lines = refused(text)
    assert len(lines) == 1, lines
    assert lines[0].startswith(said)


def test_every_mistake_is_told_at_once_in_order() -> None:
    text = """\
fdr = 2
[detectors.burst]
share = 0
parameters = { half_life_h = -1, minimum = 0, minimun = 2 }
[budget]
high = 0
[[allow]]
accounts = ["a"]
owner = ""
expires = 2020-01-01
"""
    assert [line.split(":")[:2] for line in refused(text)] == [
        ["1", " fdr"],
        ["3", " detectors.burst.share"],
        ["4", " detectors.burst.parameters.half_life_h"],
        ["4", " detectors.burst.parameters.minimum"],
        ["4", " detectors.burst.parameters.minimun"],
        ["6", " budget.high"],
        ["7", " allow #1"],
        ["9", " allow #1.owner"],
        ["10", " allow #1.expires"],
    ]


def test_what_a_detector_refuses_is_blamed_on_the_parameter_it_names() -> None:
    text = "[detectors.ramp.parameters]\nminimum = 5\nlimits = [3, 1]\n"
    assert refused(text) == [
        "3: detectors.ramp.parameters.limits: expected (low, high), got (3.0, 1.0)"
    ]


@pytest.mark.parametrize(
    ("one", "two", "shared"),
    [
        ("", "", "alerts would go"),
        ("severities = ['high']", "kinds = ['ramp']", "high alerts of kind ramp would go"),
        ("orgs = ['org-1*']", "orgs = ['*7']", "alerts would go"),
        ("hours = '09:00-17:00'", "hours = '16:59-18:00'", "alerts would go"),
        ("hours = '22:00-06:00'", "hours = '05:00-07:00'", "alerts would go"),
        # 16:00 in New York is 21:00 or (for some weeks) 20:00 in London.
        (
            "hours = '09:00-16:00'\ntime_zone = 'America/New_York'",
            "hours = '20:30-21:00'\ntime_zone = 'Europe/London'",
            "alerts would go",
        ),
    ],
)
def test_overlapping_routes_are_refused(one: str, two: str, shared: str) -> None:
    lines = refused(ROUTES.format(one, two))
    assert len(lines) == 1
    lines_of = ROUTES.format(one, two).splitlines()
    second = lines_of.index("[[routes]]", lines_of.index("[[routes]]") + 1) + 1
    assert lines[0].startswith(f"{second}: routes #2: overlaps with routes #1 ('one'): ")
    assert lines[0].endswith(f"{shared} to 'a' and to 'b'")


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("severities = ['high']", "severities = ['medium']"),
        ("kinds = ['burst']", "kinds = ['ramp', 'token_burst']"),
        ("orgs = ['org-1*']", "orgs = ['org-2*', 'org-3']"),
        ("hours = '09:00-17:00'", "hours = '17:00-09:00'"),
        (
            "hours = '09:00-17:00'\ntime_zone = 'Europe/Berlin'",
            "hours = '17:00-09:00'\ntime_zone = 'Europe/Paris'",
        ),
    ],
)
def test_routes_that_never_meet_are_fine(one: str, two: str) -> None:
    assert len(parsed(ROUTES.format(one, two)).routes) == 2


def test_routes_to_one_channel_may_overlap() -> None:
    assert len(parsed(ROUTES.format("", "").replace('channel = "b"', 'channel = "a"')).routes) == 2


def test_history_is_compared_with_no_day() -> None:
    text = "[[allow]]\norgs = ['o']\nowner = 'me'\nreason = 'r'\nexpires = 2020-01-01"
    assert parsed(text, today=None).allow[0].expired(date(2020, 1, 2))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fdr = ", "1: not valid TOML: invalid value"),
        ("a = 1\n\n[budget\n", "3: not valid TOML: "),
        ("a = 1\na = 2\n", "2: not valid TOML: cannot overwrite a value"),
        ("a = [1,\n2\n", "3: not valid TOML: "),
    ],
)
def test_what_is_no_toml_stops_at_its_line(text: str, said: str) -> None:
    assert refused(text)[0].startswith(said)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    def message(file: Path) -> str:
        with pytest.raises(PolicyError) as caught:
            load(file, today=None, detectors=DETECTORS)
        return str(caught.value)

    missing, latin, huge = (tmp_path / name for name in ("none", "latin", "huge"))
    latin.write_bytes(b"# fine\nfdr = '\xe9'")
    huge.write_bytes(b"#" * (4 * 1024 * 1024 + 1))
    assert message(missing) == f"{missing}: cannot be read: No such file or directory"
    assert message(latin) == f"{latin}:2: expected UTF-8 text"
    assert message(huge).startswith(f"{huge}: expected at most 4,194,304 bytes")
    assert message(tmp_path) == f"{tmp_path}: cannot be read: Is a directory"
