"""How long each collection keeps what it holds, and why: one table, enforced by the retention."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from handlers.entry import INBOX_AGE_MAX


class Kept(NamedTuple):
    """How long, as a person reads it, and why."""

    how_long: str
    why: str


_FOREVER: Final = "as long as the register"
_OWN_END: Final = "until it is over"
_EVENTS: Final = "`FLEXSPINE_EVENTS_DAYS`, 90 days"
INBOX_DAYS: Final = INBOX_AGE_MAX.days + 1
"""A day longer than a command is decided: what is forgotten cannot come again."""

RETENTION: Final[Mapping[str, Kept]] = {
    "users": Kept(_FOREVER, "the register itself; an erasure leaves the id"),
    "assets": Kept(_FOREVER, "the register itself"),
    "asset_types": Kept(_FOREVER, "ids name them"),
    "directory": Kept("as long as its user", "follows from it"),
    "agreements": Kept(_FOREVER, "what was signed must be readable"),
    "agreement_versions": Kept(_FOREVER, "what was signed must be readable"),
    "conditions": Kept(_FOREVER, "what holds for a type"),
    "claims": Kept("as long as its holder claims it", "nobody else may have it meanwhile"),
    "evidence": Kept("as long as its user", "what confirms it"),
    "proofs": Kept("as long as its asset, or its person", "what confirms it"),
    "refreshes": Kept(_OWN_END, "what is still asked for"),
    "accounts": Kept("as long as its user", "who may log in"),
    "inbox": Kept(f"{INBOX_DAYS} days", "an older command is refused, so its answer is not needed"),
    "outbox": Kept("until the broker confirms", "what is still to be sent"),
    "history": Kept(_FOREVER, "questions about the past are answered; an erasure takes values"),
    "commands": Kept(_FOREVER, "a rebuild needs all of it; an erasure destroys keys"),
    "dead_letters": Kept("until an operator ends them", "a failed message never ends by itself"),
    "dead_contents": Kept("as long as its letter", "what would be sent again"),
    "dead_notes": Kept("as long as its letter", "what operators made of it"),
    "dead_runs": Kept("as long as the letters of it", "which were replayed, and by whom"),
    "dead_edits": Kept("as long as its letter", "what was sent in its place, and who has agreed"),
    "losses": Kept("as long as its user", "how much its own queues have lost"),
    "keys": Kept(_FOREVER, "what they seal; a destroyed one leaves the word that it was"),
    "parked": Kept(_OWN_END, "at most six minutes, behind others longer"),
    "relations": Kept(_FOREVER, "who saw what when; ended ties tell it"),
    "links": Kept("as long as its asserter wants", "translates ids both ways"),
    "erasures": Kept(_FOREVER, "that somebody was erased, and on whose wish"),
    "subscriptions": Kept("as long as its user", "what it has chosen"),
    "sequences": Kept("as long as its user", "its events are counted without gaps"),
    "events": Kept(_EVENTS, "told again on request"),
    "notices": Kept("as long as its recipient", "what waits, and what was done"),
    "pots": Kept(_OWN_END, "told with the next digest"),
    "timers": Kept(_OWN_END, "the decision on it deletes it"),
    "replays": Kept("as long as its user", "one row for a user"),
    "watches": Kept("as long as somebody watches", "who is told of reading"),
    "channels": Kept(_FOREVER, "who has addressed whom, and may be answered"),
    "interests": Kept("as long as its user", "the answer too"),
    "changes": Kept("as long as its user", "who has not taken over what"),
    "broadcasts": Kept(_OWN_END, "until all are told"),
    "broadcasters": Kept("as long as its user", "one row for a user"),
    "reached": Kept(_OWN_END, "until all are told"),
    "members": Kept(_FOREVER, "since when and until when"),
    "placements": Kept("as long as its asset", "what it counts in"),
    "nests": Kept("as long as its portfolios", "follows from the members"),
    "tallies": Kept("as long as its portfolio", "how many changes it has had"),
    "portfolios": Kept("as long as its portfolio", "its sums"),
    "flags": Kept("as long as it is true", "what may be counted twice"),
    "shards": Kept(_FOREVER, "which shard decides what"),
    "areas": Kept("until its next edition", "boundaries"),
    "area_cells": Kept("until its next edition", "boundaries"),
    "objects": Kept(_OWN_END, "its timer deletes it"),
    "object_chunks": Kept(_OWN_END, "with its object"),
    "places": Kept("as long as its asset", "follows from it"),
    "present": Kept("some seconds", "who is there"),
    "lanes": Kept(_FOREVER, "fences; the order of the archive"),
    "tokens": Kept("as long as its records", "what newcomers are compared with"),
    "cases": Kept(_FOREVER, "what was dismissed stays dismissed"),
    "merges": Kept(_FOREVER, "a split gives back what is in it"),
    "sweeps": Kept(_FOREVER, "how far the retention is; a row for a lane"),
}
"""Collection -> how long. By age `events` and `inbox` are swept; the rest ends with what it is
of."""
