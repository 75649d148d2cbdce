"""The language of changing a user's record: a patch of its field groups."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import Field, model_validator

from contracts.groups import (
    Accreditations,
    Address,
    BankPatch,
    Contacts,
    Insurance,
    ProfilePatch,
    UserClaims,
)
from contracts.messages import EVERYBODY, Command, Contract, Event, Role
from contracts.patches import Revision, without_placeholders
from contracts.users import UserStanding, UserStatus
from contracts.values import AnyUserId, Name, UserId

_GROUPS: Final[Mapping[str, type[Contract]]] = {
    "claims": UserClaims,
    "address": Address,
    "insurance": Insurance,
}


class UpdateUser(
    Command,
    type="user.update.v1",
    senders=EVERYBODY,
    accepted=UserStanding,
):  # fmt: skip
    """Change a user's record: what is absent stays, null clears, a placeholder counts as absent.

    Sent by the user itself, its delegate or an operator; the page on rights says who may write
    which group. Groups are merged field by field (RFC 7396); lists are replaced whole.
    What comes of it has to be whole: bank details have an account name (`field.missing`), and
    nobody is without a name.
    With `expected_revision` an update that has not seen the latest revision is rejected; without it
    the last in arrival order wins. An update that changes nothing is accepted and makes no event.
    A new claim is held from then on, and the one that it replaces is free. A confirmed user whose
    name or claims change is provisional again, unless evidence holds for what they are now.
    Errors: `user.not-found` (also where the sender may not see it), `user.not-yours`,
    `user.not-active`, `user.stale`, `user.duplicate`, `user.role-reserved`, `user.unreachable`,
    `field.missing`, every rule of a value.
    Source: U1, U4, U9 of the requirement.
    """

    id: UserId
    expected_revision: Revision | None = None
    # A factory, so that the field may be absent while null is refused: nobody is without a name.
    name: Name = Field(default_factory=str)
    claims: UserClaims | None = None
    address: Address | None = None
    contacts: Contacts | None = None
    bank: BankPatch | None = None
    insurance: Insurance | None = None
    accreditation: Accreditations | None = None
    profile: ProfilePatch | None = None
    roles_requested: tuple[Role, ...] | None = Field(default=None, max_length=10)
    """Roles that you ask for besides those that you have, in place of those that wait; an operator
    grants them."""

    @model_validator(mode="before")
    @classmethod
    def _leave_out_placeholders(cls, value: Any) -> Any:
        return without_placeholders(value, _GROUPS)


class UserUpdated(Event, type="user.updated.v1"):
    """A user's record has changed; ask for it to see the values."""

    id: UserId
    revision: int
    status: UserStatus
    """`provisional` where it was confirmed, and the change takes that away."""
    by: AnyUserId
    changed: tuple[str, ...]
    """Names of the changed groups; on a personal event those that the recipient may read."""
