"""The asset register: what becomes an asset, how its data changes, and who may read it."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from contracts.assets import (
    AssetDuplicateAttempted,
    AssetRegistered,
    AssetState,
    AssetUpdated,
    AssetView,
    GetAsset,
    Identity,
    RegisterAsset,
    UpdateAsset,
)
from handlers.asset_rules import (
    ASSET_RULES,
    CLAIM_RULES,
    REGISTRATION_RULES,
    TYPED_RULES,
    area_of,
    device_claim,
    device_key,
)
from handlers.asset_types import type_read
from handlers.decision import (
    Accepted,
    Answer,
    Context,
    Decision,
    Document,
    Drop,
    Put,
    Reads,
    Rejected,
    Secret,
    View,
)
from handlers.documents import changed_fields, merged, plain, said_by
from handlers.links import reference_of_asset
from handlers.patching import not_yours, stale
from handlers.polygons import cell_of
from handlers.rules import (
    Rule,
    attempted,
    candidate_ids,
    check,
    claim,
    finding,
    holder_of,
    issue_id,
    reject,
)
from handlers.signature import reads
from handlers.visibility import named, seen, standing_reads
from handlers.watching import noted, watch_read

PERSONAL: Final = frozenset({"name", "connection", "location", "meters", "signposts"})
"""Groups that are personal data where a person owns the asset."""


def _device_reads(identity: Identity | None, context: Context) -> Reads:
    device = device_key(identity.make, identity.serial) if identity is not None else None
    if device is not None:
        yield "claims", context.identity.fingerprint(*device)


def _registration_reads(command: RegisterAsset, context: Context) -> Reads:
    yield "assets", next(candidate_ids(command.asset_type, context))
    yield type_read(command.asset_type)
    if command.owner is not None:
        yield "users", command.owner
    yield from _device_reads(command.identity, context)
    yield from (one.read(context) for one in reference_of_asset(command.reference))


@reads(_registration_reads)
def register_asset(command: RegisterAsset, view: View, context: Context) -> Decision:
    """Issue an id that embeds the type, and keep the data as provisional.

    That the owner exists may be read stale: a user's id never vanishes.
    Rejects: asset.unidentifiable, asset.owner-unknown, asset.duplicate, connection.gsp-group,
        location.outside, lifecycle.dates, asset-type.unknown, details.undefined, details.invalid,
        link.taken
    Source: A1, A2, A4a.
    """
    asset = issue_id(command.asset_type, "assets", view, context)
    document = _document(asset, command, context)
    if (rejected := _unfit(REGISTRATION_RULES, document, view, context)) is not None:
        return rejected
    references = tuple(reference_of_asset(command.reference))
    # Behind the claims: a device that is registered already is told to be so, whatever its name.
    if linked := tuple(f for one in references for f in one.taken(view, context)):
        return reject(*linked)
    device = device_claim(document)
    claims = (claim(*device, document, context),) if device is not None else ()
    state = _state(document)
    return Accepted(
        subject=asset,
        keyed_to=command.owner or context.sender.user,
        reply=state,
        writes=(
            Put("assets", _kept(document, personal=_is_persons(command, view))),
            *claims,
            *(one.link(asset, context) for one in references),
        ),
        events=(
            AssetRegistered(
                **dict(state),
                by=context.sender.user,
                parties=named(document) or None,
                area=area_of(document),
            ),
        ),
    )


def _unfit(
    rules: Iterable[Rule[Document]], document: Document, view: View, context: Context
) -> Rejected | None:
    """What speaks against a document; a device that is another asset's is told to that one."""
    if (rejected := check(rules, document, view, context)) is not None:
        return rejected
    if (rejected := check(CLAIM_RULES, document, view, context)) is None:
        return None
    device = device_claim(document)
    held = holder_of(*device, view, context) if device is not None else None
    return attempted(rejected, [held], AssetDuplicateAttempted, context.sender.roles, context)


def _is_persons(command: RegisterAsset, view: View) -> bool:
    """Whether the owner is a person: then place and connection are where somebody lives."""
    owner = view.get("users", command.owner) if command.owner is not None else None
    return owner is not None and owner["kind"] == "person"


def _kept(document: Document, *, personal: bool) -> Document:
    """The document as it is stored: a person's under the owner's key, but for the coarse cell."""
    placed = {n: v for n, v in document.items() if n != "cell"} | cell_of(document)
    if not personal:
        return placed
    return {n: Secret(v) if n in PERSONAL else v for n, v in placed.items()}


