"""What one API usage event is: the only definition; decoder, table and documentation follow it.

First stage of the flow. An event never carries prompt text: `template`, `bands`, `ip_hash`,
`network` and `payment` are keyed fingerprints (HMAC) made at the edge.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

__all__ = ["MAX_EVENT_BYTES", "MAX_MESSAGE_BYTES", "MODERATION_CATEGORIES", "Event", "Heartbeat"]

MAX_MESSAGE_BYTES: Final = 1024 * 1024
MAX_EVENT_BYTES: Final = 64 * 1024
MAX_COUNT: Final = 2**32 - 1
#: More than any model takes; the sums of a bucket stay within 32 bits for hundreds of such events.
MAX_TOKENS: Final = 10_000_000
LATEST_MS: Final = 7_258_118_399_999  # the end of 2199

#: Categories the rolling features follow; any other category is stored and queryable all the same.
MODERATION_CATEGORIES: Final = (
    "hate",
    "harassment",
    "self_harm",
    "sexual",
    "violence",
    "illicit",
    "medical_spam",
    "political_persuasion",
)


def _meta(meaning: str, unit: str = "", otel: str = "", **limits: Any) -> Meta:
    return Meta(description=meaning, extra={"unit": unit, "otel": otel}, **limits)


Id = Annotated[str, Meta(min_length=1, max_length=256)]
OptionalId = Annotated[str, Meta(max_length=256)]
Word = Annotated[str, Meta(max_length=256)]
Text = Annotated[str, Meta(max_length=1024)]
Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
Tokens = Annotated[int, Meta(ge=0, le=MAX_TOKENS)]
Fingerprint = Annotated[str, Meta(max_length=64)]
Score = Annotated[float, Meta(ge=0.0, le=1.0)]
Time = int | datetime


class Event(msgspec.Struct, kw_only=True, gc=False, forbid_unknown_fields=True):
    """One request to a language-model API, as the gateway saw it.

    `event_id`, `ts` and `account_id` are required. Times are epoch milliseconds or RFC 3339.
    Names follow OpenTelemetry's GenAI conventions where one exists (third column of the table in
    docs/events.md). Unknown fields are not refused: the decoder keeps them in the column `extra`.
    """

    event_id: Annotated[Id, _meta("unique within the account; the first one counts")]
    ts: Annotated[Time, _meta("when the request was made", "epoch ms or RFC 3339", "timestamp")]
    account_id: Annotated[Id, _meta("who is billed; the Kafka key", otel="enduser.account")]
    org_id: Annotated[OptionalId, _meta("organisation the account belongs to")] = ""
    key_id: Annotated[OptionalId, _meta("API key, by its public name")] = ""
    end_user: Annotated[OptionalId, _meta("the customer's own user", otel="user.id")] = ""
    endpoint: Annotated[Word, _meta("operation", otel="gen_ai.operation.name")] = ""
    model: Annotated[Word, _meta("model asked for", otel="gen_ai.request.model")] = ""
    status: Annotated[int, _meta("HTTP status", otel="http.response.status_code", ge=0, le=999)] = (
        200
    )
    error: Annotated[Word, _meta("class of error, empty when none", otel="error.type")] = ""
    prompt_tokens: Annotated[
        Tokens, _meta("input tokens", "tokens", "gen_ai.usage.input_tokens")
    ] = 0
    completion_tokens: Annotated[
        Tokens, _meta("output tokens", "tokens", "gen_ai.usage.output_tokens")
    ] = 0
    max_tokens: Annotated[
        Tokens, _meta("output tokens allowed", "tokens", "gen_ai.request.max_tokens")
    ] = 0
    latency_ms: Annotated[Count, _meta("time to the last byte", "ms")] = 0
    stream: Annotated[bool, _meta("response was streamed")] = False
    ip_hash: Annotated[Fingerprint, _meta("keyed hash of the address", otel="client.address")] = ""
    network: Annotated[Fingerprint, _meta("keyed hash or number of the network")] = ""
    country: Annotated[Word, _meta("ISO 3166 code", otel="geo.country.iso_code")] = ""
    user_agent: Annotated[Text, _meta("client software", otel="user_agent.original")] = ""
    payment: Annotated[Fingerprint, _meta("keyed hash of the payment means")] = ""
    account_created_at: Annotated[
        Time, _meta("when the account signed up, 0 when unknown", "epoch ms or RFC 3339")
    ] = 0
    use_case: Annotated[Word, _meta("approved use case of the account")] = ""
    quota_used: Annotated[
        float,
        _meta(
            "share of the account's quota in use, as the gateway saw it", "ratio", ge=0.0, le=1e6
        ),
    ] = 0.0
    template: Annotated[
        Fingerprint, _meta("64-bit SimHash of the prompt without its variable parts, in hex")
    ] = ""
    bands: Annotated[
        list[Fingerprint], _meta("MinHash bands of the prompt, in hex", max_length=64)
    ] = msgspec.field(default_factory=list)
    moderation: Annotated[
        dict[Word, Score],
        _meta("classifier scores by category, an open map", "0..1", max_length=64),
    ] = msgspec.field(default_factory=dict)


class Heartbeat(msgspec.Struct, kw_only=True, gc=False, forbid_unknown_fields=True):
    """Lets event time pass in a silent partition: moves the watermark, is not stored."""

    heartbeat: Annotated[int, _meta("the time that has come", "epoch ms", ge=0, le=LATEST_MS)]
