"""A verifier: compares who is provisional with a file of companies, and says what it found.

    pip install aio-pika
    python verifier.py 'amqp://USR-...:key@host:5672/vhost' companies-2026-11-01.csv
It asks the directory who is provisional, reads what it may see of each, and attests what the file
says: match, mismatch or unknown. A line on standard output for each attestation.
The date of the evidence is the one in the file's name, or the third argument. Nothing is kept
between two runs: the same file says the same, under the same ids, and changes nothing.
"""

import asyncio
import json
import re
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4, uuid5

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractExchange, AbstractIncomingMessage
from compare import Company, companies, verdicts

Data = dict[str, Any]
SEARCH, GET, ATTEST = "directory.search.v1", "user.get.v1", "user.attest.v1"
NAMESPACE = UUID("6f1f3c3e-6f0e-5d4a-9a53-4b6f6c1d7a90")
FAULTS = (*aio_pika.exceptions.CONNECTION_EXCEPTIONS, TimeoutError)
LOOKS_MAX = 5  # How often a user is looked at again that changes meanwhile.
TOGETHER = 20  # Users that are looked at at the same time.
PAUSE_S = 1


class Work(Protocol):
    """What is done by a connection."""

    backbone: "Backbone"

    async def run(self) -> None:
        """Do it, to the end."""


class Backbone:
    """Asks in the name of one user, whatever happens to its connection."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}{'&' if '?' in url else '?'}heartbeat=10"
        self.account = unquote(urlsplit(url).username or "")
        self.user = self.account.removeprefix("sandbox.").partition("/")[0]
        self.commands: AbstractExchange | None = None  # None while there is no connection.
        self.waiting: dict[str, tuple[str, bytes, asyncio.Future[tuple[str, Data]]]] = {}

    async def ask(self, kind: str, data: Data, **attributes: str) -> tuple[str, Data]:
        """Send and wait, however long: the outcome, `accepted` or a code, and the answer's data."""
        envelope = {"specversion": "1.0", "id": str(uuid4()), "type": kind, "data": data}
        envelope |= {"source": f"urn:flexspine:user:{self.user}", "time": now()} | attributes
        command, body = str(envelope["id"]), json.dumps(envelope).encode()
        answer = asyncio.get_running_loop().create_future()
        self.waiting[command] = (kind, body, answer)
        await self.send(command)
        return await answer

    async def run(self) -> None:
        """Keep a connection, until cancelled; a login that is refused at first ends it."""
        was_in = False
        while True:
            try:
                async with await aio_pika.connect(self.url) as connection:
                    was_in = True
                    await self.listen(await connection.channel())
            except aio_pika.exceptions.ProbableAuthenticationError:
                if not was_in:
                    raise
            except FAULTS as error:
                print(f"connecting again after {error!r}", file=sys.stderr)
            self.commands = None
            await asyncio.sleep(PAUSE_S)

    async def listen(self, channel: AbstractChannel) -> None:
        """Send again what nobody has answered: the same bytes take effect once."""
        await channel.set_qos(prefetch_count=100)
        replies = await channel.get_queue(f"{self.user}.replies", ensure=False)
        await replies.consume(self.hear)
        self.commands = await channel.get_exchange("flex.commands", ensure=False)
        for command in list(self.waiting):
            await self.send(command)
        await channel.closed()

    async def send(self, command: str) -> None:
        """Publish; what fails goes out on the next connection."""
        sending = asyncio.ensure_future(self.publish(command))
        # By a task of its own: the driver cancels what waits on a connection that breaks.
        await asyncio.wait((sending,))
        error = None if sending.cancelled() else sending.exception()
        if error is not None and not isinstance(error, FAULTS):
            raise error

    async def publish(self, command: str) -> None:
        """Give a message to the broker, and see it confirmed."""
        if self.commands is None or command not in self.waiting:
            return
        kind, body, _ = self.waiting[command]
        message = aio_pika.Message(body, content_type="application/cloudevents+json")
        message.user_id, message.reply_to = self.account, f"{self.user}.replies"
        message.delivery_mode = aio_pika.DeliveryMode.PERSISTENT
        await self.commands.publish(message, routing_key=kind, timeout=10)

    async def hear(self, message: AbstractIncomingMessage) -> None:
        """An answer ends the wait for it; `held` is a notice only, and the outcome follows."""
        envelope = json.loads(message.body)
        outcome = envelope["type"].split(".")[-2]
        known = self.waiting.get(envelope.get("correlationid", ""))
        if known is not None and outcome != "held" and not known[2].done():
            self.waiting.pop(envelope["correlationid"])
            data = envelope["data"]
            known[2].set_result((outcome if outcome == "accepted" else data["code"], data))
        with suppress(*FAULTS):  # Not acknowledged, it comes again, and nobody waits for it.
            await message.ack()


