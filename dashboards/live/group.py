"""The page of a cluster's incident: sentence, members, what ties them, what happened, the SQL."""

from __future__ import annotations

from collections.abc import Sequence

from dashboards.live.html import Child, Html, tag
from dashboards.live.model import Incident, Row, Status, is_open
from dashboards.live.parts import (
    account_path,
    card,
    facts,
    kind_name,
    level,
    live_line,
    state_line,
    table,
)
from dashboards.live.read import Reader
from dashboards.live.when import clock
from dashboards.live.words import chance, count, duration

__all__ = ["DETECTOR", "group_page", "in_short"]

#: The detector of incidents that are about a cluster.
DETECTOR = "coordination"
_MOST_MEMBERS = 200
_MOST_OBJECTS = 20


def in_short(incident: Incident) -> str:
    """The line below the sentence on the first page."""
    joint, least = count(incident["observed"]), count(incident["threshold"])
    return f"{joint} joint actions; about {least} would have been enough"


async def group_page(incident: Incident, row: Row | None, status: Status, reader: Reader) -> Html:
    """The page's own part."""
    cluster = await reader.cluster(incident["incident_id"])
    members = await reader.members(cluster["cluster_id"]) if cluster else []
    changes = await reader.changes(cluster["cluster_id"]) if cluster else []
    left = tag("div", _members(members), _query(cluster))
    right = tag(
        "div", _numbers(incident, row, cluster), _shared(cluster), _happened(changes, incident)
    )
    return tag(
        "div",
        live_line(status),
        tag("h1", incident["sentence"], id="headline"),
        tag("div", state_line(incident), class_=f"incident {level(incident['severity'])} detail"),
        tag(
            "p",
            tag("a", "All incidents", href="/#incidents", class_="button"),
            class_="actions",
        ),
        tag("div", left, right, class_="columns"),
        id="view",
    )


def _members(members: Sequence[Row]) -> Html:
    if not members:
        wait = "Its members are not stored yet; rows follow within seconds."
        return card("Who belongs", tag("p", wait, class_="muted"), key="members")
    rows: list[list[Child]] = [
        [
            tag("a", tag("bdi", member["account_id"]), href=account_path(member["account_id"])),
            tag("bdi", member["org_id"]),
            _stay(member),
            tag("bdi", member["top_partner"]),
            count(member["score"]),
            count(member["moments"]),
        ]
        for member in members[:_MOST_MEMBERS]
    ]
    more = len(members) - len(rows)
    note = tag("p", f"and {count(more)} more", class_="muted") if more > 0 else None
    head = ("Account", "Organisation", "Belongs since", "Closest to", "score", "moments")
    return card("Who belongs", table(head, rows, text=4), note, key="members")


def _stay(member: Row) -> Child:
    since = clock(member["joined_at"], date=True)
    if member["left_at"] is None:
        return [since, f", {member['join_reason']}"]
    return [since, " to ", clock(member["left_at"], date=True), f": {member['left_reason']}"]


def _numbers(incident: Incident, row: Row | None, cluster: Row | None) -> Html:
    pairs: list[tuple[str, Child]] = [
        ("Joint actions", count(incident["observed"])),
        ("Kind", kind_name(incident["kind"])),
        ("By chance", f"{chance(incident['p_value'])} (p = {incident['p_value']:.2g})"),
        ("First joint action", clock(incident["started_at"], seconds=True, date=True)),
        ("Last seen", clock(incident["last_seen_at"], seconds=True, date=True)),
    ]
    if cluster:
        pairs += [
            ("Accounts", count(cluster["members"])),
            ("Ties between them", count(cluster["ties"])),
            ("Kinds that stand on their own", count(cluster["independent"])),
            ("Close to each other", f"within {duration(1000 * cluster['within_s'])}"),
        ]
        if cluster["lag_s"]:
            pairs.append(("Constant delay", duration(1000 * cluster["lag_s"])))
        if cluster["known_group"]:
            pairs.append(("Known group", f"{cluster['known_group']} ({cluster['owner']})"))
        pairs.append(("Cluster", tag("code", cluster["cluster_id"])))
    if row:
        pairs.append(("Policy", row["policy_version"]))
    pairs.append(("Incident", tag("code", incident["incident_id"])))
    return card("The numbers", facts(pairs), key="numbers")


def _shared(cluster: Row | None) -> Html | None:
    """The objects that most members share."""
    if cluster is None or not cluster["object_values"]:
        return None
    columns = (cluster["object_kinds"], cluster["object_values"], cluster["object_accounts"])
    rows: list[list[Child]] = [
        [kind_name(kind), tag("bdi", value), count(accounts)]
        for kind, value, accounts in list(zip(*columns, strict=True))[:_MOST_OBJECTS]
    ]
    head = ("Kind", "Shared", "accounts")
    return card("What they share", table(head, rows, text=2), key="shared")


def _happened(changes: Sequence[Row], incident: Incident) -> Html:
    """Joins of one moment are one line."""
    steps: dict[tuple[int, str, str], list[str]] = {}
    for change in changes:
        reason = change["reason"] or change["other"]
        steps.setdefault((change["at"], change["what"], reason), []).append(change["account_id"])
    lines = [
        (at, f"{what.capitalize()}{_who(accounts)}{': ' + reason if reason else ''}")
        for (at, what, reason), accounts in steps.items()
    ]
    if not is_open(incident):
        lines.append((incident["last_seen_at"], "Resolved: silent for long enough"))
    items = [
        tag("li", tag("p", clock(at, seconds=True), class_="muted"), tag("p", text))
        for at, text in sorted(lines, key=lambda line: line[0])
    ]
    return card("What happened", tag("ol", items, class_="timeline"), key="happened")


def _who(accounts: Sequence[str]) -> str:
    named = [account for account in accounts if account]
    if not named:
        return ""
    return f" {named[0]}" if len(named) == 1 else f" {count(len(named))} accounts"


def _query(cluster: Row | None) -> Html | None:
    if cluster is None or not cluster["sql"]:
        return None
    return card(
        "The query behind these numbers",
        tag("pre", tag("code", cluster["sql"]), tabindex=0, id="sql"),
        tag("p", "Returns the joint actions as observed. Run it with pulse sql.", class_="muted"),
        tag("button", "Copy query", type="button", data_copy="sql", class_="button"),
        key="query",
    )
