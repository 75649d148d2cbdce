"""External ids: what each user calls users and assets, one mechanism for both registers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from contracts.envelope import Finding
from contracts.links import (
    AssetIdLinked,
    AssetIdUnlinked,
    LinkAssetId,
    LinkState,
    LinkUserId,
    UserIdLinked,
    UserIdUnlinked,
)
from contracts.messages import register_of_entity
from contracts.taxonomy import FRONT_DESK
from handlers.decision import (
    Accepted,
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
from handlers.rules import finding, reject
from handlers.signature import reads
from handlers.spans import Span
from handlers.visibility import seen, standing_reads

LINKS: Final = "links"
"""Collection: a document for an external id and its asserter, whose id is their fingerprint."""
OWN: Final = "own"
"""The scheme of what a user calls others in its own list."""
LINKS_MAX: Final = 10
"""How many external ids one asserter may give one user or asset."""
OVER: Final = {"users": ("status", "rejected"), "assets": ("lifecycle", "retired")}
"""Register -> the field that says that one is no more, and how: its reference is free."""
LINKED: Final[Mapping[str, type[UserIdLinked | AssetIdLinked]]] = {
    "users": UserIdLinked,
    "assets": AssetIdLinked,
}
UNLINKED: Final[Mapping[str, type[UserIdUnlinked | AssetIdUnlinked]]] = {
    "users": UserIdUnlinked,
    "assets": AssetIdUnlinked,
}
Link = LinkUserId | LinkAssetId


def link_id(register: str, asserter: str, scheme: str, value: str, context: Context) -> str:
    """Id of the document of an external id: keyed, so that the collection tells no value."""
    return context.identity.fingerprint("link", f"{register}/{asserter}/{scheme}/{value}")


def pair(entity: str, asserter: str) -> str:
    """What the way back looks for: all that one asserter calls one user or asset."""
    return f"{entity}/{asserter}"


def _document(
    key: str, entity: str, external: tuple[str, str], context: Context, was: Document | None = None
) -> Document:
    return {
        "_id": key,
        "revision": was["revision"] + 1 if was is not None else 1,
        "asserter": context.sender.user,
        "entity": entity,
        "pair": pair(entity, context.sender.user),
        "scheme": external[0],
        # It may be a customer's name.
        "value": Secret(external[1]),
        "linked_at": context.now,
    }


@dataclass(frozen=True, slots=True)
class Reference:
    """What a sender calls whom or what it registers: linked in the same decision, or refused."""

    register: str
    value: str
    field: str
    """Where the registration says it."""

    def read(self, context: Context) -> tuple[str, str]:
        """What tells whether it is taken."""
        return LINKS, link_id(self.register, context.sender.user, OWN, self.value, context)

    def taken(self, view: View, context: Context) -> Iterator[Finding]:
        """It stands for one user or asset of its sender's: a second one would be a double.

        One of a user who was rejected is free, and one of a retired asset, as their claims are:
        who comes back registers anew.
        """
        was = view.get(*self.read(context))
        if was is None:
            return
        field, over = OVER[self.register]
        linked = view.get(self.register, was["entity"])
        if linked is None or linked[field] != over:
            yield Finding(
                rule="link.taken",
                field=self.field,
                expected="a reference that you have given to nothing else",
                got=f"linked to {was['entity']}",
                advice="Use that one, or register under another reference.",
            )

    def link(self, entity: str, view: View, context: Context) -> Put:
        """The link, of the scheme `own`."""
        collection, key = self.read(context)
        was = view.get(collection, key)
        return Put(LINKS, _document(key, entity, (OWN, self.value), context, was), was)


def reference_of_user(context: Context) -> Iterator[Reference]:
    """What a platform calls the user whom it registers, where it says so.

    The envelope has brought it into the form of an external id. Everybody may use the front desk,
    so that what is said there is nobody's list.
    """
    if context.on_behalf_of is not None and FRONT_DESK not in context.sender.roles:
        yield Reference("users", context.on_behalf_of, "onbehalfof")


def reference_of_asset(reference: str | None) -> Iterator[Reference]:
    """What a registrant calls the asset that it registers, where it says so."""
    if reference is not None:
        yield Reference("assets", reference, "data.reference")


def _link_reads(command: Link, context: Context) -> Reads:
    register, user = register_of_entity(command.id), context.sender.user
    yield from standing_reads(register, command.id, user)
    yield LINKS, link_id(register, user, command.scheme, command.value, context)
    yield LINKS, Span("pair", pair(command.id, user))


@reads(_link_reads)
def link_user_id(command: LinkUserId, view: View, context: Context) -> Decision:
    """Record what the sender calls a user that it may see.

    Rejects: user.not-found, link.taken, link.too-many, link.none
    Source: U2b.
    """
    return _link(command, view, context, unseen="user.not-found")


@reads(_link_reads)
def link_asset_id(command: LinkAssetId, view: View, context: Context) -> Decision:
    """Record what the sender calls an asset that it may see.

    Rejects: asset.not-found, link.taken, link.too-many, link.none
    Source: U2b.
    """
    return _link(command, view, context, unseen="asset.not-found")


def _link(command: Link, view: View, context: Context, *, unseen: str) -> Decision:
    register, user = register_of_entity(command.id), context.sender.user
    key = link_id(register, user, command.scheme, command.value, context)
    was = view.get(LINKS, key)
    if command.unlink:
        # What links to who was erased goes by itself: a command that names it would be kept.
        is_erased = "erased_at" in (view.get(register, command.id) or {})
        return _unlinked(command, None if is_erased else was, view, context)
    found = seen(register, command.id, view, context)
    if found is None or "erased_at" in found[0]:
        return _not_found(command.id, unseen)
    if was is not None and was["entity"] == command.id:
        return _accepted(command, view, context, revision=was["revision"], state="linked")
    if was is not None and not command.replace:
        return _taken(was)
    if len(view.page(LINKS, Span("pair", pair(command.id, user)))[0]) >= LINKS_MAX:
        return _too_many()
    after = _document(key, command.id, (command.scheme, command.value), context, was)
    event = LINKED[register](
        id=command.id,
        by=user,
        scheme=command.scheme,
        replaced=was["entity"] if was is not None else None,
    )
    return _accepted(
        command,
        view,
        context,
        revision=after["revision"],
        state="linked",
        write=Put(LINKS, after, was),
        event=event,
    )


def _unlinked(command: Link, was: Document | None, view: View, context: Context) -> Decision:
    """By its own link alone: whether the sender may still see the entity is not asked."""
    if was is None or was["entity"] != command.id:
        return reject(
            finding(
                "link.none",
                "value",
                expected="an external id that you have linked to this id",
                got=command.value,
                advice="Look with a translation what it is linked to.",
            )
        )
    event = UNLINKED[register_of_entity(command.id)](
        id=command.id, by=context.sender.user, scheme=command.scheme
    )
    return _accepted(
        command,
        view,
        context,
        revision=was["revision"] + 1,
        state="unlinked",
        write=Drop(LINKS, was),
        event=event,
    )


def _accepted(
    command: Link,
    view: View,
    context: Context,
    *,
    revision: int,
    state: str,
    write: Put | Drop | None = None,
    event: UserIdLinked | UserIdUnlinked | AssetIdLinked | AssetIdUnlinked | None = None,
) -> Accepted:
    return Accepted(
        subject=command.id,
        # The external id is data of what it stands for, and ends with it.
        keyed_to=_key(command.id, view, context),
        reply=LinkState.model_validate(
            {
                "id": command.id,
                "scheme": command.scheme,
                "asserter": context.sender.user,
                "state": state,
                "revision": revision,
            }
        ),
        writes=(write,) if write is not None else (),
        events=(event,) if event is not None else (),
    )


def _key(entity: str, view: View, context: Context) -> str:
    register = register_of_entity(entity)
    document = view.get(register, entity) or {}
    key: str = (
        entity
        if register == "users"
        else document.get("owner") or document.get("registrant") or context.sender.user
    )
    return key


def _not_found(entity: str, rule: str) -> Rejected:
    return reject(
        finding(
            rule,
            "id",
            expected="an id that you may see",
            got=entity,
            advice="Check the id; ask its platform, its owner or an operator for access.",
        )
    )


def _taken(was: Document) -> Rejected:
    return reject(
        finding(
            "link.taken",
            "value",
            expected="an external id that you have linked to nothing else",
            got=f"linked to {was['entity']}",
            advice="Check the value; to move it to the other id set `replace`.",
        )
    )


def _too_many() -> Rejected:
    return reject(
        finding(
            "link.too-many",
            "id",
            expected=f"at most {LINKS_MAX} external ids of yours for one id of ours",
            got=LINKS_MAX,
            advice="Unlink one that is not used any more.",
        )
    )
