"""The runbook with the query of every rule and panel, for people without a board at hand."""

from __future__ import annotations

from importlib.resources import files

from dashboards.boards.all import all_boards
from dashboards.rules.all import all_rules

__all__ = ["runbook_text"]


def runbook_text() -> str:
    """`dashboards/runbook.md`, then the rules with their thresholds, then every panel's query."""
    parts = [files("dashboards").joinpath("runbook.md").read_text(encoding="utf-8").rstrip()]
    parts.append("## The queries behind the rules {#queries}")
    for rule in all_rules():
        sense = "below" if rule.below else "at or above"
        wait = f", for {rule.for_s} s" if rule.for_s else ""
        parts.append(f"**{rule.title}** ({rule.severity}): {rule.query.sentence}")
        parts.append(f"Fires {sense} {rule.threshold:g}{wait}, over the last {rule.span_s} s.")
        parts.append(f"```sql\n{rule.query.sql}\n```")
    parts.append("## The queries behind the boards {#panels}")
    seen = set()
    for board in all_boards():
        for panel in board.panels:
            query = panel.query
            if query.name in seen:
                continue
            seen.add(query.name)
            parts.append(f"**{board.title}: {panel.title}**. {query.sentence}")
            parts.append(f"```sql\n{query.sql}\n```")
    return "\n\n".join(parts) + "\n"
