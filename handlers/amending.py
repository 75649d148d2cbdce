"""How an asset's data changes: a patch of its groups, and what every change brings along."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from contracts.assets import AssetDuplicateAttempted, AssetUpdated, UpdateAsset
from contracts.envelope import Finding
from contracts.lifecycle import AssetRedated
from contracts.messages import Event
from contracts.moves import AssetMoved, MoveAsset
from handlers.asset_groups import is_personal, kept, key_of, opened, part_of, state_of
from handlers.asset_rules import (
    ASSET_RULES,
    CLAIM_RULES,
    TYPED_RULES,
    area_of,
    asset_not_found,
    asset_retired,
    device_claim,
    device_reads,
    own_claim,
)
from handlers.decision import (
    Accepted,
    Context,
    Decision,
    Document,
    Drop,
    Put,
    Reads,
    Rejected,
    View,
)
from handlers.documents import changed_fields, merged
from handlers.lapsing import moved_timer, overdue_since
from handlers.patching import not_yours, stale
from handlers.placing import PLACES, location_reads
from handlers.proofs import rejudged
from handlers.provenance import conflicts, differing, given_after, given_again
from handlers.refreshing import answered, refresh_read
from handlers.rules import Rule, attempted, check, claim, finding, holder_of, reject
from handlers.signature import reads
from handlers.visibility import Standing, named, seen, standing_reads

SERVICES_MAX: Final = 50
"""For how many services an asset may have offers."""


@dataclass(frozen=True, slots=True)
class Amended:
    """An asset after a change, what else is written with it, and what it is to others."""

    document: dict[str, Any]
    changed: tuple[str, ...]
    writes: tuple[Put | Drop, ...]
    events: tuple[Event, ...]
    """Besides the one of the change itself."""

    def with_document(self, document: Document) -> tuple[Put | Drop, ...]:
        """What is written where more has become of the asset in the same decision."""
        first, *rest = self.writes
        if not isinstance(first, Put):
            raise TypeError(f"expected the asset first, got {first}")
        personal = is_personal(first.document)
        return (replace(first, document=kept(document, personal=personal)), *rest)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is known of a change besides its values."""

    said: tuple[str, ...] = ()
    """Groups that the sender gives, whether they differ or not."""
    is_unseen: bool = False
    """Whether the sender has not named the revision that it has seen: whose recent values it
    overwrites is told."""


SILENT: Final = Wish()


def unfit(
    rules: Sequence[Rule[Document]], document: Document, view: View, context: Context
) -> Rejected | None:
    """What speaks against a document; a device that is another asset's is told to that one."""
    if (rejected := check(rules, document, view, context)) is not None:
        return rejected
    if (rejected := check(CLAIM_RULES, document, view, context)) is None:
        return None
    device = device_claim(document)
    held = holder_of(*device, view, context) if device is not None else None
    return attempted(rejected, [held], AssetDuplicateAttempted, context.sender.roles, context)


def refused(
    paths: Sequence[str],
    expected: int | None,
    found: tuple[Document, Standing],
    view: View,
) -> Rejected | None:
    """What speaks against a change before its values are looked at: who sends it, and when."""
    stored, standing = found
    if stored["lifecycle"] == "retired":
        return asset_retired(stored["_id"])
    if denied := tuple(not_yours(paths, standing, rule="asset.not-yours", what="asset")):
        return reject(*denied)
    findings = tuple(stale(expected, stored, standing, view, rule="asset.stale"))
    return reject(*findings) if findings else None


def amended(
    stored: Document,
    document: dict[str, Any],
    view: View,
    context: Context,
    wish: Wish = SILENT,
) -> Amended | None:
    """The asset with its next revision and who gave what; None where nothing is new."""
    was, revision = opened(stored), stored["revision"] + 1
    changed = tuple(changed_fields(_with_service(was), _with_service(document)))
    fields = differing(was, document)
    parts = tuple(dict.fromkeys(map(part_of, fields)))
    again = answered(document, wish.said, parts, view, context)
    if not changed and not again.parts:
        return None
    document |= {"revision": revision, "updated_at": context.now}
    document, judgement = rejudged(was, document, fields, view, context)
    personal = document.get("is_personal", is_personal(stored))
    given = given_after(was, fields, revision, context)
    document["given"] = given_again(given, again.parts, revision, context)
    return Amended(
        document=document,
        changed=changed,
        writes=(
            Put("assets", kept(document, personal=personal), stored),
            *claim_writes(was, document, view, context),
            *moved_timer(was, document, view),
            *again.writes,
        ),
        events=(
            *judgement,
            *_redated(was, document, context),
            *(conflicts(was, fields, revision, context) if wish.is_unseen else ()),
            *again.events,
        ),
    )


