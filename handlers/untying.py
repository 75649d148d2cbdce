"""What ends between a user who was erased and others, and what the others are told of it."""

from collections.abc import Iterator, Sequence

from contracts.interests import InterestWithdrawn
from contracts.mandates import MandateEnded
from contracts.messages import Event, register_of_entity
from contracts.relations import AssetUnrelated
from contracts.sharing import SharingRevoked
from handlers.decision import Context, Document, Put, View
from handlers.edges import READER, RELATIONS
from handlers.mandates import DELEGATE
from handlers.tying import Tie, ended
from handlers.visibility import named


def untied(
    rows: Sequence[Document], view: View, context: Context
) -> tuple[tuple[Put, ...], tuple[Event, ...]]:
    """End every tie of some rows; of each relation that held, or was to, both sides are told."""
    writes, said = list[Put](), list[Event]()
    ending = [
        (row, after)
        for row in rows
        if (after := ended(row["ties"], lambda _: True, None, context)[0]) != row["ties"]
    ]
    view.require((register_of_entity(row["entity"]), row["entity"]) for row, _ in ending)
    for row, after in ending:
        writes.append(Put(RELATIONS, {**row, "ties": after, "revision": row["revision"] + 1}, row))
        over = [new for new, old in zip(after, row["ties"], strict=True) if new != old]
        said += _said(row, over, view, context)
    return tuple(writes), tuple(said)


def _said(row: Document, over: Sequence[Tie], view: View, context: Context) -> Iterator[Event]:
    entity, register = row["entity"], register_of_entity(row["entity"])
    parties = named(view.get(register, entity) or {}) or None
    by, until, relations = context.sender.user, context.now, {one["as"] for one in over}
    if register == "assets":
        for relation in sorted(relations):
            yield AssetUnrelated(
                id=entity, by=by, parties=parties, party=row["party"], relation=relation,
                until=until,
            )  # fmt: skip
        return
    if DELEGATE in relations:
        yield MandateEnded(id=entity, by=by, parties=parties, delegate=row["party"], until=until)
    if READER in relations:
        groups = tuple(sorted({one["group"] for one in over if one["as"] == READER}))
        yield SharingRevoked(id=entity, by=by, party=row["party"], groups=groups, until=until)


def withdrawn(rows: Sequence[Document], by: str) -> Iterator[InterestWithdrawn]:
    """What is said of interests that stand, and of which nothing remains."""
    for row in rows:
        if row["status"] != "withdrawn":
            yield InterestWithdrawn(
                id=row["user"], by=by, to=row["to"], revision=row["revision"] + 1
            )
