"""Relations to assets: who becomes something to one, and who is it no more."""

from collections.abc import Callable
from datetime import datetime

from contracts.messages import Contract
from contracts.relations import (
    AssetRelated,
    AssetUnrelated,
    RelateAsset,
    RelationState,
    UnrelateAsset,
)
from contracts.relations import (
    Tie as AssetTie,
)
from contracts.users import ENDED_STATUSES
from handlers.asset_rules import asset_not_found, asset_retired
from handlers.consenting import CONSENTED, withdrawn_finding
from handlers.consents import is_withdrawn
from handlers.decision import Accepted, Context, Decision, Document, Put, Reads, Rejected, View
from handlers.edges import RELATIONS, edge, recorded
from handlers.placing import PLACES
from handlers.rules import finding, reject
from handlers.signature import reads
from handlers.tying import Tie, ended, is_known, is_over, tie, ties_of, unfit
from handlers.visibility import Standing, named, seen, standing_reads


def _relate_reads(command: RelateAsset | UnrelateAsset, context: Context) -> Reads:
    yield from standing_reads("assets", command.id, context.sender.user)
    yield RELATIONS, edge(command.id, command.party)
    yield "users", command.party
    yield PLACES, command.id


@reads(_relate_reads)
def relate_asset(command: RelateAsset, view: View, context: Context) -> Decision:
    """Record a tie of a party to an asset; one that is there already makes no event.

    The party's roles and a mandate of the sender may be read stale: a command that is decided in
    the moment in which they end counts as decided before.
    Rejects: asset.not-found, asset.retired, relation.not-yours, relation.party-unknown,
        consent.withdrawn, tie.period, tie.too-many
    Source: A1a, A4a, U6.
    """
    found = seen("assets", command.id, view, context)
    if found is None:
        return asset_not_found(command.id)
    asset, standing = found
    if not standing.may("write", "relations"):
        return relation_not_yours()
    if asset["lifecycle"] == "retired":
        return asset_retired(command.id)
    if not _has_role(view.get("users", command.party), command.relation):
        return _party_unknown(command)
    was = view.get(RELATIONS, edge(command.id, command.party))
    if _is_unwanted(command, standing, was, context):
        return reject(withdrawn_finding(command.party))
    kept = ties_of(was)
    asked = (command.from_time, command.until)
    named_so = {} if command.brand is None else {"brand": command.brand}
    new = tie(command.relation, asked, context, service=command.service, **named_so)
    like = [one for one in kept if _is_of(one, command.relation, command.service)]
    if is_known(new, like):
        return Accepted(command.id, _state(command, kept, was, context.now), _key(asset))
    if findings := tuple(unfit(new, like, kept)):
        return reject(*findings)
    document = recorded(command.id, command.party, [*kept, new], was)
    event = AssetRelated(
        id=command.id,
        by=context.sender.user,
        parties=named(asset) or None,
        party=command.party,
        relation=command.relation,
        service=command.service,
        from_time=new["from"],
        until=new["until"],
    )
    return Accepted(
        subject=command.id,
        keyed_to=_key(asset),
        reply=_state(command, document["ties"], document, context.now),
        writes=(Put(RELATIONS, document, was),),
        events=(event,),
    )


@reads(_relate_reads)
def unrelate_asset(command: UnrelateAsset, view: View, context: Context) -> Decision:
    """End the ties of a party that are meant; what is over already makes no event.

    A mandate of the sender may be read stale, as for relate_asset.
    Rejects: asset.not-found, relation.not-yours, relation.none
    Source: A1a, A4a, U6.
    """
    asset, found = view.get("assets", command.id), seen("assets", command.id, view, context)
    was = view.get(RELATIONS, edge(command.id, command.party))
    kept = ties_of(was)
    is_itself = command.party == context.sender.user
    # Whoever will be a party knows of the asset already: it was told so.
    will_be = is_itself and any(not is_over(one, context.now) for one in kept)
    if asset is None or (found is None and not will_be):
        return asset_not_found(command.id)
    if not is_itself and (found is None or not found[1].may("write", "relations")):
        return relation_not_yours()
    meant = _meant(command)
    if not any(map(meant, kept)):
        return _none(command)
    after, moment = ended(kept, meant, command.until, context)
    if after == kept:
        return Accepted(command.id, _state(command, kept, was, context.now), _key(asset))
    document = recorded(command.id, command.party, after, was)
    event = AssetUnrelated(
        id=command.id,
        by=context.sender.user,
        parties=named(asset) or None,
        party=command.party,
        relation=command.relation,
        service=command.service,
        until=moment,
    )
    return Accepted(
        subject=command.id,
        keyed_to=_key(asset),
        reply=_state(command, after, document, context.now),
        writes=(Put(RELATIONS, document, was),),
        events=(event,),
    )


def _is_unwanted(
    command: RelateAsset, standing: Standing, row: Document | None, context: Context
) -> bool:
    """Whether the owner has taken back what the tie would need; the owner itself may relate."""
    by_owner = "owner" in standing.held or (
        "delegate" in standing.held and context.sender.user != command.party
    )
    return command.relation in CONSENTED and not by_owner and is_withdrawn(row, command.service)


def _has_role(party: Document | None, role: str) -> bool:
    """Whether there is such a user; a relation is no way to a role that nobody has granted."""
    return party is not None and party["status"] not in ENDED_STATUSES and role in party["roles"]


def _is_of(one: Tie, relation: str, service: str | None) -> bool:
    return bool(one["as"] == relation and one.get("service") == service)


def _meant(command: UnrelateAsset) -> Callable[[Tie], bool]:
    if command.service is None:
        return lambda one: bool(one["as"] == command.relation)
    return lambda one: _is_of(one, command.relation, command.service)


def _key(asset: Document) -> str:
    """The user under whose data key what was said of the asset is archived."""
    key: str = asset.get("owner") or asset["registrant"]
    return key


def _state(
    command: RelateAsset | UnrelateAsset,
    kept: list[Tie],
    row: Document | None,
    now: datetime,
) -> Contract:
    ties = tuple(
        AssetTie(
            relation=one["as"],
            service=one.get("service"),
            from_time=one["from"],
            until=one["until"],
        )
        for one in kept
        if not is_over(one, now)
    )
    revision = row["revision"] if row is not None else 0
    return RelationState(id=command.id, party=command.party, revision=revision, ties=ties)


def relation_not_yours(field: str = "party") -> Rejected:
    """The answer to who may see an asset and not who is what to it."""
    return reject(
        finding(
            "relation.not-yours",
            field,
            expected="a sender who may write the asset's relations, or to end one of its own",
            advice="Ask the asset's owner, or the owner for a mandate.",
        )
    )


def _party_unknown(command: RelateAsset) -> Rejected:
    return reject(
        finding(
            "relation.party-unknown",
            "party",
            expected=f"the id of a registered user with the role `{command.relation}`",
            got=command.party,
            advice="Check the id and the relation; the party registers, or asks for the role.",
        )
    )


def _none(command: UnrelateAsset) -> Rejected:
    service = f" for {command.service}" if command.service is not None else ""
    return reject(
        finding(
            "relation.none",
            "party",
            expected=f"a party that is or was `{command.relation}`{service} to the asset",
            got=command.party,
            advice="Check the party, the relation and the service.",
        )
    )
