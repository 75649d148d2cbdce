"""A broken engine for each thing that the promises rest on, and a schedule that shows it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from aio_pika.abc import AbstractIncomingMessage

from handlers.admission import Delivery
from handlers.case import Outcome
from outbox.publisher import Delivered, PublishFailedError
from outbox.record import PARTITIONS, OutboxRecord
from tests.decider import VAULT
from tests.model.broker import DELIVERY_COUNT
from tests.model.load import add, crash, join
from tests.model.play import Parts, Plan
from tests.model.process import LATE_S, LEASE_S, Process
from tests.model.promises import Promise
from tests.model.store import Act, Fault, ModelStore, Point
from workers.engine import Engine
from workers.lane import Feed, Lane, delivery_of
from workers.store.codec import decode, encode_row, key_of
from workers.store.protocol import Commit, Key, Unavailable


class AckFirst(Lane):
    """Acks a batch before it is committed."""

    async def run(self) -> None:
        while True:
            if await self._arrival():
                await self._linger()
            if self._stopping:
                return
            batches = self._take()
            for batch in filter(None, batches):
                last = batch[-1]
                await last.channel.basic_ack(int(last.delivery_tag or 0), multiple=True)
            await self.process([delivery_of(m) for batch in batches for m in batch])


class Unsorted(Lane):
    """Takes deliveries as they come, whatever their tags say."""

    def _submit(self, feed: Feed, message: AbstractIncomingMessage) -> None:
        if message.channel is not feed._channel:
            feed.ready.clear()
        feed._channel, feed._next = message.channel, int(message.delivery_tag or 0)
        super()._submit(feed, message)


class TakesUnknownForDone(Engine):
    """Believes that a commit happened where the database did not say so."""

    async def run(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        try:
            return await super().run(deliveries)
        except Unavailable:
            return ()


class SkipsRedelivered(Engine):
    """Believes that what is delivered again was decided the first time."""

    async def run(self, deliveries: Sequence[Delivery]) -> Sequence[Outcome]:
        return await super().run([d for d in deliveries if DELIVERY_COUNT not in (d.headers or {})])


class Fenceless(ModelStore):
    """Lets anybody commit in any lane."""

    def _fence(self, commit: Commit) -> Any:
        return self._lanes[commit.lane]


class Forgetful(ModelStore):
    """Remembers no command."""

    async def load(
        self, keys: Mapping[str, Collection[Key]]
    ) -> Mapping[str, Mapping[Key, Mapping[str, Any]]]:
        return {**await super().load(keys), "inbox": {}}

    async def commit(self, commit: Commit) -> None:
        known = self._documents.get("inbox", {})
        fresh = [
            row
            for row in commit.inserts.get("inbox", ())
            if key_of(decode(row)["_id"]) not in known
        ]
        await super().commit(replace(commit, inserts={**commit.inserts, "inbox": fresh}))


class Blind(ModelStore):
    """Overwrites a document whatever its revision is by now."""

    def _expect(
        self, name: str, key: Key, _revision: int | None, staged: dict[Key, bytes | None]
    ) -> None:
        super()._expect(name, key, None, staged)


class Unguarded(ModelStore):
    """Checks nothing that was decisive and is not written."""

    async def commit(self, commit: Commit) -> None:
        await super().commit(replace(commit, guards={}))


class PublishesFirst(ModelStore):
    """Publishes events and replies, then commits."""

    async def commit(self, commit: Commit) -> None:
        self._publish(commit)
        await super().commit(_without_outbox(commit))

    def _publish(self, commit: Commit) -> None:
        for row in commit.inserts.get("outbox", ()):
            self.host.deliver(OutboxRecord.of_row(decode(row), VAULT.open_transit))


class PublishesAfterwards(PublishesFirst):
    """Commits, then publishes events and replies."""

    async def commit(self, commit: Commit) -> None:
        await ModelStore.commit(self, _without_outbox(commit))
        self._publish(commit)


def _without_outbox(commit: Commit) -> Commit:
    return replace(commit, inserts={n: r for n, r in commit.inserts.items() if n != "outbox"})


class LeasesRecords(ModelStore):
    """Lends a row of the outbox to one relay at a time, whoever has its neighbours."""

    async def pending(
        self, partitions: Collection[int], limit: int, after: str = ""
    ) -> Sequence[Mapping[str, Any]]:
        lent, now, me = self._documents.setdefault("lent", {}), self._clock(), id(self)
        free = []
        for row in await super().pending(partitions, 1_000, after):
            lease = decode(lent[row["_id"]]) if row["_id"] in lent else None
            if lease is None or lease["until"] <= now or lease["by"] == me:
                free.append(row)
        for row in free[:limit]:
            lent[row["_id"]] = encode_row({"by": me, "until": now + LEASE_S})
        return free[:limit]


class RemembersFirst(ModelStore):
    """Writes to the inbox in a transaction of its own, before the rest."""

    async def commit(self, commit: Commit) -> None:
        remembered = commit.inserts.get("inbox", ())
        for row in remembered:
            self._documents.setdefault("inbox", {})[key_of(decode(row)["_id"])] = row
        rest = {name: rows for name, rows in commit.inserts.items() if name != "inbox"}
        await super().commit(replace(commit, inserts=rest))


class SendsEverything(Process):
    """Sends rows of every partition, whoever has its lease."""

    def partitions(self) -> Mapping[int, int]:
        return dict.fromkeys(range(PARTITIONS), 1)


class MarksFirst(Process):
    """Deletes a row of the outbox, then publishes it."""

    async def publish(self, record: OutboxRecord) -> Delivered:
        await self.store.forget([record.id])
        return await super().publish(record)


class GoesOn(Process):
    """Tries a failed publish again in the background, while the entity's next rows leave."""

    async def publish(self, record: OutboxRecord) -> Delivered:
        try:
            return await super().publish(record)
        except PublishFailedError:
            self.model.later(LATE_S, lambda: self.deliver(record))
            return Delivered.DELIVERED


