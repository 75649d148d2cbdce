"""The hop of dead letters: one message that cannot be sent does not keep those behind it."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from pamqp.commands import Basic

from contracts.dead import REPLAYED
from handlers.resent import DUE, Resent
from outbox.wire import Wire
from tests.builders import NOW
from tests.memory.broker import settled, until
from tests.memory.test_mailbox import Broker
from topology import names
from workers.pause import Pause
from workers.resending import Resending
from workers.store.memory import MemoryStore

LETTER = "20261129T170000000-0123456789abcdef0123456789abcdef"
MARK = {REPLAYED: LETTER}
LONG = "é" * 200
"""Fewer characters than a routing key has bytes, and more bytes."""


@dataclass
class Channel:
    """What the wire writes on: every piece is confirmed as soon as it is written."""

    is_closed: bool = False
    number: int = 1
    delivery_tag: int = 0
    max_content_size: int = 100_000
    confirmations: dict[int, Any] = field(default_factory=dict)
    message_id_delivery_tag: dict[str, int] = field(default_factory=dict)
    written: list[bytes] = field(default_factory=list)
    settled: list[tuple[str, int]] = field(default_factory=list)

    @property
    def write_queue(self) -> "Channel":
        return self

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().create_future()

    def create_task(self, work: Any) -> asyncio.Task[Any]:
        return asyncio.ensure_future(work)

    async def put(self, piece: Any) -> None:
        self.written.append(piece.payload)
        piece.drain_future.set_result(None)
        for confirm in self.confirmations.values():
            if not confirm.done():
                confirm.set_result(Basic.Ack())

    async def basic_ack(self, tag: int) -> None:
        self.settled.append(("ack", tag))

    async def basic_reject(self, tag: int, *, requeue: bool) -> None:
        assert not requeue
        self.settled.append(("reject", tag))


@dataclass
class Incoming:
    """A message of the hop's queue."""

    channel: Channel
    body: bytes
    delivery_tag: int


def hop(per_second: int = 10_000) -> Resending:
    parts: dict[str, Any] = {"store": None, "shares": None, "make_broker": None}
    return Resending(
        owner="me",
        make_wire=lambda channel: Wire(channel, "flex-replay", "application/json", 5),
        per_second=per_second,
        lease_s=1,
        backoff_max_s=1,
        clock=lambda: NOW,
        **parts,
    )


async def taken(*bodies: bytes) -> Channel:
    channel, resending = Channel(), hop()
    for tag, body in enumerate(bodies, 1):
        message: Any = Incoming(channel, body, tag)
        await resending.take(message)
    return channel


def packed(kind: str, **more: Any) -> bytes:
    return Resent(letter=LETTER, type=kind, account="USR-1", body=b"{}", **more).packed()


@pytest.mark.parametrize("kind", [LONG, "\ud800.v1"])
async def test_a_type_that_is_no_routing_key_goes_to_the_unrouted_and_the_next_is_sent(
    kind: str,
) -> None:
    channel = await taken(packed(kind), packed("trial.keep.v1"))
    first, second = channel.written
    assert channel.settled == [("ack", 1), ("ack", 2)]
    assert names.UNROUTED.encode() in first
    assert LETTER.encode() in first
    assert names.UNROUTED.encode() not in second
    assert b"trial.keep.v1" in second


@pytest.mark.parametrize("broken", [b"no json", b"[]", b'{"letter": "x"}', b'{"letter": 1}'])
async def test_what_names_no_letter_is_rejected_and_the_next_is_sent(broken: bytes) -> None:
    channel = await taken(broken, packed("trial.keep.v1"))
    assert channel.settled == [("reject", 1), ("ack", 2)]
    assert len(channel.written) == 1


@dataclass
class Prefetching(Channel):
    """A channel that has one delivery un-acked: with its ack the broker sends the next one."""

    next: Callable[[], Any] = lambda: None
    sent_at: list[float] = field(default_factory=list)

    async def put(self, piece: Any) -> None:
        self.sent_at.append(time.monotonic())
        await super().put(piece)

    async def basic_ack(self, tag: int) -> None:
        await super().basic_ack(tag)
        self.next()


async def test_no_more_are_sent_in_a_second_than_may_be() -> None:
    """Each delivery is a task of its own: what waits behind its ack holds up no other."""
    channel, resending, taking = Prefetching(), hop(per_second=20), list[asyncio.Task[None]]()
    waiting: list[Any] = [Incoming(channel, packed("trial.keep.v1"), n) for n in range(1, 6)]

    def deliver() -> None:
        if waiting:
            taking.append(asyncio.create_task(resending.take(waiting.pop(0))))

    channel.next = deliver
    began = time.monotonic()  # not when the first was written, which is a little after its turn
    deliver()
    await until(lambda: len(channel.settled) == 5)
    assert channel.sent_at[-1] - began >= 4 / 20


def due(early_s: float) -> bytes:
    said = str(round((NOW.timestamp() + early_s) * 1000))
    return packed("trial.keep.v1", headers={**MARK, DUE: said})


