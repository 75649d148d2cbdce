"""What a role has to tell of itself, and whose evidence confirms it: two tables, as JSON Schema."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import Field

from contracts.confirmation import Scheme
from contracts.messages import ROLES, Contract, Query, Role
from contracts.users import RegisterUser

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
REQUIRED: Final[Mapping[Role, tuple[str, ...]]] = {
    "owner": ("contacts",),
    "aggregator": ("address.postcode", "contacts"),
    "fsp": ("address.postcode", "contacts", "bank"),
    "mpp": ("address.postcode", "contacts", "profile.services"),
    "mo": ("address.postcode", "contacts", "profile.services"),
    "so": ("address.postcode", "contacts", "claims.eic", "profile.areas"),
    "special": ("contacts",),
    "verifier": ("address.postcode", "contacts"),
    "operator": ("contacts",),
}
"""Role -> groups, or fields of groups, without which evidence does not confirm it."""

EVIDENCE: Final[Mapping[Role, tuple[frozenset[Scheme], ...]]] = {
    "owner": (frozenset({"company_number"}), frozenset({"lei"}), frozenset({"identity"})),
    "aggregator": (frozenset({"company_number"}), frozenset({"lei"})),
    "fsp": (frozenset({"company_number"}), frozenset({"lei"})),
    "mpp": (frozenset({"company_number"}), frozenset({"lei"})),
    "mo": (frozenset({"company_number"}), frozenset({"lei"})),
    "so": (frozenset({"company_number", "eic"}), frozenset({"lei", "eic"})),
    "special": (frozenset({"company_number"}), frozenset({"identity"})),
    "verifier": (),
    "operator": (),
}
"""Role -> sets of schemes; a match of each of one set proves it. Without a set nothing does, and
an operator decides."""


def is_given(document: Mapping[str, Any], path: str) -> bool:
    """Whether a record has something at a path of the table."""
    group, _, field = path.partition(".")
    value = document.get(group)
    return bool(value) if not field else bool(value and value.get(field))


def missing(document: Mapping[str, Any], role: Role) -> tuple[str, ...]:
    """What a record lacks of a role's requirements."""
    return tuple(path for path in REQUIRED[role] if not is_given(document, path))


def registration_schema(role: Role) -> dict[str, Any]:
    """JSON Schema 2020-12 of the registration that lacks nothing of a role's requirements."""
    schema = RegisterUser.model_json_schema(mode="validation")
    return {
        "$schema": DIALECT,
        "$id": f"urn:flexspine:requirements:{role}",
        **schema,
        "allOf": [{"properties": {"roles": {"contains": {"const": role}}}}, *_demands(role)],
    }


def _demands(role: Role) -> Iterator[dict[str, Any]]:
    for path in REQUIRED[role]:
        group, _, field = path.partition(".")
        inner = _is_something(field)
        yield {"required": [group], "properties": {group: inner}}


def _is_something(field: str) -> dict[str, Any]:
    """A list that is not empty, a group that is there, or a group with a field of that kind."""
    if not field:
        return {"type": ["object", "array"], "minItems": 1, "minProperties": 1}
    value = {"type": ["string", "array"], "minLength": 1, "minItems": 1}
    return {"type": "object", "required": [field], "properties": {field: value}}


class UserRequirements(Contract):
    """What a role has to tell, and whose word confirms it."""

    role: Role
    required: tuple[str, ...]
    """Groups, or fields of groups, without which evidence does not confirm the role."""
    evidence: tuple[tuple[Scheme, ...], ...]
    """Sets of schemes, each of which is enough; none: an operator decides."""
    registration: dict[str, Any]
    """JSON Schema 2020-12 of the data of `user.register.v1` that lacks nothing."""


class ReadRequirements(
    Query,
    type="user.requirements.v1",
    senders=ROLES,
    accepted=UserRequirements,
):  # fmt: skip
    """Read what a role has to tell of itself; at the front desk too, before one has an account.

    A registration that lacks some of it is accepted, and provisional until an operator decides.
    Errors: `user.role-reserved`.
    Source: U4 of the requirement.
    """

    role: Role = Field(examples=["fsp"])
