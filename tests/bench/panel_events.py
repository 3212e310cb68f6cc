"""Events for the panels' benchmark, made inside ClickHouse: two weeks of 100,000 accounts.

One INSERT is one hour, and feeds the roll-ups as an insert of the worker does. What is real about
it: shares of the accounts follow Zipf's law with exponent 1.1 (as in `tests.bench.traffic`), the
fleet has a day and a night, an account is silent in two thirds of its ten-minute steps (half to
70 % in the ServeGen traces), and every account has its own organisation, keys, use case, model,
templates and addresses, as in `streams.traffic.simulate.roster`.
"""

from __future__ import annotations

import math
from typing import Final

from streams.events.schema import MODERATION_CATEGORIES
from streams.storage.base import Parameters, Store, expand
from streams.storage.chdb_store import INSERT_SETTINGS

__all__ = ["HOUR_MS", "account", "hours", "insert_hour"]

HOUR_MS: Final = 3_600_000
_EXPONENT: Final = 1.1
_MODELS: Final = ("large-3", "medium-3", "small-3", "small-3-mini")
_USE_CASES: Final = (
    *("support", "coding", "search", "education", "marketing", "analytics", "translation"),
)
_COUNTRIES: Final = ("US", "US", "US", "IN", "DE", "GB", "FR", "BR", "JP", "CA", "NL", "PL")
_AGENTS: Final = ("python-sdk/1.93.0", "node-sdk/5.8.2", "curl/8.5.0", "java-sdk/2.1.0")
#: What an account's number is hashed with decides its organisation, model and use case.
_SQL: Final = """
INSERT INTO events (event_id, ts, account_id, org_id, key_id, end_user, endpoint, model, status,
    error, prompt_tokens, completion_tokens, max_tokens, latency_ms, stream, ip_hash, network,
    country, user_agent, payment, account_created_at, use_case, quota_used, template, bands,
    moderation, stream_id, kafka_partition, kafka_offset, line, tick, late, arrived_at)
WITH
    {accounts} AS accounts,
    cityHash64(number, 1) AS a, cityHash64(number, 2) AS b, cityHash64(number, 3) AS c,
    intDiv(a, 2048) / 9007199254740992 AS u,
    -- Zipf's law by its inverse: 1 is the busiest.
    toUInt32(least(accounts, pow(1 - u * (1 - pow(accounts + 1, {slope})), 1 / {slope}))) AS who,
    cityHash64(who, 7) AS own,
    -- Two of the six ten-minute steps of an hour have something.
    cityHash64(who, {hour}, b % 2) % 6 AS step,
    fromUnixTimestamp64Milli(toInt64({hour} + step * 600000 + b % 600000), 'UTC') AS at,
    intDiv(b, 1000) % 12 * (intDiv(b, 7000) % 12) / 12 AS session,
    cityHash64(who, toUInt32(session), 8) AS place,
    multiIf(a % 1000 < 955, 200, a % 1000 < 980, 429, a % 1000 < 992, 400, 500) AS code,
    if(code = 200, if(intDiv(c, 64) % 100 < 15, 1 + c % 32, 33 + c % 900), 0) AS output,
    pow(intDiv(c, 4096) % 1000 / 1000, 2.5) * 32 AS template_number,
    cityHash64(who, toUInt32(template_number), 9) AS text,
    own % 997 = 0 AS spams,
    array{categories} AS names, if(spams, 6, a % 8) AS base
SELECT
    concat('b', lower(hex(number))), at, concat('acct-', lower(hex(who))),
    concat('org-', lower(hex(intDiv(who, 4)))),
    concat('key-', lower(hex(who)), '-', toString(b % 2 + if(who % 89 = 0, c % 7, 0))),
    concat('u-', lower(substring(hex(place), 1, 8))),
    if(own % 20 = 0, 'text_completion', 'chat'), array{models}[1 + own % 4], code,
    multiIf(code = 429, 'rate_limited', code = 400, 'invalid', code = 500, 'server', ''),
    20 + a % 3000, output, 1024, 180 + output * (6 + b % 12), place % 16 < 10,
    lower(hex(place)), concat('AS', toString(place % 3000)), array{countries}[1 + place % 12],
    array{agents}[1 + place % 4], lower(hex(own)),
    fromUnixTimestamp64Milli(toInt64({hour} - 86400000 - own % 31536000000), 'UTC'),
    array{use_cases}[1 + intDiv(own, 16) % 7],
    toFloat32(own % 110 / 100 * (0.1 + 0.9 * ({hour} % 86400000) / 86400000)) AS quota,
    lower(hex(text)), arrayMap(n -> substring(lower(hex(cityHash64(text, n))), 1, 8), range(4)),
    map(
        names[1 + base], toFloat32(round(
            if(spams, 0.4 + c % 55 / 100, pow(intDiv(a, 11) % 1000 / 1000, 170)), 4)),
        names[1 + (base + 3) % 8], toFloat32(round(pow(intDiv(b, 11) % 1000 / 1000, 170), 4)),
        names[1 + (base + 5) % 8], toFloat32(round(pow(intDiv(c, 11) % 1000 / 1000, 170), 4))
    ),
    'bench', who % 4, number, 0, at + toIntervalSecond(5), 0,
    fromUnixTimestamp64Milli(
        least(toUnixTimestamp64Milli(at) + 800, toInt64({hour} + 3599999)), 'UTC')
FROM numbers({first}, {count})
SETTINGS {settings}"""


def account(number: int) -> str:
    """Name of an account, 1 being the busiest."""
    text = f"{number:x}"
    return f"acct-{'0' * (len(text) % 2)}{text}"  # whole bytes, as ClickHouse's hex()


def hours(events: int, end_ms: int, days: int) -> list[tuple[int, int]]:
    """Start (epoch ms) and events of every hour; nights have a third of the days' events."""
    starts = range(end_ms - days * 24 * HOUR_MS, end_ms, HOUR_MS)
    weights = [1 + 0.5 * math.sin((at / HOUR_MS % 24 - 8) / 24 * 2 * math.pi) for at in starts]
    shares = [events * weight / sum(weights) for weight in weights]
    counts, given = [], 0.0
    for share in shares:
        counts.append(int(given + share) - int(given))
        given += share
    return list(zip(starts, counts, strict=True))


def insert_hour(store: Store, start: int, first: int, count: int, accounts: int) -> None:
    """The events `first` to `first + count` lie in the hour from `start` (epoch ms)."""
    parameters: Parameters = {
        "accounts": accounts,
        "slope": 1 - _EXPONENT,
        "hour": start,
        "first": first,
        "count": count,
        "categories": list(MODERATION_CATEGORIES),
        "models": list(_MODELS),
        "use_cases": list(_USE_CASES),
        "countries": list(_COUNTRIES),
        "agents": list(_AGENTS),
    }
    settings = ", ".join(f"{name} = {value}" for name, value in INSERT_SETTINGS.items())
    store.command(expand(_SQL.replace("{settings}", settings), parameters))
