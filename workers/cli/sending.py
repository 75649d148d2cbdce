"""Sending lines to a running backbone, as if one by one, and what becomes of each."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

from contracts.envelope import Finding
from topology.catalog import Entry
from workers.cli.client import LOGIN_S, Correspondent, LoginFailed, PublishRefused, Unreachable
from workers.cli.keyring import AccountKeys
from workers.cli.knowing import Known, ids_of, questions, reference_of
from workers.cli.lines import (
    REFERENCE_RULE,
    Answers,
    Line,
    Rendered,
    Unsendable,
    references,
    render,
    unserved,
)
from workers.cli.spool import Spool, SpoolError

WINDOW_MAX: Final = 200
"""Commands under way at the same time."""

Result = Literal["accepted", "rejected", "held", "unanswered"]


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one line."""

    line: Line
    result: Result
    code: str = ""
    message: str = ""
    reply: bytes | None = None
    answered_at: str | None = None
    """When it was answered, where that was before and nothing was done again."""

    @property
    def type(self) -> str:
        """The line's type, as far as it has one."""
        return str((self.line.envelope or {}).get("type", ""))


@dataclass(slots=True)
class Sending:
    """One run of `send`; `settled` is told about each line as soon as it is known.

    Commands of one sender to one register follow each other without waiting; everything else waits
    for all that went before, so that the outcome is that of the lines one by one.
    """

    url: Callable[[str], str]
    """The broker's address with a user's account in it; raises LoginFailed without its key."""
    entries: Mapping[str, Entry]
    keys: AccountKeys
    spool: Spool
    clock: Callable[[], datetime]
    settled: Callable[[Settled], None]
    silence_s: float
    """After so long without any answer the rest is unanswered."""
    reach_s: float = LOGIN_S
    """After so long without a broker nothing is sent."""
    known: Known | None = None
    """What was sent before under a reference of its sender's, so that it is changed now."""
    answers: Answers = field(default_factory=Answers)
    counts: Counter[tuple[Result, str]] = field(default_factory=Counter)
    _under_way: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _correspondents: dict[str, Correspondent | LoginFailed] = field(default_factory=dict)
    _heard_at: float = 0.0
    _given_up: bool = False

    async def run(self, lines: Iterable[Line]) -> None:
        """Send everything and wait for every answer, or until the silence is too long."""
        async with AsyncExitStack() as stack:
            self._heard()
            watch = asyncio.create_task(self._watch())
            stack.callback(watch.cancel)
            stream = None
            async for line in self._renewed(lines, stack):
                if self._awaits(line):
                    await self._drain()
                rendered = self._rendered(line)
                if isinstance(rendered, Unsendable):
                    self._refuse(rendered)
                    continue
                if (its_stream := self._stream(rendered)) is None or its_stream != stream:
                    await self._drain()
                    stream = its_stream
                while len(self._under_way) >= WINDOW_MAX:
                    await asyncio.wait(
                        self._under_way.values(), return_when=asyncio.FIRST_COMPLETED
                    )
                await self._start(rendered, stack)
            await self._drain()

    async def _renewed(self, lines: Iterable[Line], stack: AsyncExitStack) -> AsyncIterator[Line]:
        """The lines, with changes in place of registrations of what is known already.

        That is asked before the first of them, when its sender has an id.
        """
        rest = list(lines)
        first = next((n for n, line in enumerate(rest) if reference_of(line)), len(rest))
        for line in rest[:first]:
            yield line
        if first < len(rest):
            await self._drain()
            for line in await self._turned(rest[first:], stack):
                yield line

    async def _turned(self, table: Sequence[Line], stack: AsyncExitStack) -> Iterable[Line]:
        """A table as it was turned into changes before, or is now."""
        rendered = render(table[0], self.answers, self.keys.key_hash, self.clock())
        if isinstance(rendered, Unsendable):
            return table
        known = Known(self.spool, rendered.sender, table)
        stack.callback(known.keep)
        if not known.kept():
            answers = [await self._known(one, stack) for one in questions(table)]
            ids = {name: asset for answer in answers for name, asset in (answer or {}).items()}
            known.turn(ids, sure=None not in answers)
        self.known = known
        return known.sent()

    async def _known(self, question: Line, stack: AsyncExitStack) -> dict[str, str] | None:
        """Ask; where there is no answer, registrations say themselves that they are known."""
        rendered = render(question, self.answers, self.keys.key_hash, self.clock())
        if isinstance(rendered, Unsendable):
            return None
        correspondent = await self._correspondent(rendered.sender, stack)
        if isinstance(correspondent, LoginFailed):
            return None
        asked = correspondent.request(rendered.id, rendered.type, rendered.body)
        with suppress(TimeoutError, PublishRefused):
            reply = await asyncio.wait_for(asked, self.silence_s)
            self._heard()
            return ids_of(reply)
        return None

    def _awaits(self, line: Line) -> bool:
        """Whether the line refers to a command that has no answer yet."""
        return any(
            reference.startswith(command_id)
            for reference in references(line)
            for command_id in self._under_way
        )

    def _rendered(self, line: Line) -> Rendered | Unsendable:
        """The bytes of last time, or new ones."""
        if (refused := unserved(line, self.entries)) is not None:
            return refused
        if (kept := self.spool.kept(line, self.answers)) is not None:
            return kept
        return render(line, self.answers, self.keys.key_hash, self.clock())

    def _stream(self, rendered: Rendered) -> tuple[str, str] | None:
        """Where order is kept by the broker; None for what no order is promised for."""
        entry = self.entries.get(rendered.type)
        if entry is None or entry.kind != "command":
            return None
        return rendered.sender, entry.queue

    def _refuse(self, unsendable: Unsendable) -> None:
        reply = unsendable.reply(self.clock())
        finding: Finding = unsendable.finding
        message = unsendable.sentence
        if finding.rule == REFERENCE_RULE and any(r == "unanswered" for r, _ in self.counts):
            # What it refers to may still be answered: the next `send` will tell.
            self._settle(Settled(unsendable.line, "unanswered", finding.rule, message))
            return
        self._settle(Settled(unsendable.line, "rejected", finding.rule, message, reply))

    async def _start(self, rendered: Rendered, stack: AsyncExitStack) -> None:
        line = rendered.line
        if self._given_up:
            self._settle(Settled(line, "unanswered", "not-sent", "the backbone was silent"))
            return
        correspondent = await self._correspondent(rendered.sender, stack)
        if isinstance(correspondent, LoginFailed):
            self._settle(Settled(line, "unanswered", "login", str(correspondent)))
            return
        # Written down before it leaves, so that it can leave again as the same bytes.
        rendered = self.spool.keep(rendered)
        if (same := self._under_way.get(rendered.id)) is not None:
            await asyncio.wait([same])
        task = asyncio.create_task(self._ask(rendered, correspondent))
        self._under_way[rendered.id] = task
        task.add_done_callback(lambda _done: self._under_way.pop(rendered.id, None))

    async def _correspondent(self, user: str, stack: AsyncExitStack) -> Correspondent | LoginFailed:
        """The user's one connection; a login that failed is not tried for every line again."""
        if (known := self._correspondents.get(user)) is not None:
            return known
        opened: Correspondent | LoginFailed
        try:
            opened = await self._opened(user, stack)
        except LoginFailed as failed:
            opened = failed
            self._given_up = isinstance(failed, Unreachable)
        self._heard()
        self._correspondents[user] = opened
        return opened

    async def _opened(self, user: str, stack: AsyncExitStack) -> Correspondent:
        correspondent = Correspondent(self.url(user), user, self.reach_s)
        ready = asyncio.Event()
        running = asyncio.create_task(correspondent.run(ready.set))
        waiting = asyncio.create_task(ready.wait())
        stack.push_async_callback(_ended, running)
        stack.push_async_callback(_ended, waiting)
        await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        return correspondent

    async def _ask(self, rendered: Rendered, correspondent: Correspondent) -> None:
        line = rendered.line
        try:
            reply = await correspondent.request(rendered.id, rendered.type, rendered.body)
        except PublishRefused as refused:
            self._settle(Settled(line, "rejected", "broker.access-refused", str(refused)))
        except asyncio.CancelledError:
            if not self._given_up:
                raise
            silence = f"no answer within {self.silence_s:g} s; send the file again"
            self._settle(Settled(line, "unanswered", "silence", silence))
        else:
            self._heard()
            self.answers.note(rendered.id, reply)
            if (issued := self.answers.issued.get(rendered.id)) is not None:
                self.keys.issued(rendered.sender, rendered.id, issued)
            self._settle(_settled(line, reply, is_known=self._is_known(line, reply)))

    def _is_known(self, line: Line, reply: bytes) -> bool:
        try:
            return self.spool.answered(line, reply)
        except SpoolError:
            # The answer counts; without the file nobody knows whether it is one of before.
            return False

    def _settle(self, settled: Settled) -> None:
        self.counts[settled.result, settled.code] += 1
        if self.known is not None:
            self.known.take(settled.line, accepted=settled.result == "accepted")
        self.settled(settled)

    async def _drain(self) -> None:
        while self._under_way:
            await asyncio.wait(self._under_way.values())
            await asyncio.sleep(0)  # Lets the callbacks that take tasks off the list run.

    def _heard(self) -> None:
        self._heard_at = asyncio.get_running_loop().time()

    async def _watch(self) -> None:
        """Give up when nothing has been heard for too long while something was asked."""
        loop = asyncio.get_running_loop()
        while not self._given_up:
            await asyncio.sleep(self._heard_at + self.silence_s - loop.time())
            if not self._under_way:
                self._heard()
            elif loop.time() >= self._heard_at + self.silence_s:
                self._given_up = True
                for task in self._under_way.values():
                    task.cancel()


def _settled(line: Line, reply: bytes, *, is_known: bool) -> Settled:
    """Read a reply: `asset.register.accepted.v1` is accepted."""
    envelope = json.loads(reply)
    outcome, data = str(envelope["type"]).split(".")[-2], envelope["data"]
    result: Result = "accepted"
    if outcome == "rejected":
        result = "rejected"
    elif outcome == "held":
        result = "held"
    at = str(envelope["time"]) if is_known else None
    return Settled(line, result, data.get("code", ""), _sentence(data), reply, at)


def _sentence(data: Mapping[str, Any]) -> str:
    """What is wrong and what to do; the message is the first finding's, and so is the advice."""
    message, findings = str(data.get("message", "")), data.get("findings")
    return f"{message} {findings[0]['advice']}".strip() if findings else message


async def _ended(task: asyncio.Task[object]) -> None:
    task.cancel()
    await asyncio.wait([task])
