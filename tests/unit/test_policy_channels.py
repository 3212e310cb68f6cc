"""Channels of a policy: what could not work is refused with its line; no address is told."""

from __future__ import annotations

import pytest

from tests.unit.policy_cases import CHANNEL, parsed, refused


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "[[routes]]\nname = 'r'\nchannel = 'cc'" + CHANNEL,
            "3: routes #1.channel: unknown channel 'cc'; did you mean 'c'?",
        ),
        (
            "[[routes]]\nname = 'r'\nchannel = 'c'",
            "3: routes #1.channel: unknown channel 'c'; no [[channels]] stand in this file",
        ),
        (CHANNEL + CHANNEL, "6: channels #2.name: 'c' is the name of channels #1 already"),
        (
            "[[channels]]\nname = 'c'",
            "1: channels #1: expected one of url_env and url_file, got neither",
        ),
        (
            CHANNEL + "\nurl_file = '/run/c'",
            "2: channels #1: expected one of url_env and url_file, got both",
        ),
        (
            CHANNEL + "\ntitle = '{sentence} {acount}'",
            "5: channels #1.title: names the field {acount}; did you mean 'account'?",
        ),
        (
            CHANNEL + "\nbody = '{account.__class__}'",
            "5: channels #1.body: names the field {account.__class__}; ",
        ),
        (
            "[[channels]]\nname = 'c'\nurl_env = 'PULSE_C'",
            "3: channels #1.url_env: expected another name: PULSE_... are settings",
        ),
        (CHANNEL + "\nbody = '{}'", "5: channels #1.body: names the field {}; "),
        (CHANNEL + "\nbody = '{observed:.2f}'", "5: channels #1.body: {observed} takes no format"),
        (CHANNEL + "\nbody = '{sentence'", "5: channels #1.body: "),
        (CHANNEL + "\nbody = ' '", "5: channels #1.body: expected a text that is not empty"),
        (CHANNEL + '\ntitle = "two\\nlines"', "5: channels #1.title: expected one line"),
    ],
)
def test_a_channel_that_could_not_work_is_refused(text: str, line: str) -> None:
    lines = refused(text)
    assert len(lines) == 1, lines
    assert lines[0].startswith(line), lines[0]


def test_an_address_in_a_policy_is_refused_and_not_repeated() -> None:
    for key in ("url", "url_env", "url_file"):
        lines = refused(f"[[channels]]\nname = 'c'\n{key} = 'slack://T0/B0/s3cret'")
        assert not any("s3cret" in line for line in lines)
        assert lines[-1].startswith("3: ")


def test_a_policy_of_the_past_may_know_channels_by_name_alone() -> None:
    text = "[[routes]]\nname = 'r'\nchannel = 'c'"
    assert parsed(text, today=None).routes[0].channel == "c"
