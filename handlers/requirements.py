"""What a role has to tell of itself, for whoever asks, and what a record would lack of it."""

from collections.abc import Mapping

from contracts.messages import Contract
from contracts.requirements import (
    EVIDENCE,
    REQUIRED,
    ReadRequirements,
    UserRequirements,
    missing,
    registration_schema,
)
from contracts.taxonomy import FRONT_DESK
from handlers.decision import Context, Document, Reads, Rejected, View
from handlers.rules import reject
from handlers.signature import reads
from handlers.user_rules import reserved


def _reads(_query: ReadRequirements, _context: Context) -> Reads:
    return ()


@reads(_reads)
def read_requirements(query: ReadRequirements, view: View, context: Context) -> Contract | Rejected:
    """Answer with what the tables say of a role.

    Rejects: user.role-reserved
    Source: U4.
    """
    if query.role == FRONT_DESK:
        return reject(*reserved((query.role,), "role"))
    return UserRequirements(
        role=query.role,
        required=REQUIRED[query.role],
        evidence=tuple(tuple(sorted(schemes)) for schemes in EVIDENCE[query.role]),
        registration=registration_schema(query.role),
    )


def lacking(user: Document) -> Mapping[str, list[str]]:
    """Role -> what a record would still lack of its requirements; roles that wait count too."""
    roles = (*user["roles"], *user["roles_requested"])
    return {role: list(missing(user, role)) for role in roles}
