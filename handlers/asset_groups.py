"""How the field groups of an asset are kept: which are sealed, and the record as rules see it."""

from typing import Any, Final

from contracts.assets import AssetState
from handlers.decision import Document, Secret
from handlers.documents import said_by
from handlers.polygons import cell_of

PERSONAL: Final = frozenset({"name", "connection", "location", "meters", "signposts"})
"""Groups that are personal data where a person owns the asset."""
NESTED: Final = frozenset(
    {"identity", "connection", "location", "capability", "details", "service"}
)
"""Groups that have fields of their own."""
PARTED: Final = frozenset({"service"})
"""Groups with a part for each service, which is given and kept by itself."""


def opened(document: Document) -> dict[str, Any]:
    """The document as rules and patches see it; of an owner who was erased nothing is there."""
    plain = ((n, said_by(v)) for n, v in document.items())
    return {name: value for name, value in plain if value is not None}


def is_personal(document: Document) -> bool:
    """Whether a person owns the asset: its place and connection are where somebody lives."""
    sealed = any(isinstance(value, Secret) for value in document.values())
    return bool(document.get("is_personal", False)) or sealed


def kept(document: Document, *, personal: bool) -> dict[str, Any]:
    """The document as it is stored: a person's under the owner's key, but for the coarse cell."""
    derived = {"cell", "is_personal"}
    placed = {n: v for n, v in document.items() if n not in derived} | dict(cell_of(document))
    if not personal:
        return placed
    sealed = {n: Secret(v) if n in PERSONAL else v for n, v in placed.items()}
    return {**sealed, "is_personal": True}


def key_of(document: Document) -> str:
    """The user under whose data key the asset, and what is said of it, is kept."""
    key: str = document.get("owner") or document["registrant"]
    return key


def state_of(document: Document) -> AssetState:
    """What an accepted command on the asset is answered with."""
    return AssetState(
        id=document["_id"],
        status=document["status"],
        lifecycle=document["lifecycle"],
        revision=document["revision"],
    )


def part_of(path: str) -> str:
    """The group of a field, or of a group with parts the part: `service.DFS.energy_kwh` -> …DFS."""
    group, _, rest = path.partition(".")
    return f"{group}.{rest.partition('.')[0]}" if group in PARTED and rest else group
