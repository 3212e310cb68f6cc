"""[coordination] and [[known_groups]] of a policy: read, refused with lines, told in words."""

from __future__ import annotations

from datetime import date

import pytest

from streams.policy.coordination import SIGNALS
from streams.policy.differences import differences
from streams.policy.explain import explained, lines
from streams.policy.load import parse
from streams.policy.template import written
from tests.unit.policy_cases import DETECTORS, TODAY, parsed, refused

GOOD = """
[coordination]
kinds = ["template", "payment"]
chance = 1e-6
extra = [{ name = "campaign", field = "campaign_id" }]

[[known_groups]]
name = "a fleet"
orgs = ["org-fleet"]
owner = "sales"
reason = "one service behind forty accounts"
expires = 2026-12-31
"""


def test_what_a_file_leaves_out_has_its_default() -> None:
    policy = parsed("")
    assert policy.coordination.enabled
    assert policy.coordination.kinds == SIGNALS
    assert policy.known_groups == ()
    assert parsed(GOOD).coordination.fields == {
        "template": "template",
        "payment": "payment",
        "campaign": "campaign_id",
    }


def test_it_is_part_of_the_version_and_reads_back_as_written() -> None:
    policy = parsed(GOOD)
    assert policy.version != parsed("").version
    assert policy.version != parsed(GOOD.replace("1e-6", "1e-5")).version
    assert policy.version != parsed(GOOD.replace("campaign_id", "other")).version
    again = parse(written(policy, comments=False), "x", today=TODAY, detectors=DETECTORS)
    assert again == policy


def test_a_known_group_covers_a_cluster_when_it_covers_every_member() -> None:
    policy = parsed(GOOD)
    day = 1_781_000_000_000  # in June 2026
    fleet = [("a", "org-fleet"), ("b", "org-fleet")]
    group = policy.known_group(fleet, day)
    assert group is not None
    assert group.owner == "sales"
    assert policy.known_group([*fleet, ("c", "org-other")], day) is None
    assert policy.known_group(fleet, day + 300 * 86_400_000) is None  # it has expired


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[coordination]\nkinds = ['templat']", 2, "did you mean 'template'?"),
        ("[coordination]\nchance = 0", 2, "expected a number above 0"),
        ("[coordination]\nfound = 5.0\nkept = 6.0", 3, "a member would leave as it joins"),
        ("[coordination]\nchance = 1e-9", 1, "expected at most chance (1e-09), got 1e-08"),
        ("[coordination]\nkinds = []", 2, "no kind is named"),
        ("[coordination]\nkinds = ['ip', 'ip']", 2, "'ip' is named twice"),
        ("[coordination]\ncolour = 1", 2, "unknown key"),
        ("coordination = 3", 1, "expected a table, got 3"),
        (
            "[[coordination.extra]]\nname = 'ip'\nfield = 'x'",
            2,
            "'ip' is the name of a kind already",
        ),
        (
            "[[coordination.extra]]\nname = 'a'\nfield = 'latency_ms'",
            3,
            "'latency_ms' is no text that accounts could share",
        ),
        ("[[coordination.extra]]\nname = 'a'", 1, "field is missing"),
        ("[coordination]\nextra = 3", 2, "expected [[coordination.extra]], a list of tables"),
        (
            "[[known_groups]]\nname='x'\nowner='o'\nreason='r'\nexpires=2027-01-01",
            1,
            "names nobody: expected accounts or orgs",
        ),
        (
            "[[known_groups]]\nname='x'\norgs=['a']\nowner='o'\nreason='r'\nexpires=2026-06-01",
            6,
            "expired 2026-06-01, 14 days ago: remove the entry, or let o renew it",
        ),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(text: str, line: int, said: str) -> None:
    (problem,) = refused(text)
    assert problem.startswith(f"{line}: ")
    assert said in problem


def test_in_words() -> None:
    text = "\n".join(lines(explained(parsed(GOOD), DETECTORS, None, TODAY)))
    assert "share template, payment, campaign (field campaign_id)" in text
    assert "alarms when 1 in 1 million such groups would act so close in time by chance" in text
    assert "a fleet: orgs org-fleet: one service behind forty accounts (sales); 199 days" in text
    off = "\n".join(
        lines(explained(parsed("[coordination]\nenabled = false"), DETECTORS, None, TODAY))
    )
    assert "Groups that act together: not looked for" in off


def test_differences_name_the_kind_and_the_group() -> None:
    found = [str(one) for one in differences(parsed(""), parsed(GOOD))]
    assert "coordination: chance 0.0001 -> 1e-06" in found
    assert 'coordination: campaign: new: field = "campaign_id"' in found
    assert any(one.startswith("known_groups: a fleet: new: ") for one in found)
    assert differences(parsed(GOOD), parsed(GOOD)) == []
    assert date(2026, 12, 31) == parsed(GOOD).known_groups[0].expires
