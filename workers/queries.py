"""The desk: answers queries and dry runs, one at a time, and never writes."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import structlog
from aio_pika.abc import AbstractIncomingMessage

from contracts.messages import Request
from handlers.admission import Arrival, Delivery, Limits, Refusal, admit
from handlers.asking import answer
from handlers.case import Asked, Rulebook
from handlers.decision import NotLoadedError, View
from handlers.letters import Letter
from outbox.publisher import Delivered, PublishFailedError
from outbox.record import OutboxRecord
from topology.catalog import contracts_of
from topology.naming import LIVE, Naming
from workers.engine import Admit
from workers.lane import delivery_of
from workers.loading import Loaded, Loader
from workers.pause import Pause
from workers.store.protocol import ReadStore, Unavailable
from workers.vault import Vault

log = structlog.get_logger()
ROUNDS_MAX: Final = 7
"""One more than a batch has: the desk reads keys when a value is asked for, and not beside it."""


@dataclass(slots=True)
class Desk:
    """Reads what a question looks at and lets the handler answer."""

    store: ReadStore
    vault: Vault
    rulebook: Rulebook
    limits: Limits
    clock: Callable[[], datetime]
    admit: Admit = admit
    """Reads a question; where there is a quota it counts it too."""
    _contracts: Mapping[str, type[Request]] = field(init=False)

    def __post_init__(self) -> None:
        """Look the contracts up once, not for each question."""
        self._contracts = contracts_of(self.rulebook.handlers)

    async def answer(self, delivery: Delivery) -> Letter | None:
        """The reply; None where there is nobody to tell. Raises Unavailable, or a handler's bug."""
        return await self.answer_to(self.admitted(delivery))

    def admitted(self, delivery: Delivery) -> Arrival | Refusal:
        """Say what a delivery is; it is counted, so that this is asked once."""
        return self.admit(delivery, self._contracts, self.limits)

    async def answer_to(self, arrival: Arrival | Refusal) -> Letter | None:
        """The reply, as often as it is asked for. Raises as `answer` does."""
        loader, loaded = Loader(self.store, self.vault, lazily=True), Loaded()
        now, asked = self.clock(), Asked()
        for round_number in range(ROUNDS_MAX):
            view = View(loaded.documents, may_ask=round_number < ROUNDS_MAX - 1)
            try:
                return answer(arrival, view, self.rulebook, now, asked)
            except NotLoadedError as wanted:
                await loader.read(wanted.keys, loaded)
        raise AssertionError("a question that may not ask does not ask")


@dataclass(frozen=True, slots=True)
class QueryWorker:
    """Takes questions from a queue; each is acked when its reply is confirmed.

    A bug of a handler costs one question: it is rejected, and the broker dead-letters it.
    """

    desk: Desk
    publish: Callable[[OutboxRecord], Awaitable[Delivered]]
    backoff_max_s: float
    naming: Naming = LIVE

    async def take(self, message: AbstractIncomingMessage) -> None:
        """Answer one question, however long an outage lasts."""
        pause, arrival = Pause(self.backoff_max_s), None
        while not message.channel.is_closed:
            try:
                # Whoever asked asked once, and the quota counts what is asked.
                arrival = arrival or self.desk.admitted(delivery_of(message, self.naming))
                letter = await self.desk.answer_to(arrival)
                if letter is not None:
                    for one in (letter, *letter.noted):
                        await self.publish(OutboxRecord.of(one, "query"))
            except (Unavailable, PublishFailedError) as error:
                log.warning("query.paused", type=message.routing_key, error=str(error))
                await pause.wait()
            except Exception:
                log.exception("query.failed", type=message.routing_key)
                await message.reject(requeue=False)
                return
            else:
                await message.ack()
                return
