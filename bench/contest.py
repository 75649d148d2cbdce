"""One run of one contestant: the queue is filled, a fresh process serves it, and it is checked.

The clock runs from `begun` (connections are open, nothing was asked for yet) to the last output
confirmed, for all alike: for a rival when it has published and settled everything; for the spine
when its inbox knows every command and its outbox is empty. Nobody's imports and nobody's filling
are counted; a rival drops and makes its collections before, as the spine's are made before.
"""

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, BinaryIO, Final

import psutil

from bench import load
from bench.child import load as load_file
from bench.places import OUTPUTS, QUEUES
from bench.testbed import Testbed
from topology import names
from workers.cli.measuring import Unmeasured
from workers.store.mongo import LAST_CHARACTER

ROOT: Final = Path(__file__).parents[1]
POLL_S: Final = 0.02
"""How precisely the end of the spine's run is known."""
START_LIMIT_S: Final = 60.0
SLOWEST_PER_SECOND: Final = 20
"""Slower than this is no figure but a fault."""
LOG_CHARS: Final = 2000
MAILBOX: Final = names.mailbox(names.register("asset"))
MAILBOXES: Final = (MAILBOX, names.bulk_mailbox(MAILBOX))
DOMAIN: Final = names.domain_queue(names.OPERATOR)


@dataclass(frozen=True, slots=True)
class Cpu:
    """Processor time; None where the process is on another machine."""

    client: float
    broker: float | None
    database: float | None


@dataclass(frozen=True, slots=True)
class Run:
    """What one run of one contestant gave."""

    name: str
    count: int
    seconds: float
    cpu: Cpu
    """Microseconds for each command."""
    outputs: int
    """Replies and events that are there."""
    repeats: int = 0
    """How many of them came twice, as at-least-once allows; none is expected in calm times."""

    @property
    def per_second(self) -> float:
        """Commands that were served in a second."""
        return self.count / self.seconds


@dataclass(frozen=True, slots=True)
class Contestant:
    """Who is measured; `against` is the file of a rival that is not ours."""

    name: str
    function: str
    against: Path | None = None


SPINE: Final = Contestant("spine", "spine")


async def run_rival(
    testbed: Testbed, contestant: Contestant, users: Sequence[str], count: int
) -> Run:
    """Fill a rival's queue, serve it, and count what came out."""
    outputs = OUTPUTS
    if contestant.against is None:
        await testbed.clear_rival(contestant.function)
        await load.fill(testbed.admin_url, QUEUES[contestant.function], users, count)
    else:
        theirs = load_file(contestant.against)
        outputs = f"{theirs.EVENTS}.subscriber"
        await theirs.fill(testbed.admin_url, f"yardstick.{contestant.function}", count)
    order = {
        "name": contestant.function,
        "count": count,
        "servers": asdict(testbed.servers),
        "against": str(contestant.against) if contestant.against else None,
    }
    async with _child(order) as child:
        began, before = await child.said("begun"), cpu_of(testbed, child.pid)
        ended = await child.said("ended", START_LIMIT_S + count / SLOWEST_PER_SECOND)
        after = cpu_of(testbed, child.pid)
    found = await testbed.waiting(outputs)
    _expect(2 * count, found, f"messages in {outputs}")
    return Run(contestant.name, count, ended - began, spent(before, after, count), found)


async def run_spine(
    testbed: Testbed, users: Sequence[str], count: int, database: str, *, bulk: bool = False
) -> Run:
    """Fill the mailbox through the parties' own accounts, serve it, and check what came out."""
    await prepare(testbed, users)
    await load.publish([testbed.party(user, bulk=bulk) for user in users], count)
    known = await commands_known(testbed, database)
    assets = await testbed.database(database)["assets"].count_documents({})
    async with serving(testbed, database) as child:
        began, before = child.began, cpu_of(testbed, child.pid)
        ended = await decided(testbed, database, known + count, count)
        after = cpu_of(testbed, child.pid)
    found, repeats = await checked(testbed, users, count)
    now = await testbed.database(database)["assets"].count_documents({})
    _expect(count, now - assets, f"more assets in {database}: all accepted")
    cpu = spent(before, after, count)
    return Run("spine", count, ended - began, cpu, outputs=found, repeats=repeats)


async def prepare(testbed: Testbed, users: Sequence[str]) -> None:
    """Empty every queue that a run of the spine fills."""
    await testbed.empty([*MAILBOXES, DOMAIN, *_personal(testbed, users)])


@asynccontextmanager
async def serving(testbed: Testbed, database: str) -> AsyncIterator["Child"]:
    """The production workers in a process of their own, ready; ended as an operator does it."""
    settings = testbed.on(database).model_dump(mode="json", exclude_none=True)
    settings |= {"master_key": testbed.settings.master.hex(), "folder": "unused"}
    for name in ("amqp_url", "management_url", "mongo_url"):
        settings.pop(name, None)
    # The bench never measures a sandbox, so that accounts have their plain names.
    order = {"name": "spine", "settings": settings, "addresses": testbed.addresses.urls}
    async with _child(order) as child:
        child.began = await child.said("begun")
        yield child
        await child.end()


