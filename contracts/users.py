"""The user register's language: registration, reading, and what they are answered with."""

from datetime import datetime
from typing import Annotated, Final, Literal

from pydantic import Field

from contracts.groups import (
    Accreditations,
    Address,
    Bank,
    Contact,
    Contacts,
    Insurance,
    Profile,
    SubRole,
    UserClaims,
)
from contracts.messages import EVERYBODY, Command, Contract, Event, Query, Role
from contracts.values import AnyUserId, Name, UserId

UserStatus = Literal["provisional", "confirmed", "rejected", "suspended", "retired"]
ENDED_STATUSES: Final = frozenset({"rejected", "retired"})
"""Of users who come back only by registering anew: they have no account, and nothing new is tied to
them."""
UserKind = Literal["organisation", "person"]
KeyHash = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9+/]{48}$",
        description="RabbitMQ's salted SHA-256 of the account's key: base64 of 4 salt and 32 hash "
        "bytes. The key itself never travels.",
    ),
]


class UserRegistration(Contract):
    """What a registration is answered with."""

    id: UserId
    """The user's id, issued at once and never changed."""
    status: UserStatus
    """`provisional` until evidence or an operator confirms."""
    revision: int
    roles: tuple[Role, ...]
    """Roles that the user has now."""
    roles_requested: tuple[Role, ...] = ()
    """Roles that wait for an operator's grant."""


class RegisterUser(
    Command,
    type="user.register.v1",
    senders={"front-desk", "operator", "aggregator", "fsp", "mpp", "mo", "so"},
    accepted=UserRegistration,
    for_another=True,
):
    """Register an organisation or a person and get its id at once, provisionally.

    Sent by the front desk (for oneself), by an operator, or by a platform for another: then
    `onbehalfof` of the envelope carries the platform's own reference of that party.
    Rejected with `user.duplicate` if a claim is held already; the answer names the existing id only
    to that user, to the platform that registered it, and to operators. An organisation without any
    claim is rejected so where one of its name is registered at its postcode. Where an organisation
    may be in the register by its name and address alone, it is registered and an operator decides;
    who that might be nobody else is told.
    What a role has to tell before evidence confirms it: `user.requirements.v1`; the dry run says
    what would be missing.
    Errors: `user.duplicate`, `user.on-behalf-missing`, `user.role-reserved`, `user.unreachable`,
    `link.taken`, every rule of a value.
    Source: U1, U2 of the requirement.
    """

    kind: UserKind
    name: Name
    """Registered name of the organisation, or the person's full name."""
    roles: tuple[Role, ...] = Field(min_length=1, max_length=10)
    """Roles asked for; `so`, `mo`, `verifier` and `operator` wait for an operator's grant."""
    claims: UserClaims = UserClaims()
    address: Address | None = None
    contacts: Contacts = ()
    bank: Bank | None = None
    insurance: Insurance | None = None
    accreditation: Accreditations = ()
    profile: Profile | None = None
    account_key_hash: KeyHash | None = None
    """Hash of the key for the user's first broker account, which gets the user's id as its name;
    without it the user has no account yet."""


class UserView(Contract):
    """A user as the asker may see it; what it may not see is absent or masked."""

    id: UserId
    status: UserStatus
    status_at: datetime
    """When that was decided."""
    revision: int
    kind: UserKind
    roles: tuple[Role, ...]
    sub_roles: tuple[SubRole, ...] = ()
    """What a system operator does in particular."""
    roles_requested: tuple[Role, ...] | None = None
    registrant: AnyUserId | None = None
    """Who registered the user."""
    name: str | None = None
    claims: UserClaims | None = None
    address: Address | None = None
    contacts: tuple[Contact, ...] | None = None
    bank: dict[str, str] | None = None
    """The bank group, whole or masked."""
    insurance: Insurance | None = None
    accreditation: Accreditations | None = None
    profile: Profile | None = None
    masked: tuple[str, ...] = ()
    """Names of the groups that are shown masked."""


