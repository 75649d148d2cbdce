"""The map as others read it, derived: a table for people, JSON Schemas for programs."""

from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

from pydantic import BaseModel

from contracts.envelope import CheckPassed, Header, HeldData, RejectedData
from contracts.messages import Outcome, reply_type
from contracts.requirements import DIALECT
from handlers.letters import UNREAD_HELD_TYPE, UNREAD_TYPE
from topology.catalog import Entry, events

URN: Final = "urn:flexspine:schema:"
ENVELOPE: Final = "envelope"
OUTCOMES: Final[tuple[Outcome, ...]] = get_args(Outcome)
HEAD: Final = ("type", "kind", "queue", "collection", "who may send", "reply")


def table(entries: Mapping[str, Entry]) -> str:
    """One line per type, as Markdown."""
    rows = [HEAD, ("---",) * len(HEAD), *map(_row, entries.values())]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def _row(entry: Entry) -> tuple[str, ...]:
    return (
        f"`{entry.name}`",
        entry.kind,
        f"`{entry.queue}`",
        f"`{entry.register}`",
        ", ".join(entry.senders),
        ", ".join(f"`{reply_type(entry.name, outcome)}`" for outcome in OUTCOMES),
    )


def schemas(entries: Mapping[str, Entry]) -> dict[str, dict[str, Any]]:
    """Type -> JSON Schema 2020-12 of its `data`: requests as we read them, the rest as we write.

    The attributes around the data, the same for every type, are under `envelope`.
    """
    taken = {name: _schema(name, e.contract, "validation") for name, e in entries.items()}
    sent = {name: _schema(name, model, "serialization") for name, model in written(entries)}
    for name in deprecated(entries):
        for said in (taken, sent):
            if name in said:
                said[name]["deprecated"] = True
    envelope = {ENVELOPE: _schema(ENVELOPE, Header, "validation")}
    return envelope | dict(sorted((taken | sent).items()))


def deprecated(entries: Mapping[str, Entry]) -> Mapping[str, str]:
    """Type of a request with a newer major, and of each reply to it -> that newer type."""
    found: dict[str, str] = {}
    for entry in entries.values():
        if (newer := entry.newer) is not None:
            replies = {reply_type(entry.name, o): reply_type(newer, o) for o in OUTCOMES}
            found |= {entry.name: newer, **replies}
    return found


def written(entries: Mapping[str, Entry]) -> Iterator[tuple[str, type[BaseModel]]]:
    """Type and model of the data of everything that the backbone sends."""
    yield UNREAD_TYPE, RejectedData
    yield UNREAD_HELD_TYPE, HeldData
    for event in events(entries):
        yield event.message_type, event
    for entry in entries.values():
        accepted = CheckPassed if entry.kind == "check" else entry.contract.accepted
        yield reply_type(entry.name, "accepted"), accepted
        yield reply_type(entry.name, "rejected"), RejectedData
        yield reply_type(entry.name, "held"), HeldData


def _schema(message_type: str, model: type[BaseModel], mode: Any) -> dict[str, Any]:
    schema = model.model_json_schema(mode=mode)
    return {"$schema": DIALECT, "$id": f"{URN}{message_type}", **schema}
