"""What an alias had that becomes the survivor's, and how that goes back: nothing counts twice.

What comes by a merge is marked with the alias (`via`), so that it is told apart for ever from what
the survivor has of its own; what the alias had stays where it was, and is looked at no more.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from handlers.asset_rules import device_claim
from handlers.consents import consents_of
from handlers.decision import Context, Document, Drop, Put, View
from handlers.edges import RELATIONS, edge, recorded
from handlers.links import LINKS, pair
from handlers.rules import claim
from handlers.spans import Span
from handlers.tying import Tie, ended, is_over, tie, ties_of
from handlers.visibility import named, parties

VIA: Final = "via"
"""Field of a tie: by which alias the survivor has it."""
Writes = Iterator[Put | Drop]


def parties_of(entity: str) -> tuple[str, Span]:
    """Who is or was what to an asset, or to a user."""
    return RELATIONS, Span("entity", entity)


def names_of(entity: str) -> tuple[str, Span]:
    """What anybody calls an asset, or a user."""
    return LINKS, Span("entity", entity)


def inherited(other: Document, survivor: str, view: View, context: Context) -> dict[str, list[Tie]]:
    """By party the ties that the survivor takes over: those of the alias that are not over.

    Whoever had registered the alias is a registrant of the survivor, as a recorded tie.
    """
    rows, _ = view.page(*parties_of(other["_id"]))
    found = {row["party"]: [t for t in ties_of(row) if not _is_done(t, context)] for row in rows}
    registrant = named(other).get("registrant")
    own = named(view.get("assets", survivor) or {}).values()
    if registrant is not None and registrant not in own:
        made = tie("registrant", (None, None), context, service=None)
        found[registrant] = [*found.get(registrant, ()), made]
    return {party: ties for party, ties in sorted(found.items()) if ties}


def _is_done(one: Tie, context: Context) -> bool:
    return is_over(one, context.now)


def tied(
    survivor: str, alias: str, ties: Mapping[str, Sequence[Tie]], view: View, context: Context
) -> Writes:
    """The survivor's relations with those of the alias besides, from now on."""
    for party, new in ties.items():
        was = view.get(RELATIONS, edge(survivor, party))
        kept = ties_of(was)
        more = [one for given in new for one in fitted(given, kept, alias, context)]
        if more:
            yield Put(RELATIONS, recorded(survivor, party, [*kept, *more], was), was)


def fitted(new: Tie, kept: Iterable[Tie], alias: str, context: Context) -> Iterator[Tie]:
    """A tie from now on, behind those of the like that hold already."""
    like = [o for o in kept if (o["as"], o.get("service")) == (new["as"], new.get("service"))]
    begin = max(new["from"], context.now)
    for one in sorted((o for o in like if not is_over(o, context.now)), key=lambda o: o["from"]):
        if one["until"] is None:
            return
        begin = max(begin, one["until"])
    if new["until"] is None or begin < new["until"]:
        yield {**new, "from": begin, VIA: alias}


def untied(record: Document, view: View, context: Context) -> Writes:
    """The survivor's relations without those of the alias; what ended meanwhile ends there too."""
    survivor, alias, since = record["survivor"], record["_id"], record["at"]
    is_retired = (view.get("assets", survivor) or {}).get("lifecycle") == "retired"
    rows = (view.get(RELATIONS, edge(survivor, party)) for party in record["parties"])
    for row in (one for one in rows if one is not None):
        by_alias = [one for one in ties_of(row) if one.get(VIA) == alias]
        over = [one for one in by_alias if "ended_at" in one and one["ended_at"] >= since]
        withdrawn = [
            one for one in consents_of(row) if one["state"] == "withdrawn" and one["at"] >= since
        ]
        if not is_retired and (over or withdrawn):
            yield from _lost(alias, row["party"], over, withdrawn, (view, context))
        if by_alias:
            yield without(row, alias)


def without(row: Document, alias: str) -> Put | Drop:
    """A row without the ties that came by an alias; it is as if there had been none but those."""
    kept = [one for one in ties_of(row) if one.get(VIA) != alias]
    if not kept and not consents_of(row):
        return Drop(RELATIONS, row)
    return Put(RELATIONS, recorded(row["entity"], row["party"], kept, row), row)


def _lost(
    alias: str,
    party: str,
    over: Sequence[Tie],
    withdrawn: Sequence[Document],
    at: tuple[View, Context],
) -> Writes:
    view, context = at
    was = view.get(RELATIONS, edge(alias, party))
    gone = {(one["as"], one.get("service")) for one in over}
    kept, _ = ended(
        ties_of(was), lambda one: (one["as"], one.get("service")) in gone, None, context
    )
    document = recorded(alias, party, kept, was)
    if withdrawn:
        document = {**document, "consents": [*consents_of(was), *withdrawn]}
    if withdrawn or list(document["ties"]) != list(ties_of(was)):
        yield Put(RELATIONS, document, was)


def called(rows: Iterable[Document], entity: str, keyed_to: str | None = None) -> Iterator[Put]:
    """External ids as those of another; of what was erased nothing is left to be called.

    Those of two assets are kept under one key, those of a user under that of whom they were of.
    """
    for row in rows:
        after = {**row, "entity": entity, "pair": pair(entity, row["asserter"])}
        yield Put(LINKS, {**after, "revision": row["revision"] + 1}, row, keyed_to)


def held_by(record: Document, held: Document) -> Put:
    """A device, or an identifier, as another's."""
    after = {"holder": record["_id"], "parties": parties(record), "named": dict(named(record))}
    return Put("claims", {**held, **after, "revision": held["revision"] + 1}, held)


def claim_id(device: tuple[str, str] | None, context: Context) -> str | None:
    """Id of the row by which a device is held."""
    return context.identity.fingerprint(*device) if device is not None else None


def claim_read(asset: Document, context: Context) -> Iterator[tuple[str, str]]:
    """The row by which an asset, as rules see it, holds its device."""
    held = claim_id(device_claim(asset), context)
    if held is not None:
        yield "claims", held


def claimed_again(
    asset: Document, device: tuple[str, str] | None, survivor: str, view: View, context: Context
) -> Iterator[Put]:
    """The device of a restored asset, where nobody else has it by now."""
    if device is None:
        return
    held = view.get("claims", claim_id(device, context))
    if held is None:
        yield claim(*device, asset, context)
    elif held["holder"] == survivor:
        yield held_by(asset, held)