def _blocks_nobody(*_given: object) -> bool:
    """Nobody who waits is in anybody's way."""
    return False


def _gives_up_nothing(*_given: object) -> None:
    """What is in hand stays there."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """What is wrong, how it comes to light, and what is found then."""

    name: str
    wrong: str
    parts: Parts
    happens: str
    plan: Plan
    breaks: frozenset[Promise]


def _broken(*promises: Promise) -> frozenset[Promise]:
    return frozenset(promises)


LANE: Final = "workers.mailbox.Lane"
PARKING: Final = "handlers.parking.Parking.blocks"
GIVE_UP: Final = "outbox.handover.Handover.give_up"
TWO: Final = [add("a", "1"), add("a", "2")]
SIX: Final = [add("a", str(n)) for n in range(6)]
LONG: Final = [add("b", str(n), at=0.3 * n) for n in range(30)]
"""Commands for as long as it takes until another process has mailbox and partitions."""

MUTATIONS: Final = (
    Mutation(
        "ack before commit",
        "The batch is acked, then committed.",
        Parts(replaced={LANE: AckFirst}),
        "The process is killed before the commit.",
        Plan(TWO, [Fault(Point.BEFORE_COMMIT, 1, Act.CRASH)]),
        _broken(Promise.KEPT, Promise.ONCE, Promise.ANSWERED),
    ),
    Mutation(
        "no fence",
        "The commit looks at neither epoch nor batch of its lane.",
        Parts(store=Fenceless),
        "The process stands still before a commit; its successor decides the same messages.",
        Plan(TWO, [Fault(Point.BEFORE_COMMIT, 1, Act.STEAL)]),
        _broken(Promise.FENCED),
    ),
    Mutation(
        "no inbox",
        "Nobody remembers which commands were decided.",
        Parts(store=Forgetful),
        "The process is killed between commit and ack.",
        Plan(TWO, [Fault(Point.AFTER_COMMIT, 1, Act.CRASH)]),
        _broken(Promise.ONCE, Promise.ANSWERED),
    ),
    Mutation(
        "inbox in a transaction of its own",
        "Commands are remembered, then committed.",
        Parts(store=RemembersFirst),
        "The process is killed between the two.",
        Plan(TWO, [Fault(Point.BEFORE_COMMIT, 1, Act.CRASH)]),
        _broken(Promise.ONCE, Promise.ANSWERED),
    ),
    Mutation(
        "records leased one by one",
        "Two relays share the rows of an entity.",
        Parts(store=LeasesRecords, process=SendsEverything),
        "One relay stands still with the first row; the other sends the second.",
        Plan(TWO, [Fault(Point.BEFORE_PUBLISH, 1, Act.FREEZE)], batch=1, page=1),
        _broken(Promise.ORDER),
    ),
    Mutation(
        "publish before commit",
        "Events leave, then their change is committed.",
        Parts(store=PublishesFirst),
        "The process is killed before the commit.",
        Plan(TWO, [Fault(Point.BEFORE_COMMIT, 1, Act.CRASH)]),
        _broken(Promise.EVENTS, Promise.ANSWERED),
    ),
    Mutation(
        "publish after commit",
        "The change is committed, then its events leave, without an outbox.",
        Parts(store=PublishesAfterwards),
        "The process is killed after the commit.",
        Plan(TWO, [Fault(Point.AFTER_COMMIT, 1, Act.CRASH)]),
        _broken(Promise.EVENTS),
    ),
    Mutation(
        "mark before confirm",
        "The relay deletes a row, then publishes it.",
        Parts(process=MarksFirst),
        "The broker refuses a publish.",
        Plan(TWO, [Fault(Point.BEFORE_PUBLISH, 1, Act.REFUSED)]),
        _broken(Promise.EVENTS, Promise.ORDER),
    ),
    Mutation(
        "entity goes on after a failure",
        "A failed publish is tried again in the background, while the entity's next rows leave.",
        Parts(process=GoesOn),
        "The broker refuses a publish.",
        Plan(TWO, [Fault(Point.BEFORE_PUBLISH, 1, Act.REFUSED)]),
        _broken(Promise.ORDER),
    ),
    Mutation(
        "lane does not sort by tag",
        "Deliveries are taken as their tasks come, and acked up to the last of the batch.",
        Parts(replaced={LANE: Unsorted}),
        "The second delivery overtakes the first; the process is killed between two batches.",
        Plan(TWO, [Fault(Point.BEFORE_COMMIT, 2, Act.CRASH)], batch=1, hops=(3, 0)),
        _broken(Promise.KEPT, Promise.ONCE, Promise.ANSWERED),
    ),
    Mutation(
        "revisions ignored",
        "A document is overwritten whatever its revision is by now.",
        Parts(store=Blind),
        "Two lanes write the same document at the same time.",
        Plan([add("x", "0"), add("x", "1", at=1), add("x", "2", queue=1, at=1)]),
        _broken(Promise.ONCE, Promise.EVENTS),
    ),
    Mutation(
        "guards ignored",
        "A document that was decisive may change before the commit.",
        Parts(store=Unguarded),
        "Two lanes put two marks into each other at the same time.",
        Plan(
            [
                add("x", "0"),
                add("y", "1", queue=1),
                join("x", "y", "2", at=1),
                join("y", "x", "3", queue=1, at=1),
            ]
        ),
        _broken(Promise.GUARDED),
    ),
    Mutation(
        "parked commands are overtaken",
        "What comes later is decided though one before it waits for another attempt.",
        Parts(replaced={PARKING: _blocks_nobody}),
        "The first command of a batch loses against other commits.",
        Plan(SIX, [Fault(Point.BEFORE_COMMIT, 1, Act.LOSE)], batch=2),
        _broken(Promise.ORDER),
    ),
    Mutation(
        "unknown taken for done",
        "A commit that the database did not answer is believed to have happened.",
        Parts(engine=TakesUnknownForDone),
        "The database is away before the commit.",
        Plan(TWO, [Fault(Point.BEFORE_COMMIT, 1, Act.OUTAGE)]),
        _broken(Promise.KEPT, Promise.ONCE, Promise.ANSWERED),
    ),
    Mutation(
        "redelivered taken for done",
        "What the broker delivers again is believed to be decided.",
        Parts(engine=SkipsRedelivered),
        "The process is killed before the commit.",
        Plan(TWO, [Fault(Point.BEFORE_COMMIT, 1, Act.CRASH)]),
        _broken(Promise.KEPT, Promise.ONCE, Promise.ANSWERED),
    ),
    Mutation(
        "channel left open",
        "A mailbox that gives way cancels its consumer and keeps the channel.",
        Parts(closes=False),
        "Its lane is taken over while it holds messages that are not acked.",
        Plan([*SIX, crash("a", "k")], [Fault(Point.BEFORE_COMMIT, 1, Act.FREEZE)], batch=1),
        _broken(Promise.ORDER),
    ),
    Mutation(
        "hand kept when partitions come in",
        "What is in hand is sent although something of another's may wait in the store.",
        Parts(replaced={GIVE_UP: _gives_up_nothing}),
        "The process is killed after a commit; another has its mailbox first, then its partitions.",
        Plan(LONG, [Fault(Point.AFTER_COMMIT, 8, Act.CRASH)], batch=1, page=20),
        _broken(Promise.ORDER),
    ),
)


def table() -> str:
    """The mutations as rows of a page."""
    head = "| What is wrong | What happens then | Promises found broken |\n|---|---|---|\n"
    return head + "".join(
        f"| **{m.name}**: {m.wrong} | {m.happens} | {_listed(m.breaks)} |\n" for m in MUTATIONS
    )


def _listed(promises: frozenset[Promise]) -> str:
    return ", ".join(promise for promise in Promise if promise in promises)
