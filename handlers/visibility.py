"""Who may see which group of what: two tables, and the filter that everything outgoing passes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from contracts.messages import Contract
from contracts.taxonomy import FRONT_DESK
from handlers.decision import RESERVED, Document, Secret, Sender

Right = Literal["read", "masked"]
Relation = Literal["self", "registrant", "owner", "operator"]

USER_GROUPS: Final[Mapping[str, Mapping[Relation, Right]]] = {
    "name": {"self": "read", "registrant": "read", "operator": "read"},
    "registrant": {"self": "read", "registrant": "read", "operator": "read"},
    "claims": {"self": "read", "registrant": "read", "operator": "read"},
    "address": {"self": "read", "registrant": "read", "operator": "read"},
    "contacts": {"self": "read", "registrant": "read", "operator": "read"},
    "bank": {"self": "read", "registrant": "masked", "operator": "masked"},
}
"""Field group of a user x relation; an absent cell means none. Bank details only to their owner."""

_ASSET_READ: Final[Mapping[Relation, Right]] = {
    "registrant": "read", "owner": "read", "operator": "read",
}  # fmt: skip
ASSET_GROUPS: Final[Mapping[str, Mapping[Relation, Right]]] = {
    "registrant": _ASSET_READ,
    "owner": _ASSET_READ,
    "name": _ASSET_READ,
    "expected_on": _ASSET_READ,
    "commissioned_on": _ASSET_READ,
    "identity": _ASSET_READ,
    "connection": _ASSET_READ,
    "location": _ASSET_READ,
    "capability": _ASSET_READ,
    "technologies": _ASSET_READ,
}
"""Field group of an asset x relation."""

GROUPS: Final = {"users": USER_GROUPS, "assets": ASSET_GROUPS}
_SEAL: Final = object()
_MASK_KEPT: Final = 3


@dataclass(frozen=True, slots=True)
class Visible:
    """Data that is fit for one recipient's eyes; only this module makes one.

    So every way out has one door: who wants to send something else has to come here first.
    """

    recipient: str
    data: Contract
    seal: object

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            raise TypeError("expected what reply_to_sender makes, got a value of somebody's own")


def relations(viewer: Sender, document: Document) -> frozenset[Relation]:
    """What the viewer is to a user or an asset."""
    found: set[Relation] = set()
    if document["_id"] == viewer.user:
        found.add("self")
    # Everybody may use the front desk: what was registered there is not its next visitor's.
    if document.get("registrant") == viewer.user and FRONT_DESK not in viewer.roles:
        found.add("registrant")
    if document.get("owner") == viewer.user:
        found.add("owner")
    if viewer.is_operator:
        found.add("operator")
    return frozenset(found)


def may_see(viewer: Sender, document: Document | None) -> bool:
    """Whether the viewer may know that the document exists; default is no."""
    return document is not None and bool(relations(viewer, document))


def parties(document: Document) -> list[str]:
    """The users who may know of a document, for its claims to carry along."""
    known = (document["_id"], document.get("registrant"), document.get("owner"))
    return sorted({user for user in known if user is not None and user not in RESERVED})


def knows(viewer: Sender, claim: Document) -> bool:
    """Whether the viewer may know whose claim it is, without reading the holder.

    Reading the holder only where the claim is held would tell strangers by the time it takes.
    """
    return viewer.is_operator or viewer.user in claim["parties"]


def groups_for(viewer: Sender, collection: str, document: Document) -> dict[str, Any]:
    """The document's groups as the viewer may see them, with the names of the masked ones."""
    held = relations(viewer, document)
    shown: dict[str, Any] = {}
    masked: list[str] = []
    for group, cells in GROUPS[collection].items():
        rights = {cells[relation] for relation in held if relation in cells}
        value = document.get(group)
        plain = value.value if isinstance(value, Secret) else value
        # A secret whose key was destroyed is not there any more.
        if plain is None or not rights:
            continue
        if "read" in rights:
            shown[group] = plain
        else:
            shown[group] = mask(plain)
            masked.append(group)
    return shown | ({"masked": masked} if masked else {})


def mask(value: Any) -> Any:
    """Keep the shape and the last characters, so that its owner recognises it and others cannot."""
    if isinstance(value, Mapping):
        return {name: mask(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [mask(inner) for inner in value]
    text = str(value)
    kept = text[-_MASK_KEPT:] if len(text) > 2 * _MASK_KEPT else ""
    return "*" * (len(text) - len(kept)) + kept


def reply_to_sender(sender: str, data: Contract) -> Visible:
    """What a decision tells its own sender.

    Stored values come out of `groups_for` alone; all the rest is ids that the sender may use and
    findings on what it sent itself, whose `got` repeats its own words.
    """
    return Visible(sender, data, _SEAL)
