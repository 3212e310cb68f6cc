"""The first page: what calls for somebody, the worst first, and what belongs to something else."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from tests.unit.test_page_server import Worker, full_incident, read, served


def _one(name: str, account: str, severity: str = "high", **more: Any) -> dict[str, Any]:
    changed = {"incident_id": name, "severity": severity, "sentence": f"{name} happened"}
    return full_incident(account) | changed | more


RING = _one("ring", "", kind="coordinated_accounts", detector="coordination")


def _page(*incidents: dict[str, Any]) -> str:
    async def scenario() -> str:
        async with served(Worker(incidents=list(incidents))) as (_, client):
            code, text = await read(client, "/")
            assert code == 200
            return text

    return asyncio.run(scenario())


def test_what_members_of_a_cluster_do_stands_beneath_it_and_is_not_counted() -> None:
    members = [_one(f"own-{n}", f"acct-{n}", part_of="ring") for n in range(8)]
    text = _page(RING, _one("other", "acct-x"), *members)
    assert ">Two incidents need you.</h1>" in text
    assert "<title>(2) Usage Pulse</title>" in text
    assert "Eight of its members have incidents of their own:" in text
    assert "and 3 more" in text
    assert 'href="/incident/own-4">acct-4</a>' in text
    assert "own-4 happened" not in text
    badges = re.findall(r'href="(/[a-z/]+)"[^>]*>\w+<span[^>]*>(\d+)', text)
    assert badges == [("/incidents", "2"), ("/board/clusters", "1")]


def test_a_member_counts_again_when_the_cluster_is_over() -> None:
    text = _page(RING | {"state": "resolved"}, _one("own", "acct-1", part_of=""))
    assert ">One incident needs you.</h1>" in text
    assert "own happened" in text
    assert "of its members" not in text


def test_the_worst_comes_first() -> None:
    text = _page(
        _one("mild", "acct-1", "low"), _one("bad", "acct-2"), _one("fair", "acct-3", "medium")
    )
    assert re.findall(r"(\w+) happened", text)[:3] == ["bad", "fair", "mild"]