@dataclass
class Verifier:
    """One run over everybody who is provisional."""

    backbone: Backbone
    file: dict[str, Company]
    source: str
    """What the evidence is, in words."""
    at: date
    told: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        """Page after page; who is confirmed meanwhile leaves the pages, and nobody is missed."""
        cursor: Data = {}
        while True:
            query = {"status": "provisional", "limit": 100} | cursor
            outcome, page = await self.backbone.ask(SEARCH, query)
            if outcome != "accepted":
                raise SystemExit(f"{SEARCH}: {outcome}: {page.get('message')}")
            # Persons are confirmed by an operator: no register of companies knows them.
            found = [one["id"] for one in page["entries"] if one["kind"] == "organisation"]
            for start in range(0, len(found), TOGETHER):
                await asyncio.gather(*map(self.verify, found[start : start + TOGETHER]))
            if not page.get("cursor"):
                return
            cursor = {"cursor": page["cursor"]}

    async def verify(self, user: str) -> None:
        """Attest what the file says; again if the user has changed since it was looked at."""
        done: set[str] = set()
        for _ in range(LOOKS_MAX):
            outcome, shown = await self.backbone.ask(GET, {"id": user})
            if outcome != "accepted" or not (shown.get("claims") or {}).get("company_number"):
                self.tell(user, "company_number", "unknown", "nothing to attest")
                return
            said = verdicts(shown, self.file).items()
            for scheme, verdict in [one for one in said if one[0] not in done]:
                outcome, answer = await self.attest(shown, scheme, verdict)
                if outcome == "user.stale":
                    break
                done.add(scheme)
                self.tell(user, scheme, verdict, outcome)
                shown = {**shown, "revision": answer.get("revision", shown["revision"])}
            else:
                return

    async def attest(self, user: Data, scheme: str, verdict: str) -> tuple[str, Data]:
        """Say it; the id follows from what is said, so that saying it again is a repeat."""
        at = f"{self.at.isoformat()}T00:00:00Z"
        data = {"id": user["id"], "expected_revision": user["revision"], "scheme": scheme}
        data |= {"verdict": verdict, "source": self.source, "evidence_at": at}
        command = str(uuid5(NAMESPACE, json.dumps(data, sort_keys=True)))
        # The time too: the bytes of an id are the same each time.
        return await self.backbone.ask(ATTEST, data, id=command, time=at)

    def tell(self, user: str, scheme: str, verdict: str, outcome: str) -> None:
        self.told[f"{scheme} {verdict}"] += 1
        line = {"user": user, "scheme": scheme, "verdict": verdict, "outcome": outcome}
        print(json.dumps(line), flush=True)


def now() -> str:
    """The clock, as an envelope gives it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def dated(path: Path, given: str | None) -> date:
    """The day on which the register said so."""
    found = given or next(iter(re.findall(r"\d{4}-\d{2}-\d{2}", path.name)), None)
    if found is None:
        raise SystemExit(f"expected a date in the name of {path.name} or as third argument")
    return date.fromisoformat(found)


def main(url: str, file: str, day: str | None = None) -> None:
    """Read the file, and verify whoever is provisional."""
    path = Path(file)
    with path.open(encoding="utf-8-sig", newline="") as lines:
        known = companies(lines)
    verifier = Verifier(Backbone(url), known, f"company register, {path.name}", dated(path, day))
    asyncio.run(verified(verifier))
    told = ", ".join(f"{count} {what}" for what, count in sorted(verifier.told.items()))
    print(f"{len(known)} companies; {told or 'nobody is provisional'}", file=sys.stderr)


async def verified(verifier: Work) -> None:
    """Run over everybody, beside the connection; what ends the one ends the other."""
    connecting = asyncio.ensure_future(verifier.backbone.run())
    working = asyncio.ensure_future(verifier.run())
    await asyncio.wait((connecting, working), return_when=asyncio.FIRST_COMPLETED)
    for task in (connecting, working):
        if not task.done():
            task.cancel()
    if connecting.done():
        connecting.result()
    working.result()


if __name__ == "__main__":
    main(*sys.argv[1:])
