"""The user register's language: registration, reading, and what they are answered with."""

from typing import Annotated, Literal

from pydantic import Field

from contracts.messages import Command, Contract, Event, Query, Role
from contracts.values import (
    AccountNumber,
    AnyUserId,
    CompanyNumber,
    Eic,
    Email,
    Iban,
    Lei,
    Line,
    Mpid,
    Name,
    OrNotGiven,
    Phone,
    Postcode,
    SortCode,
    UserId,
    VatNumber,
)

UserStatus = Literal["provisional", "confirmed", "rejected", "suspended", "retired"]
UserKind = Literal["organisation", "person"]
KeyHash = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9+/]{48}$",
        description="RabbitMQ's salted SHA-256 of the account's key: base64 of 4 salt and 32 hash "
        "bytes. The key itself never travels.",
    ),
]


class Address(Contract):
    """Where the user is to be found; personal data if the user is a person."""

    line_1: OrNotGiven[Line] = None
    line_2: OrNotGiven[Line] = None
    town: OrNotGiven[Line] = None
    county: OrNotGiven[Line] = None
    postcode: OrNotGiven[Postcode] = None
    country: OrNotGiven[Line] = None


class Contact(Contract):
    """A person or desk to reach; always stored as personal data."""

    name: Name
    purpose: Literal["general", "commercial", "operations", "settlement", "security"] = "general"
    email: Email | None = None
    phone: Phone | None = None


class Bank(Contract):
    """Where payments go; stored as ciphertext, read by others only by grant."""

    account_name: Name
    sort_code: SortCode | None = None
    account_number: AccountNumber | None = None
    iban: Iban | None = None


class UserClaims(Contract):
    """Identifiers that belong to one user only; each may be held once in the whole register.

    A placeholder such as "N/A" is read as not given.
    """

    company_number: OrNotGiven[CompanyNumber] = None
    vat_number: OrNotGiven[VatNumber] = None
    lei: OrNotGiven[Lei] = None
    eic: OrNotGiven[Eic] = None
    mpid: OrNotGiven[Mpid] = None


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
    to that user, to the platform that registered it, and to operators.
    Errors: `user.duplicate`, `user.on-behalf-missing`, `user.role-reserved`, `user.unreachable`,
    every rule of a value.
    Source: U1, U2 of the requirement.
    """

    kind: UserKind
    name: Name
    """Registered name of the organisation, or the person's full name."""
    roles: tuple[Role, ...] = Field(min_length=1, max_length=10)
    """Roles asked for; `so`, `mo`, `verifier` and `operator` wait for an operator's grant."""
    claims: UserClaims = UserClaims()
    address: Address | None = None
    contacts: tuple[Contact, ...] = Field(default=(), max_length=20)
    bank: Bank | None = None
    account_key_hash: KeyHash | None = None
    """Hash of the key for the user's first broker account, which gets the user's id as its name;
    without it the user has no account yet."""


class UserView(Contract):
    """A user as the asker may see it; what it may not see is absent or masked."""

    id: UserId
    status: UserStatus
    revision: int
    kind: UserKind
    roles: tuple[Role, ...]
    roles_requested: tuple[Role, ...] = ()
    registrant: AnyUserId | None = None
    """Who registered the user."""
    name: str | None = None
    claims: UserClaims | None = None
    address: Address | None = None
    contacts: tuple[Contact, ...] | None = None
    bank: dict[str, str] | None = None
    """The bank group, whole or masked."""
    masked: tuple[str, ...] = ()
    """Names of the groups that are shown masked."""


class GetUser(
    Query,
    type="user.get.v1",
    senders={
        "operator", "owner", "aggregator", "fsp", "mpp", "mo", "so", "special", "verifier",
    },
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

    Told to the user and its registrant; who tried is said to the backbone's operators only.
    """

    id: UserId
    """The user that holds the identifier."""
    roles: tuple[Role, ...]
    """Roles that the applicant asked for."""
    by: AnyUserId | None = None
    """Who tried; never on a personal event."""