def _opened(document: Document) -> dict[str, Any]:
    """The document as rules and patches see it."""
    opened = ((n, said_by(v)) for n, v in document.items())
    # Of an owner who was erased there is nothing any more.
    return {name: value for name, value in opened if value is not None}


def _document(asset: str, command: RegisterAsset, context: Context) -> dict[str, Any]:
    given = plain(command.model_dump(exclude_none=True, exclude={"reference"}))
    return {
        "_id": asset,
        "revision": 1,
        "status": "provisional",
        "status_at": context.now,
        "registrant": context.sender.user,
        "registered_at": context.now,
        **{name: value for name, value in given.items() if value not in ({}, [])},
    }


def _state(document: Document) -> AssetState:
    return AssetState(
        id=document["_id"],
        status=document["status"],
        lifecycle=document["lifecycle"],
        revision=document["revision"],
    )


def _update_reads(command: UpdateAsset, context: Context) -> Reads:
    yield from standing_reads("assets", command.id, context.sender.user)
    yield from _device_reads(command.identity, context)


@reads(_update_reads)
def update_asset(command: UpdateAsset, view: View, context: Context) -> Decision:
    """Merge the given fields; tell which changed; nothing changed makes no event.

    Rejects: asset.not-found, asset.not-yours, asset.stale, and what register_asset rejects but
        for the owner, who is not changed by an update
    Source: A4, A7, assumption 11.
    """
    found = seen("assets", command.id, view, context)
    if found is None:
        return asset_not_found(command.id)
    stored, standing = found
    patch = command.model_dump(exclude_unset=True, exclude={"id", "expected_revision"})
    if denied := tuple(not_yours(patch, standing, rule="asset.not-yours", what="asset")):
        return reject(*denied)
    expected = command.expected_revision
    if findings := tuple(stale(expected, stored, standing, view, rule="asset.stale")):
        return reject(*findings)
    was = _opened(stored)
    document = merged(was, patch)
    typed = (rule for group, rule in TYPED_RULES.items() if patch.get(group) is not None)
    if (rejected := _unfit((*ASSET_RULES, *typed), document, view, context)) is not None:
        return rejected
    keyed_to = was.get("owner") or was["registrant"]
    changed = tuple(changed_fields(was, document))
    if not changed:
        return Accepted(subject=command.id, keyed_to=keyed_to, reply=_state(was))
    document |= {"revision": was["revision"] + 1, "updated_at": context.now}
    personal = any(isinstance(value, Secret) for value in stored.values())
    event = AssetUpdated(
        id=command.id,
        revision=document["revision"],
        status=document["status"],
        by=context.sender.user,
        parties=named(was) or None,
        area=area_of(document),
        changed=changed,
    )
    return Accepted(
        subject=command.id,
        keyed_to=keyed_to,
        reply=_state(document),
        writes=(
            Put("assets", _kept(document, personal=personal), stored),
            *_claim_writes(was, document, view, context),
        ),
        events=(event,),
    )


def _claim_writes(
    was: Document, document: Document, view: View, context: Context
) -> Iterator[Put | Drop]:
    """Give back the claim of the old make and serial and take that of the new."""
    old, new = device_claim(was), device_claim(document)
    if old == new:
        return
    held = holder_of(*old, view, context) if old is not None else None
    # What counts as a placeholder may have changed since: then the claim is another's by now.
    if held is not None and held["holder"] == was["_id"]:
        yield Drop("claims", held)
    if new is not None:
        yield claim(*new, document, context)


def asset_not_found(asset: str) -> Rejected:
    """The answer for an asset that the sender may not see, and for one that there is not."""
    return reject(
        finding(
            "asset.not-found",
            "id",
            expected="the id of an asset that you may see",
            got=asset,
            advice="Check the id; ask its registrant or its owner for access.",
        )
    )


def _get_reads(query: GetAsset, context: Context) -> Reads:
    yield from standing_reads("assets", query.id, context.sender.user)
    yield watch_read(query.id)


@reads(_get_reads)
def get_asset(query: GetAsset, view: View, context: Context) -> Answer | Rejected:
    """Answer with the groups that the asker may see; who watches the asset is told of it.

    Rejects: asset.not-found
    Source: A6, A6a.
    """
    found = seen("assets", query.id, view, context)
    if found is None:
        return asset_not_found(query.id)
    document, standing = found
    shown = AssetView(
        **dict(_state(document)),
        asset_type=document["asset_type"],
        **standing.shown(document),
    )
    return Answer(shown, noted(query.id, view, context))
