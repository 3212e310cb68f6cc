"""Variables that several boards have, and the uids they link to each other by."""

from __future__ import annotations

from typing import Final

from dashboards.model.board import Variable
from dashboards.model.query import Column, Query

__all__ = [
    "ACCOUNT",
    "CLUSTERS",
    "COHORT",
    "CONTENT",
    "MODEL",
    "ONCALL",
    "ORG",
    "PIPELINE",
    "QUALITY",
    "QUOTAS",
    "UIDS",
    "VIEWED",
]

ONCALL: Final = "pulse-oncall"
ACCOUNT: Final = "pulse-account"
CLUSTERS: Final = "pulse-clusters"
CONTENT: Final = "pulse-content"
QUOTAS: Final = "pulse-quotas"
QUALITY: Final = "pulse-quality"
PIPELINE: Final = "pulse-pipeline"
UIDS: Final = (ONCALL, ACCOUNT, CLUSTERS, CONTENT, QUOTAS, QUALITY, PIPELINE)


def _listed(name: str, column: str, title: str, when: str = "") -> Variable:
    return Variable(
        name=name,
        title=title,
        query=Query(
            name=f"variable.{name}",
            sql=f"SELECT DISTINCT {column} AS {name} FROM events WHERE {column} != '' {when}"
            f"ORDER BY {name} LIMIT 1000",
            columns=(Column(name, "text"),),
            sentence=f"Every {title.lower()} that was seen{' in a day' if when else ''}.",
        ),
    )


#: There may be many organisations: those of a day are offered, any other can be typed.
_DAY: Final = "AND ts > $__toTime_ms - toIntervalDay(1) AND ts <= $__toTime_ms "
ORG: Final = _listed("org", "org_id", "Organisation", _DAY)
COHORT: Final = _listed("cohort", "use_case", "Approved use case")
MODEL: Final = _listed("model", "model", "Model")
#: What most boards can be narrowed to.
VIEWED: Final = (ORG, COHORT, MODEL)