def accepted(
    kind: type[AssetUpdated | AssetMoved], was: Document, done: Amended | None, context: Context
) -> Accepted:
    """The answer to a change, whose event says which of the groups have changed."""
    asset, owner_key = was["_id"], key_of(was)
    if done is None:
        return Accepted(subject=asset, keyed_to=owner_key, reply=state_of(was))
    event = kind(
        id=asset,
        revision=done.document["revision"],
        status=done.document["status"],
        by=context.sender.user,
        parties=named(was) or None,
        area=area_of(done.document),
        changed=done.changed,
    )
    return Accepted(
        subject=asset,
        keyed_to=owner_key,
        reply=state_of(done.document),
        writes=done.writes,
        # Of what is still so nothing has changed but its date.
        events=(event, *done.events) if done.changed else done.events,
    )


def _redated(was: Document, document: Document, context: Context) -> Iterator[AssetRedated]:
    """Whether an asset that was overdue is waited for again."""
    is_planned = document["lifecycle"] == "planned"
    is_late = [overdue_since(one, context.now) is not None for one in (was, document)]
    if is_planned and is_late == [True, False]:
        yield AssetRedated(
            id=document["_id"],
            revision=document["revision"],
            by=context.sender.user,
            parties=named(was) or None,
        )


def _with_service(document: Document) -> Document:
    """So that of a first offer the service is named, and not the whole group."""
    return document if "service" in document else {**document, "service": {}}


def claim_writes(
    was: Document, document: Document, view: View, context: Context
) -> Iterator[Put | Drop]:
    """Give back the claim of the old make and serial and take that of the new."""
    old, new = device_claim(was), device_claim(document)
    if old == new:
        return
    if (held := own_claim(was, view, context)) is not None:
        yield Drop("claims", held)
    if new is not None and (holder_of(*new, view, context) is None):
        yield claim(*new, document, context)


def change_reads(command: UpdateAsset | MoveAsset, context: Context) -> Reads:
    """The asset, what the sender is to it, its new place, and what it was asked for."""
    yield from standing_reads("assets", command.id, context.sender.user)
    if command.location is not None:
        yield PLACES, command.id
        yield from location_reads(command.location)
    yield refresh_read(command.id)


def _update_reads(command: UpdateAsset, context: Context) -> Reads:
    yield from change_reads(command, context)
    yield from device_reads(command.identity, context)


@reads(_update_reads)
def update_asset(command: UpdateAsset, view: View, context: Context) -> Decision:
    """Merge the given groups; tell which changed; nothing new makes no event.

    The owner is not changed by it, so that whether there is such a user is not asked again.
    Rejects: asset.not-found, asset.not-yours, asset.stale, asset.retired, service.too-many,
        asset.unidentifiable, asset.duplicate, connection.gsp-group, location.outside,
        lifecycle.dates, asset-type.unknown, details.undefined, details.invalid
    Source: A4, A4a, A7, assumption 11.
    """
    found = seen("assets", command.id, view, context)
    if found is None:
        return asset_not_found(command.id)
    stored, _ = found
    patch = command.model_dump(exclude_unset=True, exclude={"id", "expected_revision"})
    was = opened(stored)
    paths = [*_paths(patch, was)]
    if (rejected := refused(paths, command.expected_revision, found, view)) is not None:
        return rejected
    document = merged(was, patch)
    if findings := tuple(_too_many(document)):
        return reject(*findings)
    typed = (rule for group, rule in TYPED_RULES.items() if patch.get(group) is not None)
    if (rejected := unfit((*ASSET_RULES, *typed), document, view, context)) is not None:
        return rejected
    wish = Wish(tuple(paths), is_unseen=command.expected_revision is None)
    done = amended(stored, document, view, context, wish)
    return accepted(AssetUpdated, was, done, context)


def _paths(patch: Mapping[str, Any], was: Document) -> Iterator[str]:
    """What a patch touches: each service by itself, since each has its writers."""
    for group, value in patch.items():
        if group == "service":
            # To clear them all is to clear each.
            codes = was.get("service", {}) if value is None else value
            yield from (f"service.{code}" for code in codes)
        else:
            yield group


def _too_many(document: Document) -> Iterator[Finding]:
    if len(offers := document.get("service", {})) > SERVICES_MAX:
        yield finding(
            "service.too-many",
            "service",
            expected=f"offers for at most {SERVICES_MAX} services",
            got=len(offers),
            advice="Take out those that are not offered any more, with null.",
        )
