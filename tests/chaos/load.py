"""The load: writers that send through every fault, each the only one of its asset."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from random import Random
from typing import Any, Final
from uuid import UUID

from contracts.envelope import user_urn
from tests.builders import issued
from tests.chaos.observed import Event, Kind, Known, Observed, Reply, Sent, plain
from tests.chaos.party import Sender
from tests.spine import asset, user

REGISTER: Final = "asset.register.v1"
UPDATE: Final = "asset.update.v1"
BEHALF: Final = "user.register.v1"
UNKNOWN: Final = "asset.paint.v1"
WEIGHTS: Final[Mapping[Kind, int]] = {
    "register": 34,
    "update": 46,
    "behalf": 4,
    "again": 6,
    "reuse": 3,
    "broken": 3,
    "missing": 2,
    "undecodable": 1,
    "unknown": 1,
}
REMEMBERED_MAX: Final = 50
"""How many of its last commands a writer may send again."""
ABSENT: Final = issued("BAT", 7)
"""An asset's id that nobody was given."""
POLL_S: Final = 0.02


class Record:
    """What was sent and heard so far, and how much of it is still unanswered."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.observed = Observed()
        self.open: set[Known] = set()
        self.allowed = 0
        """How many messages may have been sent by now."""
        self.total = 0
        """How many there will be."""
        self.backlog_max = 0
        self._first: dict[Known, Reply] = {}
        self._waiting: dict[Known, asyncio.Future[Reply]] = {}

    def begin(self, sent: Sent, body: bytes) -> None:
        """Note a message before it is published for the first time."""
        self.observed.sent.append(sent)
        self.observed.bodies[sent.digest] = body
        if sent.known not in self._first:
            self.open.add(sent.known)

    def hear_reply(self, recipient: str) -> Callable[[bytes], None]:
        """What takes the messages of one user's queues; what answers nothing is no reply."""

        def hear(body: bytes) -> None:
            if b'"correlationid"' in body:
                self.take(Reply.read(recipient, body))

        return hear

    def take(self, reply: Reply) -> None:
        self.observed.replies.append(reply)
        if self._first.setdefault(reply.known, reply) is reply:
            self.open.discard(reply.known)
            if (waiting := self._waiting.pop(reply.known, None)) is not None:
                waiting.set_result(reply)

    def hear_event(self, body: bytes) -> None:
        """Take what says of a change; an attempt or an access changes nothing."""
        if "revision" in json.loads(body)["data"]:
            self.observed.events.append(Event.read(body))

    async def reply(self, sent: Sent) -> Reply:
        """The first answer to a command."""
        if (found := self._first.get(sent.known)) is not None:
            return found
        waiting = self._waiting.setdefault(sent.known, asyncio.get_running_loop().create_future())
        return await waiting

    @property
    def sent(self) -> int:
        return len(self.observed.sent)

    @property
    def heard(self) -> int:
        """How many messages have come."""
        return len(self.observed.replies) + len(self.observed.events)

    def answered_since(self, first: int) -> int:
        """How many of the messages from that one on have an answer."""
        return sum(sent.known in self._first for sent in self.observed.sent[first:])

    async def turn(self) -> bool:
        """Wait for the right to send one more; false when there is no more to send."""
        while self.sent >= self.allowed or len(self.open) >= self.backlog_max:
            if self.sent >= self.total:
                return False
            await asyncio.sleep(POLL_S)
        return True


@dataclass(slots=True)
class Writer:
    """Sends one message after the other, each when the one before is confirmed.

    That fixes the order of what it sends, so that its updates of its asset have one right end.
    """

    sender: Sender
    record: Record
    random: Random
    _asset: str = ""
    _value: int = 0
    _past: deque[tuple[Sent, bytes]] = field(default_factory=lambda: deque(maxlen=REMEMBERED_MAX))

    async def begin(self) -> None:
        """Register the asset that this writer updates."""
        sent = await self._send("register")
        reply = await self.record.reply(sent)
        self._asset = str(reply.entity)

    async def run(self) -> None:
        """Send until there is no more to send."""
        kinds, weights = list(WEIGHTS), list(WEIGHTS.values())
        while await self.record.turn():
            await self._send(self.random.choices(kinds, weights)[0])

    async def _send(self, kind: Kind) -> Sent:
        sent, body = self._made(kind)
        message_id = sent.id if kind == "undecodable" else self._id()
        self.record.begin(sent, body)
        await self.sender.publish(body, sent.type, message_id)
        sent.confirmed = True
        if kind in {"register", "update", "behalf", "broken", "missing"}:
            self._past.append((sent, body))
        return sent

    def _made(self, kind: Kind) -> tuple[Sent, bytes]:
        match kind:
            case "again":
                first, body = self.random.choice(self._past)
                return self._sent(kind, first.type, body, first.id), body
            case "reuse":
                first, body = self.random.choice(self._past)
                # One attribute more makes other bytes, as valid under an id of their own.
                other = plain(json.loads(body) | {"subject": self._id()})
                return self._sent(kind, first.type, other, first.id), other
            case "undecodable":
                command = self._id()
                body = f"no JSON {command}".encode()
                return self._sent(kind, REGISTER, body, command), body
        key, data, more = self._content(kind)
        command = self._id()
        about = {name: more.pop(name) for name in ("entity", "value", "serial") if name in more}
        body = plain(self._envelope(command, key, data) | more)
        sent = self._sent(kind, key, body, command)
        for name, value in about.items():
            setattr(sent, name, value)
        return sent, body

    def _content(self, kind: Kind) -> tuple[str, Mapping[str, Any], dict[str, Any]]:
        """Routing key and data of a new command, and what else there is to say of it."""
        serial = self._id()
        if kind == "update":
            self._value += 1
            data = {"id": self._asset, "capability": {"power_kw": self._value}}
            return UPDATE, data, {"entity": self._asset, "value": self._value}
        if kind == "missing":
            return UPDATE, {"id": ABSENT, "capability": {"power_kw": 1}}, {}
        if kind == "behalf":
            return BEHALF, user(name=f"Party {serial}"), {"onbehalfof": serial}
        if kind == "broken":
            return REGISTER, asset(serial, colour="green"), {}
        if kind == "unknown":
            return UNKNOWN, {}, {}
        data = asset(serial, capability={"power_kw": 100_000 + self.random.randrange(1000)})
        return REGISTER, data, {"serial": serial}

    def _sent(self, kind: Kind, key: str, body: bytes, command: str) -> Sent:
        return Sent(self.sender.user, command, key, kind, sha256(body).digest())

    def _envelope(self, command: str, kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "specversion": "1.0",
            "id": command,
            "source": user_urn(self.sender.user),
            "type": kind,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "data": data,
        }

    def _id(self) -> str:
        """An id that is the same for the same seed."""
        return str(UUID(int=self.random.getrandbits(128), version=4))
