"""How one user's takes another's place: an asset as another's, and what the others are told."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from contracts.mandates import MandateEnded, MandateGiven
from contracts.messages import Event, register_of_entity
from contracts.moves import AssetTransferred
from contracts.relations import AssetRelated, AssetUnrelated
from handlers.asset_groups import is_personal, kept, opened
from handlers.asset_rules import device_claim
from handlers.decision import Context, Document, Put, View
from handlers.mandates import DELEGATE
from handlers.placing import PLACES, cell_reads
from handlers.rights import RECORDED
from handlers.rules import holder_of
from handlers.senders import Sender
from handlers.tying import Tie
from handlers.uniting import held_by
from handlers.visibility import named


def asker_of(by: str, context: Context) -> Context:
    """What happens happens by the hand of who has merged or split."""
    return replace(context, sender=Sender(by, frozenset(), "confirmed"))


def place_reads(assets: Iterable[Document | None]) -> Iterator[tuple[str, str]]:
    """By what assets are found, which a change of whose they are brings along; in one round."""
    for row in assets:
        if row is not None and register_of_entity(row["_id"]) == "assets":
            yield PLACES, row["_id"]
            yield from cell_reads(row)


def claim_reads(rows: Sequence[Document], context: Context) -> Iterator[tuple[str, str]]:
    """By what assets hold their devices."""
    for row in rows:
        if (device := device_claim(opened(row))) is not None:
            yield "claims", context.identity.fingerprint(*device)


def given(
    asset: Document, owner: str, view: View, context: Context
) -> tuple[tuple[Put, ...], AssetTransferred]:
    """An asset as another user's, with nothing else changed, and what is told of it."""
    after = {
        **opened(asset),
        "owner": owner,
        "revision": asset["revision"] + 1,
        "updated_at": context.now,
    }
    device = device_claim(after)
    held = holder_of(*device, view, context) if device is not None else None
    is_held = held is not None and held["holder"] == asset["_id"]
    told = AssetTransferred(
        id=asset["_id"],
        revision=after["revision"],
        status=asset["status"],
        by=context.sender.user,
        parties=named(after) or None,
        owner=owner,
        former=asset["owner"],
    )
    document = kept(after, personal=is_personal(asset))
    puts = [Put("assets", document, asset)]
    if is_held and held is not None:
        puts.append(held_by(after, held))
    return tuple(puts), told


def moved(
    entity: Document,
    begun: Iterable[Tie],
    over: Iterable[Tie],
    pair: tuple[str, str],
    context: Context,
) -> Iterator[Event]:
    """What it is to others that what one user was, another is: it has begun, and is over."""
    former, party = pair
    parties = named(entity) or None
    said: dict[str, Any] = {"id": entity["_id"], "by": context.sender.user, "parties": parties}
    for one in begun:
        span = {"from_time": max(one["from"], context.now), "until": one["until"]}
        if one["as"] == DELEGATE:
            yield MandateGiven(**said, delegate=party, **span)
        elif one["as"] in RECORDED:
            about = {"relation": one["as"], "service": one.get("service")}
            yield AssetRelated(**said, party=party, **about, **span)
    for one in over:
        if one["as"] == DELEGATE:
            yield MandateEnded(**said, delegate=former, until=context.now)
        elif one["as"] in RECORDED:
            about = {"relation": one["as"], "service": one.get("service")}
            yield AssetUnrelated(**said, party=former, **about, until=context.now)
