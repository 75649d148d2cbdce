"""How a user comes from one status to another: operators, verifiers, and the user itself."""

from typing import Any, Final

from tests.builders import PLATFORM, STRANGER, issued
from tests.samples import SAMPLES
from tests.unit.operations.table import (
    NOBODY,
    OPERATOR,
    OPERATORS,
    Because,
    Documents,
    Operation,
    Otherwise,
    confirmed,
)

VERIFIER: Final = issued("USR", 5000)
UNKNOWN: Final = Otherwise({"id": NOBODY})
ITSELF: Final = {"id": PLATFORM}


def platform(status: str, **changes: Any) -> Documents:
    """The platform in a status; whoever is suspended was confirmed before."""
    changes |= {"status": status}
    if status == "suspended":
        changes |= {"status_before": "confirmed"}
    return [("users", confirmed(PLATFORM, **changes))]


BY_REGISTRANT: Final = Otherwise(given=platform("confirmed", registrant=STRANGER), sender=STRANGER)


def step(verb: str, start: str, wrong: str, code: str, **data: Any) -> Operation:
    """What an operator alone decides: from one status, and not from another."""
    stale = {"user.stale": Otherwise({"expected_revision": 9})} if verb == "confirm" else {}
    done = {"suspend": "suspended", "confirm": "confirmed", "reject": "rejected"}
    return Operation(
        f"user.{verb}.v1",
        ITSELF | data,
        {"user.not-found": UNKNOWN, code: Otherwise(given=platform(wrong)), **stale},
        sender=OPERATOR,
        given=platform(start),
        unknown="user.not-found",
        hidden=OPERATORS,
        may_not=OPERATORS,
        events=(f"user.{done.get(verb, 'reinstated')}.v1",),
    )


RETIRE: Final = Operation(
    "user.retire.v1",
    ITSELF,
    {
        "user.not-found": UNKNOWN,
        "user.not-yours": BY_REGISTRANT,
        "user.not-active": Otherwise(given=platform("rejected"), sender=OPERATOR),
    },
    unknown="user.not-found",
    hidden=Otherwise(sender=STRANGER),
    may_not="user.not-yours",
    # The user itself is not heard any more by then.
    again=Otherwise(sender=OPERATOR),
    events=("user.retired.v1",),
)
ERASE: Final = Operation(
    "user.erase.v1",
    ITSELF | {"confirm_id": PLATFORM},
    {
        "user.not-found": Otherwise({"id": NOBODY, "confirm_id": NOBODY}),
        "user.not-yours": Otherwise(
            given=platform("retired", registrant=STRANGER), sender=STRANGER
        ),
        "user.confirm-id": Otherwise({"confirm_id": STRANGER}),
        "user.not-retired": Otherwise(given=platform("confirmed")),
    },
    given=platform("retired"),
    unknown="user.not-found",
    hidden=Otherwise(sender=STRANGER),
    may_not="user.not-yours",
    again=Because("While the first one is under way it is taken up anew; later nothing changes."),
    events=("user.erase-asked.v1",),
)
ATTEST: Final = Operation(
    "user.attest.v1",
    {**SAMPLES["user.attest"], **ITSELF},
    {
        "user.not-found": UNKNOWN,
        "user.not-yours": Otherwise(given=platform("confirmed", registrant=VERIFIER)),
        "user.stale": Otherwise({"expected_revision": 9}),
        "evidence.no-value": Otherwise({"scheme": "lei"}),
        "evidence.from-future": Otherwise({"evidence_at": "2026-03-02T12:00:00Z"}),
    },
    sender=VERIFIER,
    given=[("users", confirmed(VERIFIER, roles=["verifier"]))],
    unknown="user.not-found",
    hidden=Otherwise(given=platform("confirmed", kind="person")),
    may_not="user.not-yours",
    events=("user.attested.v1",),
)
GRANT: Final = Operation(
    "user.grant-role.v1",
    ITSELF | {"roles": ["mo"]},
    {
        "user.not-found": UNKNOWN,
        "user.not-active": Otherwise(given=platform("retired")),
        "user.stale": Otherwise({"expected_revision": 9}),
        "user.role-reserved": Otherwise({"roles": ["front-desk"]}),
        "user.sub-role": Otherwise({"sub_roles": ["planning"]}),
    },
    sender=OPERATOR,
    unknown="user.not-found",
    hidden=OPERATORS,
    may_not=OPERATORS,
    events=("user.roles-granted.v1",),
)
OPERATIONS: Final = (
    step("suspend", "confirmed", "retired", "user.not-active", reason="request"),
    step("reinstate", "suspended", "retired", "user.not-suspended"),
    step("confirm", "provisional", "suspended", "user.not-provisional"),
    step("reject", "provisional", "suspended", "user.not-provisional", reason="identity"),
    RETIRE,
    ERASE,
    ATTEST,
    GRANT,
)
