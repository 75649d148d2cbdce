"""What is recorded between an entity and a party: ties, each with the time for which it holds."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from handlers.decision import Document
from handlers.rights import UNPROVEN, Relation

RELATIONS: Final = "relations"
"""Collection of the recorded relations: one document for an entity and a party."""
READER: Final = "reader"
COUNTED: Final = frozenset({"confirmed"})
"""Statuses in which a user reads what others share: a provisional one only waits for it."""


def edge(entity: str, party: str) -> str:
    """Id of the document that records what a party is to an entity."""
    return f"{entity}/{party}"


def recorded(
    entity: str, party: str, held: Sequence[Mapping[str, Any]], was: Document | None = None
) -> Document:
    """What a party is to an entity, as it is kept: every tie with the time for which it holds."""
    revision = was["revision"] + 1 if was is not None else 1
    row = {"_id": edge(entity, party), "revision": revision, "entity": entity, "party": party}
    return {**(was or {}), **row, "ties": list(held)}


def ties(row: Document | None, at: datetime) -> frozenset[Relation]:
    """The recorded relations that hold at a moment: from its beginning on, until its end."""
    found = (row or {}).get("ties", ())
    return frozenset(tie["as"] for tie in found if holds(tie, at))


def shared(row: Document | None, at: datetime) -> frozenset[str]:
    """The groups that are shared with a party at a moment, whether it may read them yet or not."""
    found = (row or {}).get("ties", ())
    return frozenset(tie["group"] for tie in found if tie["as"] == READER and holds(tie, at))


def limited(row: Document | None, at: datetime) -> frozenset[tuple[Relation, str]]:
    """Of the recorded relations those that hold for some services alone, with each of these."""
    found = [tie for tie in (row or {}).get("ties", ()) if holds(tie, at)]
    everywhere = {tie["as"] for tie in found if tie.get("service") is None}
    return frozenset((tie["as"], tie["service"]) for tie in found if tie["as"] not in everywhere)


def tied(
    row: Document | None, at: datetime, status: str
) -> tuple[frozenset[Relation], frozenset[str]]:
    """What a party of this status is by its recorded ties, and which groups it may read by grant.

    Whoever is not confirmed is no reader.
    """
    if status not in COUNTED:
        return ties(row, at) - UNPROVEN, frozenset()
    return ties(row, at), shared(row, at)


def holds(tie: Mapping[str, Any], at: datetime) -> bool:
    """Whether a tie holds at a moment; its time is half-open."""
    until = tie.get("until")
    return tie["from"] <= at and (until is None or at < until)
