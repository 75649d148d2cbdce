"""What the lane of the notices does with each domain event: derived, and a few of their own."""

from collections.abc import Mapping
from typing import Any, Final

from contracts.areas import AreaAssignAsked, AreaLoaded
from contracts.asset_types import TypeDefined
from contracts.assets import AssetConflicted, AssetUpdated
from contracts.broadcasts import BroadcastAsked
from contracts.confirmation import UserRejected
from contracts.consents import AssetConsented
from contracts.dead import DeadRunAsked, DeadStopped
from contracts.dead_edits import DeadEditSent, DeadUnsent
from contracts.erasing import UserEraseAsked
from contracts.interfaces import InterfaceAnnounced
from contracts.lifecycle import AssetRetired
from contracts.merging import AssetAbsorbed
from contracts.messages import Event
from contracts.moves import AssetMoved, AssetTransferred
from contracts.notices import AccessNoted, NoticeDue, ReplayAsked
from contracts.portfolios import PortfolioCounting, PortfolioLeaving, PortfolioNested
from contracts.relations import AssetRelated
from contracts.updates import UserUpdated
from contracts.users import UserRetired
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
from handlers.parting import part, part_reads
from handlers.reaching import reach, reach_reads
from handlers.replaying import replay, replay_reads
from handlers.resending import go_through, replay_alone, run_reads, stopped_reads
from handlers.signature import Handler
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
from handlers.unsent import fail_again, unsent_reads
from handlers.watching import note, note_reads
from topology.catalog import Entry, events

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
    DeadUnsent: (fail_again, unsent_reads),
}
"""Events with a consequence of their own; of all others whoever they concern is told."""


def facts(entries: Mapping[str, Entry]) -> Mapping[str, Handler]:
    """What the lane of the notices does with each type of domain event."""
    return {
        event.message_type: Handler(event, *REACTIONS.get(event, (tell, tell_reads)))
        for event in events(entries)
    }
