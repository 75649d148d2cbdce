"""Who may send what and see what: the tables, for a lawyer to read; nothing here decides.

Two tables of cells, field group x relation, each `none`, `masked`, `read` or `write`.
A relation holds for a time; outside of it, and where a cell is absent, the answer is no.
Which role may send which type stands on the contracts, and is rendered beside these.
"""

from collections.abc import Mapping
from typing import Final, Literal, get_args

Right = Literal["none", "masked", "read", "write"]
"""What a relation may do with a group; each allows what stands before it."""
RIGHTS: Final[tuple[Right, ...]] = get_args(Right)

Relation = Literal[
    "self", "registrant", "delegate", "operator",
    "owner", "aggregator", "fsp", "so", "mo", "verifier",
]  # fmt: skip
"""What a user is to a user or an asset.

`self`, `registrant`, `owner` and `operator` follow from the document and the viewer; the rest are
recorded relations, each with the time for which it holds.
`delegate` of an asset is whoever has a mandate of its owner.
"""
RECORDED: Final = ("aggregator", "fsp", "so", "mo", "verifier")
"""Relations to an asset that are recorded by `asset.relate.v1`; `delegate` is by mandate."""

Cells = Mapping[Relation, Right]

USER_GROUPS: Final[Mapping[str, Cells]] = {
    "name": {"self": "write", "delegate": "write", "registrant": "read", "operator": "write"},
    "registrant": {"self": "read", "delegate": "read", "registrant": "read", "operator": "read"},
    "claims": {"self": "write", "delegate": "write", "operator": "write"},
    "address": {"self": "write", "delegate": "write", "operator": "write"},
    "contacts": {"self": "write", "delegate": "write", "operator": "read"},
    "bank": {"self": "write", "delegate": "masked", "operator": "masked"},
    "relations": {"self": "write"},
}
"""Field group of a user x relation. Bank details only to their owner.

`relations` are the mandates of the user: a delegate may give back its own, and knows of no other.
"""

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
    "relations": {
        "registrant": "write", "owner": "write", "delegate": "write", "operator": "write",
    },
}  # fmt: skip
"""Field group of an asset x relation.

`relations` is who is what to the asset: a party may end its own, and knows of no other.
"""

GROUPS: Final[Mapping[str, Mapping[str, Cells]]] = {"users": USER_GROUPS, "assets": ASSET_GROUPS}
"""Collection -> its table."""


LISTED: Final = ("name", "profile")
"""Groups of an organisation that takes part which the directory tells every user.

With its id, its status and its roles; whatever else there is on it goes by the table, and so does
everything on a person.
"""


def strongest(cells: Cells, held: frozenset[Relation]) -> Right:
    """The most that any of the relations allows."""
    return max((cells.get(relation, "none") for relation in held), key=RIGHTS.index, default="none")
