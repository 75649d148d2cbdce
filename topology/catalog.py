"""Which type is decided by which handler in which mailbox, and who may send it: derived."""

import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final, Literal, get_args

from contracts.areas import AreaAssignAsked, AreaLoaded
from contracts.asset_types import TypeDefined
from contracts.assets import AssetConflicted, AssetUpdated
from contracts.broadcasts import BroadcastAsked
from contracts.confirmation import UserRejected
from contracts.consents import AssetConsented
from contracts.dead import DeadRunAsked, DeadStopped
from contracts.dead_edits import DeadEditSent
from contracts.erasing import UserEraseAsked
from contracts.interfaces import InterfaceAnnounced
from contracts.lifecycle import AssetRetired
from contracts.merging import AssetAbsorbed
from contracts.messages import Event, Outcome, Request, check_type, reply_type, split_type
from contracts.moves import AssetMoved, AssetTransferred
from contracts.notices import AccessNoted, NoticeDue, ReplayAsked
from contracts.portfolios import PortfolioCounting, PortfolioLeaving, PortfolioNested
from contracts.relations import AssetRelated
from contracts.updates import UserUpdated
from contracts.users import UserRetired
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
    merging,
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
    splitting,
    standing,
    transferring,
    translating,
    updating,
    users,
)
from handlers.allocating import (
    absorbed,
    absorbed_reads,
    consented,
    consented_reads,
    related,
    related_reads,
)
from handlers.assigning import assign, assign_reads
from handlers.changing import spread, spread_reads
from handlers.conflicting import tell_conflict, tell_conflict_reads
from handlers.counting import count, count_reads, recount, recount_reads
from handlers.dead_editing import send_edit, sent_reads
from handlers.due import due, due_reads
from handlers.interfaces import everybody_reads, tell_everybody
from handlers.letters import UNREAD_HELD_TYPE, UNREAD_TYPE
from handlers.majors import majors
from handlers.parting import part, part_reads
from handlers.reaching import reach, reach_reads
from handlers.replaying import replay, replay_reads
from handlers.resending import go_through, replay_alone, run_reads, stopped_reads
from handlers.resent import TYPE as RESENT
from handlers.signature import Handler, handlers_in
from handlers.spreading import (
    leave,
    leave_reads,
    retire,
    retire_reads,
    spread_out,
    spread_out_reads,
)
from handlers.sweeping import sweep, sweep_reads
from handlers.telling import tell, tell_reads
from handlers.watching import note, note_reads
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
    merging,
    splitting,
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


REACTIONS: Final[Mapping[type[Event], tuple[Any, Any]]] = {
    ReplayAsked: (replay, replay_reads),
    NoticeDue: (due, due_reads),
    AccessNoted: (note, note_reads),
    BroadcastAsked: (reach, reach_reads),
    UserUpdated: (spread, spread_reads),
    UserRetired: (part, part_reads),
    UserRejected: (part, part_reads),
    InterfaceAnnounced: (tell_everybody, everybody_reads),
    TypeDefined: (tell_everybody, everybody_reads),
    UserEraseAsked: (sweep, sweep_reads),
    AssetUpdated: (recount, recount_reads),
    PortfolioCounting: (count, count_reads),
    PortfolioNested: (spread_out, spread_out_reads),
    PortfolioLeaving: (leave, leave_reads),
    AssetMoved: (recount, recount_reads),
    AssetTransferred: (recount, recount_reads),
    AssetRetired: (retire, retire_reads),
    AssetConflicted: (tell_conflict, tell_conflict_reads),
    AssetRelated: (related, related_reads),
    AssetConsented: (consented, consented_reads),
    AssetAbsorbed: (absorbed, absorbed_reads),
    AreaLoaded: (assign, assign_reads),
    AreaAssignAsked: (assign, assign_reads),
    DeadRunAsked: (go_through, run_reads),
    DeadStopped: (replay_alone, stopped_reads),
    DeadEditSent: (send_edit, sent_reads),
}
"""Events with a consequence of their own; of all others whoever they concern is told."""


def facts(entries: Mapping[str, Entry]) -> Mapping[str, Handler]:
    """What the lane of the notices does with each type of domain event."""
    return {
        event.message_type: Handler(event, *REACTIONS.get(event, (tell, tell_reads)))
        for event in events(entries)
    }


def types(entries: Mapping[str, Entry]) -> frozenset[str]:
    """Every type that the backbone takes, tells or answers with."""
    said = {*entries, *facts(entries), RESENT, UNREAD_TYPE, UNREAD_HELD_TYPE}
    outcomes: tuple[Outcome, ...] = get_args(Outcome)
    return frozenset(said | {reply_type(name, one) for name in entries for one in outcomes})


def registers(entries: Mapping[str, Entry]) -> tuple[str, ...]:
    """Names of the registers, in alphabetical order."""
    return tuple(sorted({entry.register for entry in entries.values()}))


def contracts_of(handlers: Mapping[str, Handler]) -> Mapping[str, type[Any]]:
    """Type -> model, as admission needs it."""
    return {message_type: handler.contract for message_type, handler in handlers.items()}