async def commands_known(testbed: Testbed, database: str) -> int:
    """How many commands the inbox knows; facts, which it knows too, are told by the relay."""
    inbox = testbed.database(database)["inbox"]
    relay = {"user": names.RELAY_ACCOUNT}
    facts = {"_id": {"$gte": relay | {"id": ""}, "$lt": relay | {"id": LAST_CHARACTER}}}
    return await inbox.estimated_document_count() - await inbox.count_documents(facts)


async def decided(testbed: Testbed, database: str, known: int, count: int) -> float:
    """The moment when every command is decided and every output confirmed and forgotten."""
    deadline = time.monotonic() + START_LIMIT_S + count / SLOWEST_PER_SECOND
    held = testbed.database(database)
    while time.monotonic() < deadline:
        if await commands_known(testbed, database) >= known:
            moment = time.monotonic()
            if await held["outbox"].estimated_document_count() == 0:
                return moment
        await asyncio.sleep(POLL_S)
    found = await commands_known(testbed, database)
    waiting = await held["outbox"].count_documents({})
    raise Unmeasured(
        f"expected {known} commands in the inbox of {database} and nothing in its outbox, got "
        f"{found} and {waiting}. Look for what the workers log: `flexspine up` on its folder."
    )


async def checked(testbed: Testbed, users: Sequence[str], count: int) -> tuple[int, int]:
    """How many replies and events there are, and how many too many; Unmeasured for too few."""
    replies = sum([await testbed.waiting(queue) for queue in _personal(testbed, users)])
    events = await testbed.waiting(DOMAIN)
    _expect(count, min(count, replies), "replies in the parties' queues")
    _expect(count, min(count, events), f"events in {DOMAIN}")
    for mailbox in MAILBOXES:
        _expect(0, await testbed.waiting(mailbox), f"commands in {mailbox}")
    return replies + events, replies + events - 2 * count


def _personal(testbed: Testbed, users: Sequence[str]) -> list[str]:
    return [testbed.party(user).replies for user in users]


def _expect(wanted: int, found: int, what: str) -> None:
    if found != wanted:
        raise Unmeasured(f"expected {wanted} {what}, got {found}: this run measures nothing")


def cpu_of(testbed: Testbed, client: int) -> Cpu:
    """What everybody has used until now, in seconds."""
    return Cpu(
        _used(client), _used(testbed.pids.get("rabbitmq")), _used(testbed.pids.get("mongod"))
    )


def _used(pid: int | None) -> Any:
    if pid is None:
        return None
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


def spent(before: Cpu, after: Cpu, count: int) -> Cpu:
    """What was used meanwhile, in microseconds for each command."""

    def each(was: float | None, now: float | None) -> Any:
        return None if was is None or now is None else (now - was) / count * 1e6

    return Cpu(
        each(before.client, after.client),
        each(before.broker, after.broker),
        each(before.database, after.database),
    )


@dataclass(slots=True)
class Child:
    """A contestant's process, as its parent sees it."""

    process: Process
    output: asyncio.StreamReader
    log: BinaryIO
    began: float = 0.0

    @property
    def pid(self) -> int:
        """Whose processor time it is."""
        return self.process.pid

    async def said(self, word: str, limit_s: float = START_LIMIT_S) -> float:
        """The moment at which it said a word."""
        try:
            async with asyncio.timeout(limit_s):
                line = (await self.output.readline()).decode().split()
        except TimeoutError:
            line = [f"nothing within {limit_s:.0f} s"]
        if line[:1] != [word]:
            self.log.seek(0)
            end = self.log.read().decode(errors="replace")[-LOG_CHARS:]
            raise Unmeasured(f"expected a contestant to say {word}, got {line}. Its log:\n{end}")
        return float(line[1])

    async def end(self) -> None:
        """Ask for a clean end and wait for it."""
        if self.process.returncode is None:
            self.process.terminate()
        self.release()
        await self.process.wait()

    def release(self) -> None:
        """Let it end: everything was looked at."""
        if self.process.stdin is not None:
            self.process.stdin.close()


@asynccontextmanager
async def _child(order: Mapping[str, Any]) -> AsyncIterator[Child]:
    with TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.child"), cwd=ROOT, stdin=PIPE, stdout=PIPE, stderr=log
        )
        if process.stdin is None or process.stdout is None:
            raise AssertionError("both were asked for as pipes")
        process.stdin.write(json.dumps(order).encode() + b"\n")
        child = Child(process, process.stdout, log)
        try:
            yield child
            child.release()
            await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
