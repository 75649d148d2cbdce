"""Which type is decided by which handler in which mailbox, and who may send it: derived."""

import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final, Literal, get_args

from contracts.messages import Event, Outcome, Request, check_type, reply_type, split_type
from handlers import (
    accounts,
    agreements,
    allocating,
    amending,
    answering,
    approving,
    areas,
    asset_lists,
    asset_types,
    assets,
    attesting,
    broadcasting,
    changing,
    channels,
    combining,
    commissioning,
    consenting,
    dead,
    dead_editing,
    dead_reading,
    directory,
    dismissing,
    duplicate_lists,
    duplicates,
    erasing,
    granting,
    history,
    interests,
    interfaces,
    joining,
    links,
    mandates,
    moving,
    nearby,
    notices,
    objects,
    parts,
    portfolios,
    proving,
    refreshing,
    relating,
    representing,
    requirements,
    retiring,
    retracing,
    shards,
    sharing,
    signing,
    standing,
    transferring,
    translating,
    updating,
    users,
)
from handlers.letters import UNREAD_HELD_TYPE, UNREAD_TYPE
from handlers.majors import majors
from handlers.resent import TYPE as RESENT
from handlers.signature import Handler, handlers_in
from topology import names

REGISTER_MODULES: Final[Sequence[ModuleType]] = (
    users,
    accounts,
    standing,
    mandates,
    asset_types,
    assets,
    asset_lists,
    amending,
    commissioning,
    retiring,
    moving,
    transferring,
    proving,
    approving,
    refreshing,
    retracing,
    relating,
    consenting,
    representing,
    notices,
    channels,
    broadcasting,
    sharing,
    interests,
    answering,
    changing,
    updating,
    granting,
    attesting,
    requirements,
    agreements,
    signing,
    interfaces,
    links,
    translating,
    erasing,
    history,
    directory,
    portfolios,
    parts,
    shards,
    areas,
    nearby,
    objects,
    dead,
    dead_reading,
    dead_editing,
    duplicates,
    duplicate_lists,
    dismissing,
    combining,
    joining,
    allocating,
)
"""The registers; a new one is a module here, a new command needs nothing."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One type that the backbone takes."""

    name: str
    """The type, such as `asset.register.v1`."""
    handler: Handler
    register: str
    queue: str
    kind: Literal["command", "query", "check"]

    @property
    def contract(self) -> type[Request]:
        """The model of the type's data."""
        return self.handler.contract

    @property
    def senders(self) -> tuple[str, ...]:
        """Roles that may send it."""
        return tuple(sorted(self.contract.senders))

    @property
    def newer(self) -> str | None:
        """The type that takes the place of this one, where it is there already."""
        newer = self.handler.newer
        if newer is None:
            return None
        return check_type(newer.message_type) if self.kind == "check" else newer.message_type


def build(modules: Sequence[ModuleType] = REGISTER_MODULES) -> Mapping[str, Entry]:
    """Find every handler of the modules; raise TypeError where two decide the same type."""
    entries: dict[str, Entry] = {}
    for module in modules:
        for handler in (major for found in handlers_in(module) for major in majors(found)):
            for entry in _entries(handler):
                if entry.name in entries:
                    raise TypeError(
                        f"expected one handler for {entry.name}, got two: "
                        f"{entries[entry.name].handler.function.__name__} and "
                        f"{handler.function.__name__}; rename one type"
                    )
                entries[entry.name] = entry
    return dict(sorted(entries.items()))


def _entries(handler: Handler) -> Iterator[Entry]:
    message_type = handler.contract.message_type
    register = names.register(split_type(message_type)[0])
    query_queue = names.query_queue(register)
    if not handler.is_command:
        yield Entry(message_type, handler, register, query_queue, "query")
        return
    yield Entry(message_type, handler, register, names.mailbox(register), "command")
    yield Entry(check_type(message_type), handler, register, query_queue, "check")


def served_by(entries: Mapping[str, Entry], queue: str) -> Mapping[str, Handler]:
    """The handlers of the types that one queue takes; all shards of a register take the same."""
    first = names.first_shard(queue)
    return {e.name: e.handler for e in entries.values() if e.queue == first}


def events(entries: Mapping[str, Entry]) -> Iterator[type[Event]]:
    """The events of a register stand beside its requests, in the same module of contracts."""
    for name in sorted({entry.contract.__module__ for entry in entries.values()}):
        for _, found in inspect.getmembers(sys.modules[name], inspect.isclass):
            if issubclass(found, Event) and found.message_type:
                yield found


def types(entries: Mapping[str, Entry]) -> frozenset[str]:
    """Every type that the backbone takes, tells or answers with."""
    told = {event.message_type for event in events(entries)}
    said = {*entries, *told, RESENT, UNREAD_TYPE, UNREAD_HELD_TYPE}
    outcomes: tuple[Outcome, ...] = get_args(Outcome)
    return frozenset(said | {reply_type(name, one) for name in entries for one in outcomes})


def registers(entries: Mapping[str, Entry]) -> tuple[str, ...]:
    """Names of the registers, in alphabetical order."""
    return tuple(sorted({entry.register for entry in entries.values()}))


def contracts_of(handlers: Mapping[str, Handler]) -> Mapping[str, type[Any]]:
    """Type -> model, as admission needs it."""
    return {message_type: handler.contract for message_type, handler in handlers.items()}


def commands_of(entries: Mapping[str, Entry]) -> Mapping[str, type[Request]]:
    """Type -> model of what may change anything."""
    return {name: entry.contract for name, entry in entries.items() if entry.kind == "command"}