@pytest.mark.parametrize(("early_s", "waits_s"), [(0.05, 0.05), (3600, 0), (-5, 0)])
async def test_none_is_sent_before_it_is_due_and_a_clock_that_differs_stops_nobody(
    early_s: float, waits_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.resending.EARLY_S_MAX", 0.1)
    channel = Prefetching()
    message: Any = Incoming(channel, due(early_s), 1)
    began = time.monotonic()
    await hop().take(message)
    assert channel.settled == [("ack", 1)]
    assert waits_s <= channel.sent_at[0] - began < waits_s + 1
    assert not any(DUE.encode() in piece for piece in channel.written)


async def test_who_leaves_while_one_is_not_due_leaves_it_to_the_next_owner() -> None:
    channel, resending = Prefetching(), hop()
    message: Any = Incoming(channel, due(0.05), 1)
    taking = asyncio.create_task(resending.take(message))
    await settled()
    resending.give_way()
    await taking
    assert (channel.settled, channel.written) == ([], [])


def owned(resending: Resending) -> Callable[[], Awaitable[asyncio.Task[None]]]:
    """What has the hop own its queue, once after the other."""
    store = MemoryStore()
    resending.store, resending.make_broker = store, lambda: cast("Any", Broker([], lambda: None))

    async def own() -> asyncio.Task[None]:
        lease = await store.acquire(resending.name, "me", 60)
        assert lease is not None
        owning = asyncio.create_task(resending._own(lease, Pause(1)))
        await settled()
        return owning

    return own


async def test_what_a_former_owner_has_on_its_way_ends_nobody_else() -> None:
    """A connection that does not answer ends late, when the queue may be owned again long since."""
    resending, silent = hop(), Silent()
    own = owned(resending)
    former = await own()
    taking = await on_its_way(resending, silent)
    resending.give_way()
    await former
    owning = await own()
    silent.confirmations[1].set_exception(ConnectionError("lost"))
    await taking
    await settled()
    assert not owning.done()
    resending.give_way()
    await owning


async def test_the_end_of_what_a_former_owner_had_does_not_hide_that_one_is_on_its_way() -> None:
    resending, first, second = hop(), Silent(), Silent()
    own, busy = owned(resending), list[bool]()
    former = await own()
    taking = await on_its_way(resending, first)
    resending.give_way()
    await former
    busy.append(resending.is_busy)
    owning = await own()
    following = await on_its_way(resending, second)
    first.confirmations[1].set_exception(ConnectionError("lost"))
    await taking
    busy.append(resending.is_busy)
    second.confirmations[1].set_result(Basic.Ack())
    await following
    busy.append(resending.is_busy)
    assert busy == [False, True, False]
    resending.give_way()
    await owning


async def on_its_way(resending: Resending, silent: "Silent") -> asyncio.Task[None]:
    """Have one taken, as far as its confirm."""
    message: Any = Incoming(silent, packed("trial.keep.v1"), 1)
    taking = asyncio.create_task(resending.take(message))
    await until(lambda: bool(silent.confirmations))
    return taking


@dataclass
class Unwritten:
    """What can write nothing at all."""

    is_closed: bool = False

    def pass_on(self, *_: Any) -> asyncio.Future[Any]:
        raise ValueError("expected something else")


async def test_where_not_even_the_fact_can_be_sent_the_queue_is_left_and_taken_anew() -> None:
    """The broker delivers one at a time: un-acked, it would keep all others where they are."""
    resending, channel = hop(), Channel()
    resending.make_wire = lambda _channel: Unwritten()
    owning = await owned(resending)()
    message: Any = Incoming(channel, packed("trial.keep.v1", headers=MARK), 1)
    await resending.take(message)
    with pytest.raises(ConnectionError, match="expected something else"):
        await asyncio.wait_for(owning, 5)
    assert not channel.settled
    assert not resending.is_busy


@dataclass
class Silent(Channel):
    """A channel on which nothing is confirmed."""

    async def put(self, piece: Any) -> None:
        self.written.append(piece.payload)
        piece.drain_future.set_result(None)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (packed("trial.keep.v1", headers=MARK).replace(b"USR-1", b"x" * 300), None),
        (packed("trial.keep.v1", message_id="new").replace(b"USR-1", b"x" * 300), "new"),
        (packed("trial.keep.v1", headers=MARK).replace(b'"body"', b'"of a later release"'), None),
        # With these the broker would end the connection, each time that it comes.
        (packed("trial.keep.v1", headers={**MARK, "x": "y" * 120_000}), None),
    ],
)
async def test_what_cannot_be_sent_at_all_is_told_and_the_next_is_sent(
    broken: bytes, message: str | None
) -> None:
    channel = await taken(broken, packed("trial.keep.v1"))
    told, second = channel.written
    assert channel.settled == [("ack", 1), ("ack", 2)]
    assert names.REPLAY_FACTS.encode() in told
    assert b"dead.unsent.v1" in told
    body = told[told.index(b'{"') : told.rindex(b"}") + 1]
    said = json.loads(body)
    assert (said["source"], said["type"]) == ("urn:flexspine:backbone", "dead.unsent.v1")
    assert (said["data"]["id"], said["data"].get("message")) == (LETTER, message)
    assert said["data"]["exception"] in {"KeyError", "TypeError", "ValueError"}
    assert b"trial.keep.v1" in second
