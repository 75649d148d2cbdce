"""What users are to each other: mandates, grants, and changes of what is shared."""

from typing import Final

from tests.builders import NOW, OWNER, PLATFORM, STRANGER
from tests.unit.operations.table import (
    CURSOR,
    NOBODY,
    OWN,
    PARTY,
    Because,
    Operation,
    Otherwise,
    confirmed,
    crowded,
    tied,
)

OVER: Final = {"until": "2026-01-01T00:00:00Z"}
"""A time that ends before it begins."""
BETWEEN_TWO: Final = Because("It is found by its two parties, and the sender is one of them.")
OWN_DATA: Final = Because("Everybody decides on its own data, and on no other.")
CONTACTS: Final = {"group": "contacts", "via": "grant"}
TO_STRANGER: Final = {"party": STRANGER, "groups": ["contacts"]}
CHANGED: Final = {"contacts": [{"revision": 2, "at": NOW}]}

GIVE: Final = Operation(
    "mandate.give.v1",
    {"delegate": STRANGER},
    {
        "mandate.party-unknown": Otherwise({"delegate": NOBODY}),
        "tie.period": Otherwise(OVER),
        "tie.too-many": Otherwise(given=[crowded(PLATFORM, STRANGER, "delegate")]),
    },
    unknown="mandate.party-unknown",
    hidden=PARTY,
    may_not=OWN_DATA,
    events=("mandate.given.v1",),
)
END: Final = Operation(
    "mandate.end.v1",
    {"delegate": STRANGER},
    {"mandate.none": Otherwise({"delegate": NOBODY})},
    given=[tied(PLATFORM, STRANGER, "delegate")],
    unknown="mandate.none",
    hidden=BETWEEN_TWO,
    may_not=BETWEEN_TWO,
    events=("mandate.ended.v1",),
)
GRANT: Final = Operation(
    "sharing.grant.v1",
    TO_STRANGER,
    {
        "sharing.party-unknown": Otherwise({"party": NOBODY}),
        "sharing.group-unknown": Otherwise({"groups": ["relations"]}),
        "tie.period": Otherwise(OVER),
        "tie.too-many": Otherwise(given=[crowded(PLATFORM, STRANGER, "reader", **CONTACTS)]),
    },
    unknown="sharing.party-unknown",
    hidden=PARTY,
    may_not=OWN_DATA,
    events=("sharing.granted.v1",),
)
REVOKE: Final = Operation(
    "sharing.revoke.v1",
    TO_STRANGER,
    {"sharing.none": Otherwise({"party": NOBODY})},
    given=[tied(PLATFORM, STRANGER, "reader", **CONTACTS)],
    unknown="sharing.none",
    hidden=BETWEEN_TWO,
    may_not=OWN_DATA,
    events=("sharing.revoked.v1",),
)
LIST: Final = Operation("sharing.list.v1", {}, CURSOR, unknown=OWN, hidden=OWN, may_not=OWN)
ACKNOWLEDGE: Final = Operation(
    "change.acknowledge.v1",
    {"id": OWNER, "revision": 3},
    {
        "change.not-shared": Otherwise({"id": NOBODY}),
        "change.revision-old": Otherwise({"revision": 1}),
        "change.revision-ahead": Otherwise({"revision": 9}),
    },
    given=[
        ("users", confirmed(OWNER, roles=["owner"], revision=3)),
        tied(OWNER, PLATFORM, "reader", **CONTACTS),
        ("changes", {"_id": OWNER, "revision": 1, "groups": CHANGED, "timer": None}),
    ],
    unknown="change.not-shared",
    hidden=Otherwise(sender=STRANGER),
    may_not=Because("Who sees a user and reads nothing by its grant is answered the same."),
    events=("change.acknowledged.v1",),
)
PENDING: Final = Operation("change.pending.v1", {}, CURSOR, unknown=OWN, hidden=OWN, may_not=OWN)
OPERATIONS: Final = (GIVE, END, GRANT, REVOKE, LIST, ACKNOWLEDGE, PENDING)
