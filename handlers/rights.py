"""Who may send what and see what: the tables, for a lawyer to read; nothing here decides.

Two tables of cells, field group x relation, each `none`, `masked`, `read` or `write`.
A relation holds for a time; outside of it, and where a cell is absent, the answer is no.
Which role may send which type stands on the contracts, and is rendered beside these.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, Literal, get_args

Right = Literal["none", "masked", "read", "write"]
"""What a relation may do with a group; each allows what stands before it."""
RIGHTS: Final[tuple[Right, ...]] = get_args(Right)

Relation = Literal[
    "self", "registrant", "delegate", "operator",
    "owner", "aggregator", "fsp", "so", "mo", "verifier", "registered", "reader",
]  # fmt: skip
"""What a user is to a user or an asset.

`self`, `registrant`, `owner` and `operator` follow from the document and the viewer; the rest are
recorded relations, each with the time for which it holds.
To a user, `verifier` and `registered` follow from the two as well: see `visibility`.
`delegate` of an asset is whoever has a mandate of its owner.
`reader` of a user is whoever the user has granted to read some of its groups: the column says which
ones can be granted, and each reader has those alone that its grants name, while they hold and while
its own registration is confirmed.
"""
UNPROVEN: Final[frozenset[Relation]] = frozenset({"reader"})
"""Recorded relations that give a provisional user nothing: what others share is for the confirmed.
"""
RECORDED: Final = ("aggregator", "fsp", "so", "mo", "verifier")
"""Relations to an asset that are recorded by `asset.relate.v1`; `delegate` is by mandate."""

RULING: Final[frozenset[Relation]] = frozenset({"registrant", "owner", "delegate", "operator"})
"""Who decides what becomes of an asset: whether it is retired, and what takes its place."""

Cells = Mapping[Relation, Right]

USER_GROUPS: Final[Mapping[str, Cells]] = {
    "name": {
        "self": "write", "delegate": "write", "registrant": "read", "operator": "write",
        "verifier": "read", "registered": "read", "reader": "read",
    },
    "registrant": {"self": "read", "delegate": "read", "registrant": "read", "operator": "read"},
    "claims": {
        "self": "write", "delegate": "write", "operator": "write", "verifier": "read",
        "reader": "read",
    },
    "address": {
        "self": "write", "delegate": "write", "operator": "write", "verifier": "read",
        "reader": "read",
    },
    "contacts": {"self": "write", "delegate": "write", "operator": "read", "reader": "read"},
    "bank": {"self": "write", "delegate": "masked", "operator": "masked", "reader": "read"},
    "insurance": {"self": "write", "delegate": "write", "operator": "read", "reader": "read"},
    "accreditation": {
        "self": "write", "delegate": "write", "operator": "write", "reader": "read",
    },
    "profile": {
        "self": "write", "delegate": "write", "registrant": "read", "operator": "write",
        "verifier": "read", "registered": "read",
    },
    "roles_requested": {
        "self": "write", "delegate": "write", "registrant": "read", "operator": "write",
    },
    "relations": {"self": "write"},
}  # fmt: skip
"""Field group of a user x relation. Bank details only to their owner, and by grant.

