"""The field groups of a user: what it says of itself, and who it claims to be."""

from typing import Annotated, Literal

from pydantic import Field

from contracts.messages import Contract
from contracts.services import ServiceCode
from contracts.values import (
    AccountNumber,
    CompanyNumber,
    Date,
    Eic,
    Email,
    GspGroup,
    Iban,
    Lei,
    Line,
    Mpid,
    Name,
    OrNotGiven,
    Phone,
    Postcode,
    Pound,
    SortCode,
    VatNumber,
)

SubRole = Literal["planning", "procurement", "operation", "dispatch"]
"""What a system operator does in particular; granted with the role."""


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


class BankPatch(Contract):
    """What changes of where payments go; what is absent stays, null clears.

    The details that come of it have an account name.
    """

    account_name: Name | None = None
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


class Insurance(Contract):
    """What the user is insured for; always stored as ciphertext."""

    insurer: OrNotGiven[Line] = None
    reference: OrNotGiven[Line] = None
    """Of the policy."""
    cover_gbp: Pound | None = None
    valid_until: Date | None = None


class Accreditation(Contract):
    """One scheme by which somebody vouches for the user."""

    scheme: Line
    """Who accredits for what, such as `ISO 27001`."""
    reference: OrNotGiven[Line] = None
    valid_until: Date | None = None


class Profile(Contract):
    """What the user offers, and where; of an organisation every registered user may read it."""

    areas: Annotated[tuple[GspGroup, ...], Field(max_length=20)] = ()
    """GSP groups in which it is active."""
    services: Annotated[tuple[ServiceCode, ...], Field(max_length=50)] = ()


class ProfilePatch(Contract):
    """What changes of what the user offers; a list that is given takes the place of the other."""

    areas: Annotated[tuple[GspGroup, ...] | None, Field(max_length=20)] = None
    services: Annotated[tuple[ServiceCode, ...] | None, Field(max_length=50)] = None


Contacts = Annotated[tuple[Contact, ...], Field(max_length=20)]
Accreditations = Annotated[tuple[Accreditation, ...], Field(max_length=20)]
