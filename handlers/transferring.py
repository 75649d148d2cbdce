"""How an asset comes to another owner: with its data key, its rights, and who keeps what."""

from collections.abc import Iterator

from contracts.envelope import Finding
from contracts.moves import AssetTransferred, TransferAsset
from contracts.users import ENDED_STATUSES
from handlers.amending import amended, refused
from handlers.asset_groups import key_of, opened, state_of
from handlers.asset_rules import asset_not_found, device_claim, own_claim
from handlers.decision import Accepted, Context, Decision, Document, Drop, Put, Reads, View
from handlers.edges import RELATIONS, edge, recorded
from handlers.merging import MERGES
from handlers.refreshing import refresh_read
from handlers.retiring import not_ruling
from handlers.rights import Relation
from handlers.rules import claim, finding, reject
from handlers.senders import RESERVED
from handlers.signature import reads
from handlers.tying import ties_of
from handlers.visibility import Standing, named, seen, standing_reads


def _reads(command: TransferAsset, context: Context) -> Reads:
    yield from standing_reads("assets", command.id, context.sender.user)
    yield refresh_read(command.id)
    yield "users", command.owner


@reads(_reads)
def transfer_asset(command: TransferAsset, view: View, context: Context) -> Decision:
    """Name another owner, under whose data key the asset and this decision are kept from now on.

    What the former side was is kept as ties that are over, so that its history stays readable to
    it. That the new owner is registered may be read stale.
    Rejects: asset.not-found, asset.not-yours, asset.stale, asset.retired, asset.owner-unknown
    Source: A1a.
    """
    found = seen("assets", command.id, view, context)
    if found is None:
        return asset_not_found(command.id)
    stored, standing = found
    if not _may_give(stored, standing):
        return reject(not_ruling())
    if (rejected := refused([], command.expected_revision, found, view)) is not None:
        return rejected
    was, owner = opened(stored), view.get("users", command.owner)
    former = was.get("owner")
    if former == command.owner:
        return Accepted(command.id, state_of(was), key_of(was))
    if owner is None or owner["status"] in ENDED_STATUSES:
        return reject(_owner_unknown(command.owner))
    after = {**was, "owner": command.owner, "owned_since": context.now}
    after["is_personal"] = owner["kind"] == "person"
    if former is not None:
        after["transferred_at"] = context.now
    done = amended(stored, after, view, context)
    if done is None:
        raise ValueError(f"expected another owner to change {command.id}")
    event = AssetTransferred(
        id=command.id,
        revision=done.document["revision"],
        status=done.document["status"],
        by=context.sender.user,
        parties=named(was) | {"owner": command.owner},
        owner=command.owner,
        former=former,
    )
    return Accepted(
        subject=command.id,
        keyed_to=command.owner,
        reply=state_of(done.document),
        writes=(
            *done.writes,
            *_known_to(done.document, view, context),
            *_over(was, view, context),
            *_for_good(was, view),
        ),
        events=(event, *done.events),
    )


def _may_give(asset: Document, standing: Standing) -> bool:
    """Whether the asset is the sender's to give; without an owner it is who registered it."""
    givers: set[Relation] = {"owner", "operator"}
    return bool(standing.held & (givers if "owner" in asset else {*givers, "registrant"}))


def _known_to(asset: Document, view: View, context: Context) -> Iterator[Put]:
    """Whose device it is from now on, for whoever tries to register it again."""
    held = own_claim(asset, view, context)
    if held is not None and (device := device_claim(asset)) is not None:
        renewed = claim(*device, asset, context).document
        yield Put("claims", {**renewed, "revision": held["revision"] + 1}, held)


def _over(was: Document, view: View, context: Context) -> Iterator[Put]:
    """What the former owner and who registered it for that one were, as ties that are over."""
    if was.get("owner") is None:
        return
    ended: dict[str, list[Relation]] = {}
    for relation, user in named(was).items():
        ended.setdefault(user, []).append(relation)
    view.require((RELATIONS, edge(was["_id"], user)) for user in ended)
    since = was.get("owned_since", was["registered_at"])
    made = {"by": context.sender.user, "at": context.now}
    for user, relations in ended.items():
        if user in RESERVED:
            continue
        row = view.get(RELATIONS, edge(was["_id"], user))
        ties = [
            {"as": one, "from": since, "until": context.now, "service": None, **made}
            for one in relations
        ]
        yield Put(RELATIONS, recorded(was["_id"], user, [*ties_of(row), *ties], row), row)


def _for_good(was: Document, view: View) -> Iterator[Drop]:
    """What was merged into the asset goes with it, and is not split from it any more.

    The records are the former owner's, under whose key they are kept.
    """
    aliases = was.get("aliases", ())
    view.require((MERGES, one) for one in aliases)
    yield from (Drop(MERGES, row) for one in aliases if (row := view.get(MERGES, one)) is not None)


def _owner_unknown(owner: str) -> Finding:
    return finding(
        "asset.owner-unknown",
        "owner",
        expected="the id of a registered user",
        got=owner,
        advice="Register the owner first and use the id of the reply.",
    )
