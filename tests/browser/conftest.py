"""The browser that the tests here share; without chromium they are skipped, and fail on CI."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.browser.driver import Browser, missing


@pytest.fixture(scope="session", autouse=True)
def _chromium() -> None:
    reason = missing()
    if reason and os.environ.get("CI"):
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def light() -> Iterator[Browser]:
    opened = Browser()
    yield opened
    opened.close()


@pytest.fixture
def browser(light: Browser) -> Browser:
    """The same one again, as wide as at first and without complaints of the test before."""
    light.size(1440, 900)
    light.complaints()
    return light
