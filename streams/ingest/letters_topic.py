"""Dead letters on their way to their topic, at least once; the stream waits for them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import faust.exceptions
from aiokafka.errors import KafkaError

from streams.broker.admin import MAX_MESSAGE_BYTES
from streams.events.letters import DeadLetter, letter_id
from streams.settings import Settings
from streams.status import Status

__all__ = ["LettersTopic"]

_log = logging.getLogger(__name__)
_FIRST_WAIT_S = 0.2
#: What of a dead letter fits into one message of its topic, beside headers and framing.
_LETTER_BYTES = MAX_MESSAGE_BYTES - 16 * 1024


class LettersTopic:
    """The topic of dead letters; `topic` is Faust's object for it."""

    def __init__(self, topic: Any, settings: Settings, stream_id: str, status: Status) -> None:
        self._topic = topic
        self._settings = settings
        self._stream_id = stream_id
        self._status = status

    async def send(self, letters: Sequence[DeadLetter], partition: int) -> None:
        """Under the key of their identity; tried until Kafka has them."""
        wait = _FIRST_WAIT_S
        while True:
            try:
                await self._try(letters, partition)
            except (KafkaError, faust.exceptions.FaustError) as error:
                self._status.broker = (
                    f"topic {self._settings.dead_letter_topic} does not take dead letters "
                    f"({type(error).__name__}); trying again"
                )
                _log.warning("%s in %.1f s", self._status.broker, wait)
                await asyncio.sleep(wait)
                wait = min(2 * wait, self._settings.retry_max)
            else:
                self._status.broker = ""
                return

    async def _try(self, letters: Sequence[DeadLetter], partition: int) -> None:
        sent = []
        for letter in letters:
            place = f"{self._settings.topic}/{partition}/{letter.offset}/{letter.line}"
            headers = {"place": place, "reason": letter.reason, "sentence": letter.sentence}
            if len(letter.content) > _LETTER_BYTES:
                headers["cut"] = (
                    f"{_LETTER_BYTES} of {len(letter.content)} bytes; the store has all"
                )
            future = await self._topic.send(
                key=letter_id(self._stream_id, partition, letter).encode(),
                value=letter.content[:_LETTER_BYTES],
                headers={key: text.encode() for key, text in headers.items()},
            )
            sent.append(future)
        await asyncio.gather(*sent)
