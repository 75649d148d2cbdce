"""Users: registering, reading, changing."""

from typing import Any, Final

from tests.builders import PLATFORM, STRANGER, user
from tests.unit.operations.table import (
    ABSENT,
    CURSOR,
    EVERY_SENDER,
    NO_ID,
    NOBODY,
    OPERATOR,
    PUBLIC,
    Because,
    Operation,
    Otherwise,
    Said,
    confirmed,
)

CLAIMS: Final = {"mpid": "EELC"}
UNREACHABLE: Final = {"contacts": [{"name": "Desk"}]}
UNTOLD: Final = "Whether a stranger holds an identifier is said by the command alone."
RESERVED: Final = ["front-desk"]


def registered(sender: str, reference: str, **data: Any) -> Said:
    """Somebody whom a platform has registered before."""
    return Said("user.register.v1", user(**data), sender, {"onbehalfof": reference})


REGISTER: Final = Operation(
    "user.register.v1",
    user(claims=CLAIMS),
    {
        "user.on-behalf-missing": Otherwise(attributes={"onbehalfof": ABSENT}),
        "user.role-reserved": Otherwise({"roles": RESERVED}),
        "user.unreachable": Otherwise(UNREACHABLE),
        "user.duplicate": Otherwise(
            first=[registered(STRANGER, "theirs", claims=CLAIMS)], unchecked=UNTOLD
        ),
        "link.taken": Otherwise(first=[registered(PLATFORM, "our 7", name="Another Ltd")]),
    },
    attributes={"onbehalfof": "our 7"},
    unknown=NO_ID,
    hidden=NO_ID,
    may_not=Because("Whoever has the role may register others."),
    again=Because("Who is registered holds its identifiers by then: `user.duplicate`."),
    events=("user.registered.v1",),
)
GET: Final = Operation(
    "user.get.v1",
    {"id": PLATFORM},
    {"user.not-found": Otherwise({"id": NOBODY})},
    unknown="user.not-found",
    hidden=Otherwise(sender=STRANGER),
    may_not=EVERY_SENDER,
)
UPDATE: Final = Operation(
    "user.update.v1",
    {"id": PLATFORM, "name": "Two"},
    {
        "user.not-found": Otherwise({"id": NOBODY}),
        "user.not-yours": Otherwise({"bank": {"account_name": "Two"}}, sender=OPERATOR),
        "user.not-active": Otherwise(
            given=[("users", confirmed(PLATFORM, status="retired"))], sender=OPERATOR
        ),
        "user.stale": Otherwise({"expected_revision": 9}),
        "user.role-reserved": Otherwise({"roles_requested": RESERVED}),
        "user.unreachable": Otherwise(UNREACHABLE),
        "field.missing": Otherwise({"bank": {"sort_code": "20-20-15"}}),
        "user.duplicate": Otherwise(
            {"claims": CLAIMS},
            first=[Said("user.update.v1", {"id": STRANGER, "claims": CLAIMS}, STRANGER)],
            unchecked=UNTOLD,
        ),
    },
    unknown="user.not-found",
    hidden=Otherwise(sender=STRANGER),
    may_not="user.not-yours",
    events=("user.updated.v1",),
)
HISTORY: Final = Operation(
    "user.history.v1",
    {"id": PLATFORM},
    {
        "user.not-found": Otherwise({"id": NOBODY}),
        **CURSOR,
        "user.history-too-long": Otherwise(
            {"as_of": "2026-02-01T00:00:00Z"},
            given=[("users", confirmed(PLATFORM, revision=5001))],
        ),
    },
    unknown="user.not-found",
    hidden=Otherwise(sender=STRANGER),
    may_not=EVERY_SENDER,
)
REQUIREMENTS: Final = Operation(
    "user.requirements.v1",
    {"role": "fsp"},
    {"user.role-reserved": Otherwise({"role": "front-desk"})},
    unknown=NO_ID,
    hidden=PUBLIC,
    may_not=PUBLIC,
)
OPERATIONS: Final = (REGISTER, GET, UPDATE, HISTORY, REQUIREMENTS)