class GetUser(
    Query,
    type="user.get.v1",
    senders=EVERYBODY,
    accepted=UserView,
):  # fmt: skip
    """Read one user: oneself, whom one registered, or any as operator.

    Errors: `user.not-found`, also for users that the asker may not see.
    Source: U8 of the requirement.
    """

    id: UserId


class UserRegistered(Event, type="user.registered.v1"):
    """A user is in the register."""

    id: UserId
    revision: int
    status: UserStatus
    by: AnyUserId
    """Who registered it."""
    roles: tuple[Role, ...]
    account: bool
    """Whether a broker account is to be made for it."""


class UserDuplicateAttempted(Event, type="user.duplicate-attempted.v1"):
    """Somebody tried to register this user once more, by one of its identifiers, and was refused.

    Told to the user, its registrant and whoever acts for it; who tried is said to the backbone's
    operators only.
    """

    id: UserId
    """The user that holds the identifier."""
    roles: tuple[Role, ...]
    """Roles that the applicant asked for."""
    by: AnyUserId | None = None
    """Who tried; never on a personal event."""


SuspensionReason = Literal["security", "conduct", "request", "legal", "other"]
"""Why a user is suspended, in a word that may be told to everybody concerned."""


class UserStanding(Contract):
    """What a user is by now, and since when."""

    id: UserId
    status: UserStatus
    status_at: datetime
    """When that was decided."""
    revision: int


class SuspendUser(Command, type="user.suspend.v1", senders={"operator"}, accepted=UserStanding):
    """Suspend a user: nothing that it sends is decided, and its accounts are let in no more.

    Its queues are kept, and what concerns it gathers there. Suspending a user who is suspended
    changes nothing.
    Errors: `user.not-active`, `user.not-found`.
    Source: the states of a user, on the page of the user register.
    """

    id: UserId
    reason: SuspensionReason
    """Told to the user and its parties: its registrant, whoever acts for it, and its readers."""
    note: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    """In the operator's own words; kept sealed and told to nobody."""


class ReinstateUser(Command, type="user.reinstate.v1", senders={"operator"}, accepted=UserStanding):
    """End a suspension: the user is what it was before, with the accounts that it had.

    Reinstating a user who is active changes nothing.
    Errors: `user.not-suspended`, `user.not-found`.
    Source: the states of a user, on the page of the user register.
    """

    id: UserId


class RetireUser(
    Command,
    type="user.retire.v1",
    senders=EVERYBODY,
    accepted=UserStanding,
):  # fmt: skip
    """Take a user out of the market for good; sent by itself or by an operator.

    Its accounts and its queues are removed. Who retires itself has a minute for reading the answer
    and for sending `user.erase.v1`, and another one for reading the answer to that; all else is
    refused as `sender.suspended` from the answer on. The id and the claims stay taken. Retiring a
    user who is retired changes nothing.
    Errors: `user.not-active`, `user.not-yours`, `user.not-found`.
    Source: the states of a user, on the page of the user register.
    """

    id: UserId


class UserSuspended(Event, type="user.suspended.v1"):
    """A user's messages are refused and its accounts let in no more."""

    id: UserId
    revision: int
    status: UserStatus
    by: AnyUserId
    reason: SuspensionReason


class UserReinstated(Event, type="user.reinstated.v1"):
    """A user's suspension has ended."""

    id: UserId
    revision: int
    status: UserStatus
    """What it was before the suspension."""
    by: AnyUserId


class UserRetired(Event, type="user.retired.v1"):
    """A user has left the market; its accounts and queues are removed.

    At once where an operator has retired it; where it was itself, when it could read the answer.
    """

    id: UserId
    revision: int
    status: UserStatus
    by: AnyUserId


class UserLeft(Event, type="user.left.v1"):
    """A user who has retired itself is let in no more; for the backbone itself."""

    id: UserId
