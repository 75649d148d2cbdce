"""The whole register in this process's memory: lines in, replies and events out, no server."""

import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from handlers.admission import Delivery, Limits, admit
from handlers.letters import Letter
from topology import names
from topology.apply import SALT_BYTES, password_hash
from topology.catalog import Entry, build
from workers.backbone import rulebook
from workers.cli.lines import Answers, Line, Rendered, Unsendable, render
from workers.engine import Engine
from workers.queries import Desk
from workers.served import attend
from workers.store.memory import MemoryStore
from workers.vault import KEY_BYTES, Vault

OWNER: Final = "run"
FOREVER_S: Final = 1e9
"""Nobody else can want the lanes of a store that lives in this process."""
VERSION: Final = "run"


def master_of(seed: str | None) -> bytes:
    """The master key: the same for the same seed, so that every id is too; else a random one."""
    if seed is None:
        return os.urandom(KEY_BYTES)
    return hashlib.sha256(b"flexspine/run/" + seed.encode()).digest()


@dataclass(slots=True)
class LocalRegister:
    """A fresh register that knows `operator` and `front-desk`; made by `open_register`."""

    vault: Vault
    store: MemoryStore
    entries: Mapping[str, Entry]
    engines: Mapping[str, Engine]
    desks: Mapping[str, Desk]
    clock: Callable[[], datetime]
    answers: Answers = field(default_factory=Answers)

    async def play(self, lines: Iterable[Line]) -> AsyncIterator[bytes]:
        """Decide line by line, each a batch of its own, and say everything in order."""
        for line in lines:
            for body in await self.say(line):
                yield body

    async def say(self, line: Line) -> list[bytes]:
        """What follows from one line: events as they happen, then the reply."""
        rendered = render(line, self.answers, self._key_hash, self.clock())
        if isinstance(rendered, Unsendable):
            return [rendered.reply(self.clock())]
        letters = await self.deliver(_delivery(rendered))
        for letter in letters:
            if letter.kind == "reply":
                self.answers.note(rendered.id, letter.body)
        # Personal events are the recipients' to read; who plays sees what happened, and its answer.
        return [letter.body for letter in letters if letter.kind != "personal"]

    async def deliver(self, delivery: Delivery) -> list[Letter]:
        """Hand a delivery to whoever its type belongs to, as the broker's bindings would."""
        entry = self.entries.get(delivery.type)
        if entry is not None and entry.kind != "command":
            letter = await self.desks[entry.queue].answer(delivery)
            if letter is None:
                return []
            return [letter, *await self._consequences(letter.noted)]
        # What nobody serves is refused by name; any engine knows how.
        queue = entry.queue if entry is not None else next(iter(self.engines))
        outcomes = await self.engines[queue].run([delivery])
        letters = [letter for outcome in outcomes for letter in outcome.letters]
        return letters + await self._consequences(letters)

    async def _consequences(self, letters: Iterable[Letter]) -> list[Letter]:
        """What follows from the facts among them, to the end."""
        notices, told = self.engines[names.NOTICES], list[Letter]()
        for letter in letters:
            if letter.kind != "domain":
                continue
            outcomes = await notices.run([_fact(letter)])
            while notices.due_in_s() == 0:
                outcomes = [*outcomes, *await notices.run([])]
            told += [one for outcome in outcomes for one in outcome.letters]
        return told

    def _key_hash(self, sender: str, command_id: str) -> str:
        """Nobody logs in here, but the bytes must be the same for the same seed."""
        key = self.vault.password(f"run/{sender}/{command_id}")
        return password_hash(key, hashlib.sha256(key.encode()).digest()[:SALT_BYTES])


async def open_register(seed: str | None, clock: Callable[[], datetime]) -> LocalRegister:
    """Make a register with nothing in it."""
    vault, store, entries = Vault(master_of(seed)), MemoryStore(), build()
    await store.install()
    engines: dict[str, Engine] = {}
    desks: dict[str, Desk] = {}
    for entry in entries.values():
        if entry.queue in engines or entry.queue in desks:
            continue
        rules = rulebook(entries, entry.queue, vault)
        if entry.kind != "command":
            desks[entry.queue] = Desk(store, vault, rules, Limits(), clock)
            continue
        lease = await store.acquire(entry.queue, OWNER, FOREVER_S)
        if lease is None:
            raise AssertionError("a store that nobody else knows has no other owner")
        engines[entry.queue] = Engine(
            store=store,
            vault=vault,
            rulebook=rules,
            admit=attend(admit) if entry.queue == names.NOTICES else admit,
            limits=Limits(),
            clock=clock,
            lease=lease,
            version=VERSION,
        )
    return LocalRegister(vault, store, entries, engines, desks, clock)


def _fact(letter: Letter) -> Delivery:
    return Delivery(body=letter.body, type=letter.type, account=names.RELAY_ACCOUNT)


def _delivery(rendered: Rendered) -> Delivery:
    """As the broker would hand it over; it vouches for the sender that `source` names."""
    return Delivery(
        body=rendered.body,
        type=rendered.type,
        account=rendered.sender,
        message_id=rendered.id,
    )