`relations` are the mandates and the grants of the user: a delegate may give back its own mandate,
and knows of no other; who reads what is the user's own to say.
"""
GRANTABLE: Final = frozenset(
    group for group, cells in USER_GROUPS.items() if cells.get("reader", "none") != "none"
)
"""Groups that a user may let others read."""

ASSET_GROUPS: Final[Mapping[str, Cells]] = {
    "registrant": {
        "registrant": "read", "owner": "read", "delegate": "read", "operator": "read",
        "aggregator": "read", "fsp": "read", "so": "read", "mo": "read", "verifier": "read",
    },
    "owner": {
        "registrant": "read", "owner": "read", "delegate": "read", "operator": "read",
        "aggregator": "read", "fsp": "read", "verifier": "read",
    },
    "name": {
        "registrant": "write", "owner": "write", "delegate": "write", "operator": "write",
        "aggregator": "read", "fsp": "read", "so": "read", "verifier": "read",
    },
    "expected_on": {
        "registrant": "write", "owner": "write", "delegate": "write", "operator": "write",
        "aggregator": "read", "fsp": "read", "so": "read", "mo": "read", "verifier": "read",
    },
    "commissioned_on": {
        "registrant": "write", "owner": "write", "delegate": "write", "operator": "write",
        "aggregator": "read", "fsp": "read", "so": "read", "mo": "read", "verifier": "read",
    },
    "identity": {
        "registrant": "write", "owner": "write", "delegate": "write", "operator": "write",
        "aggregator": "read", "fsp": "read", "so": "read", "verifier": "read",
    },
    "connection": {
        "registrant": "write", "owner": "write", "delegate": "write", "operator": "write",
        "aggregator": "read", "fsp": "read", "so": "write", "verifier": "read",
    },
    "location": {
        "registrant": "write", "owner": "write", "delegate": "write", "operator": "write",
        "aggregator": "read", "fsp": "read", "so": "read", "verifier": "read",
    },
    "capability": {
        "registrant": "write", "owner": "write", "delegate": "write", "operator": "write",
        "aggregator": "write", "fsp": "write", "so": "read", "mo": "read", "verifier": "read",
    },
    "technologies": {
        "registrant": "write", "owner": "write", "delegate": "write", "operator": "write",
        "aggregator": "read", "fsp": "read", "so": "read", "mo": "read", "verifier": "read",
    },
    "details": {
        "registrant": "write", "owner": "write", "delegate": "write", "operator": "write",
        "aggregator": "write", "fsp": "write", "so": "read", "mo": "read", "verifier": "read",
    },
    "meters": {
        "registrant": "write", "owner": "write", "delegate": "write", "operator": "write",
        "aggregator": "read", "fsp": "write", "so": "write", "verifier": "read",
    },
    "signposts": {
        "registrant": "write", "owner": "write", "delegate": "write", "operator": "write",
        "aggregator": "write", "fsp": "write", "so": "read", "mo": "read", "verifier": "read",
    },
    "relations": {
        "registrant": "write", "owner": "write", "delegate": "write", "operator": "write",
    },
    "members": {
        "registrant": "write", "owner": "write", "delegate": "write", "operator": "write",
        "aggregator": "write", "fsp": "read", "so": "read", "mo": "read", "verifier": "read",
    },
    "portfolios": {
        "registrant": "write", "owner": "write", "delegate": "write", "operator": "write",
        "aggregator": "write", "fsp": "write",
    },
    "service": {
        "registrant": "write", "owner": "write", "delegate": "write", "operator": "write",
        "aggregator": "write", "fsp": "write", "so": "read", "mo": "read", "verifier": "read",
    },
    "confirmations": {
        "registrant": "read", "owner": "read", "delegate": "read", "operator": "read",
        "aggregator": "read", "fsp": "read", "so": "read", "mo": "read", "verifier": "read",
    },
}  # fmt: skip
"""Field group of an asset x relation.

`relations` is who is what to the asset: a party may end its own, and knows of no other.
`members` is what is in a portfolio and what that can do together; `portfolios` of an asset is
whether it may be put into one. In which ones it is nobody is shown, since they are others'.
"""
TAKES_OUT: Final[frozenset[Relation]] = frozenset({"owner", "delegate"})
"""Relations to an asset by which one may take it out of a portfolio that is another's."""

SCOPED: Final = frozenset({"service", "confirmations"})
"""Groups that are kept by service: a relation for one service alone reads and writes that one, a
relation without a service all of them."""

GROUPS: Final[Mapping[str, Mapping[str, Cells]]] = {"users": USER_GROUPS, "assets": ASSET_GROUPS}
"""Collection -> its table."""


LISTED: Final = ("name", "profile")
"""Groups of an organisation that takes part which the directory tells every user.

With its id, its status and its roles; whatever else there is on it goes by the table, and so does
everything on a person.
"""


@lru_cache(maxsize=65_536)
def strongest(collection: str, group: str, held: frozenset[Relation]) -> Right:
    """The most that any of the relations allows with a group; of what no table names, nothing.

    Asked of every group of every document that is shown, by few sets of relations: kept.
    """
    cells = GROUPS.get(collection, {}).get(group, {})
    return max((cells.get(relation, "none") for relation in held), key=RIGHTS.index, default="none")
