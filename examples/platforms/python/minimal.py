"""A complete minimal platform: AMQP alone, and what your own program has to remember.

    pip install aio-pika
    python minimal.py 'amqp://USR-...:key@host:5672/vhost' state.json
Standard input stands for your program: a line `{"type": ..., "data": ...}` is a wish of it.
Standard output is what it would act on: `{"reply": ...}` and `{"event": ...}`, events in order,
and `{"refused": ...}` for a wish whose type the broker does not let this account send.
It ends when its input has ended and every command has its answer.
"""

import asyncio
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage
from aio_pika.exceptions import AMQPError, ChannelInvalidStateError

Envelope = dict[str, Any]

REPLAY, ENDED = "event.replay.v1", "event.replay-ended.v1"
AGAIN_S = 6  # The next replay may be asked for five seconds after the end of the last one.
ADVICE = "Nobody has it. Compare its type with those that your role may send, and send it anew."
# The second one is no AMQPError: it comes from a channel that has just been closed.
FAULTS = (AMQPError, ChannelInvalidStateError, ConnectionError, TimeoutError)


class State:
    """What must survive the end of this program; in yours it is a table of its database."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last = 0  # Sequence up to which every event has been acted on.
        self.ahead: dict[str, Any] = {}  # Sequence -> event behind a gap, until that is closed.
        self.ids: list[str] = []  # The events that came last, by their ids.
        self.waiting: dict[str, list[str]] = {}  # Command's id -> type and bytes, until answered.
        if path.exists():
            vars(self).update(json.loads(path.read_text("utf-8")))

    def save(self) -> None:
        """Replace the file as a whole: the program may be killed at any moment."""
        fresh = self.path.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            json.dump({name: value for name, value in vars(self).items() if name != "path"}, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)


class Platform:
    """One user of the backbone, whatever happens to its connection."""

    def __init__(self, url: str, path: Path) -> None:
        self.url = f"{url}{'&' if '?' in url else '?'}heartbeat=10"
        self.account = unquote(urlsplit(url).username or "")
        self.user = self.account.removeprefix("sandbox.")  # Else the account's name is its id.
        self.state, self.input_ended = State(path), False
        self.commands: AbstractExchange | None = None  # None while there is no connection.
        self.gap, self.done = asyncio.Event(), asyncio.Event()

    async def run(self) -> None:
        """Connect, and connect again, until everything is done."""
        tasks = [asyncio.create_task(self.read()), asyncio.create_task(self.close_gaps())]
        while not self.done.is_set():
            try:
                async with await aio_pika.connect(self.url) as connection:
                    await self.work(await connection.channel())
            except FAULTS as error:
                print(f"connecting again after {error!r}", file=sys.stderr)
                self.commands = None
                self.drop_refused(str(error))
                await asyncio.sleep(1)
        for task in tasks:
            task.cancel()

    async def work(self, channel: AbstractChannel) -> None:
        """Listen, send again what nobody has answered, and stay until the connection ends."""
        await channel.set_qos(prefetch_count=100)
        # The backbone has made exchanges and queues; no account may declare any (`ensure=False`).
        commands = await channel.get_exchange("flex.commands", ensure=False)
        events = await channel.get_queue(f"{self.user}.events", ensure=False)
        replies = await channel.get_queue(f"{self.user}.replies", ensure=False)
        # Bound from the beginning, and to bind what is bound changes nothing. With less, what is
        # counted and does not come would look like a gap. To be told less, send
        # `subscription.set.v1`: what is off is not counted.
        await events.bind("flex.events", f"{self.user}.#")
        await replies.consume(self.acknowledging(self.hear_reply))
        await events.consume(self.acknowledging(self.hear_event))
        # The same id with the same bytes takes effect once, however often it is sent.
        self.commands = commands
        for command in list(self.state.waiting):
            await self.publish(command)
        self.settle()
        done = asyncio.ensure_future(self.done.wait())
        await asyncio.wait((channel.closed(), done), return_when=asyncio.FIRST_COMPLETED)
        self.commands = None
        if not self.done.is_set():
            raise ConnectionError("the connection ended")

    async def read(self) -> None:
        """Take the wishes of your program."""
        while line := await asyncio.to_thread(sys.stdin.readline):
            wish = json.loads(line)
            await self.send(wish["type"], wish["data"])
        self.input_ended = True
        self.settle()

    async def send(self, kind: str, data: Envelope) -> None:
        """Write a command down, then publish it; what fails goes out on the next connection."""
        command, source = str(uuid4()), f"urn:flexspine:user:{self.user}"
        envelope = {"specversion": "1.0", "id": command, "source": source, "type": kind}
        envelope |= {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "data": data}
        self.state.waiting[command] = [kind, json.dumps(envelope)]
        self.state.save()
        with suppress(*FAULTS):
            await self.publish(command)

    def drop_refused(self, error: str) -> None:
        """Give up what the broker refuses by its type: it would end every connection to come."""
        for command, (kind, _) in list(self.state.waiting.items()):
            if f"access to topic '{kind}' in exchange" in error:
                tell("refused", {"id": command, "type": kind, "advice": ADVICE})
                del self.state.waiting[command]
        self.state.save()
        self.settle()

    async def publish(self, command: str) -> None:
        """Give a command to the broker; when this returns, the backbone has it and will answer."""
        if self.commands is None or command not in self.state.waiting:
            return
        kind, body = self.state.waiting[command]
        message = aio_pika.Message(body.encode(), content_type="application/cloudevents+json")
        message.user_id = self.account  # The broker vouches for it: it is the account or nothing.
        message.reply_to = f"{self.user}.replies"
        message.delivery_mode = aio_pika.DeliveryMode.PERSISTENT
        await self.commands.publish(message, routing_key=kind, timeout=10)

    def acknowledging(self, hear: Callable[[Envelope], None]) -> Callable[..., Any]:
        """Act, keep, acknowledge, in this order: after a failure in between it comes again."""

        async def take(message: AbstractIncomingMessage) -> None:
            hear(json.loads(message.body))
            self.state.save()
            self.settle()
            with suppress(*FAULTS):  # Not acknowledged, it comes again.
                await message.ack()

        return take

    def hear_reply(self, envelope: Envelope) -> None:
        """An answer settles its command; `held` is a notice only, and the outcome follows."""
        command = envelope.get("correlationid", "")
        # One that does not wait is settled: a repeat.
        if ".held." not in envelope["type"] and command in self.state.waiting:
            kind, _ = self.state.waiting.pop(command)
            if kind != REPLAY:
                tell("reply", envelope)

    def hear_event(self, envelope: Envelope) -> None:
        """Act on events in their order and once each; those behind a gap wait for it to close."""
        state = self.state
        if "sequence" not in envelope:
            self.hear_reply(envelope)  # An answer that could not go to the replies.
            return
        if envelope["id"] not in state.ids and int(envelope["sequence"]) > state.last:
            state.ids = [*state.ids, envelope["id"]][-1000:]
            state.ahead[envelope["sequence"]] = envelope
        self.act()
        data: Envelope = envelope["data"]
        if envelope["type"] == ENDED and data["from_sequence"] <= state.last + 1:
            # What the replay did not bring may not be seen any more: it is waited for no longer.
            while state.last < data["upto"]:
                state.last += 1
                self.act()

    def act(self) -> None:
        """Act on whatever follows without a gap on what was acted on."""
        while following := self.state.ahead.pop(str(self.state.last + 1), None):
            tell("event", following)
            self.state.last += 1

    async def close_gaps(self) -> None:
        """As long as there is a gap, ask for what is missing; who asks too soon is refused."""
        while True:
            await self.gap.wait()
            if all(kind != REPLAY for kind, _ in self.state.waiting.values()):
                await self.send(REPLAY, {"from_sequence": self.state.last + 1})
            await asyncio.sleep(AGAIN_S)

    def settle(self) -> None:
        """Say what there is to do yet."""
        (self.gap.set if self.state.ahead else self.gap.clear)()
        if self.input_ended and not self.state.waiting:
            self.done.set()


def tell(what: str, envelope: Envelope) -> None:
    """Here your program acts; should it be killed before `save`, the same id comes again."""
    print(json.dumps({what: envelope}), flush=True)


if __name__ == "__main__":
    asyncio.run(Platform(sys.argv[1], Path(sys.argv[2])).run())
