"""What a role has to tell: the same in the schema, in the answer, in the check and in the rule."""

from typing import Any, Final, get_args
from uuid import uuid4

import pytest
from jsonschema import Draft202012Validator

from contracts.messages import Role
from contracts.requirements import EVIDENCE, REQUIRED, missing, registration_schema
from tests.builders import command, user
from tests.decider import Decider, rules, said

ROLES: Final = tuple(role for role in get_args(Role) if role != "front-desk")
WHOLE: Final[dict[str, Any]] = {
    "claims": {"company_number": "01234567", "eic": "10X1001A1001A38Y"},
    "address": {"postcode": "SW1A 1AA"},
    "contacts": [{"name": "Desk", "phone": "020 7946 0000"}],
    "bank": {"account_name": "Example"},
    "profile": {"areas": ["_A"], "services": ["DC"]},
}


def without(path: str) -> dict[str, Any]:
    """Everything but what stands at a path of the table."""
    group, _, field = path.partition(".")
    rest = {name: value for name, value in WHOLE.items() if name != group}
    inner = {n: v for n, v in WHOLE[group].items() if n != field} if field else None
    return rest | ({group: inner} if inner is not None else {})


def ask(kind: str, data: dict[str, Any]) -> tuple[str, Any]:
    return said(Decider().ask(command(kind, data, sender="front-desk", id=str(uuid4()))))


@pytest.mark.parametrize("role", ROLES)
def test_the_front_desk_reads_what_a_role_requires(role: Role) -> None:
    kind, data = ask("user.requirements.v1", {"role": role})
    assert kind == "user.requirements.accepted.v1"
    assert (data["role"], data["required"]) == (role, list(REQUIRED[role]))
    assert [set(one) for one in data["evidence"]] == [set(one) for one in EVIDENCE[role]]
    assert data["registration"] == registration_schema(role)
    Draft202012Validator.check_schema(data["registration"])


@pytest.mark.parametrize("role", ROLES)
def test_schema_check_and_rule_say_the_same(role: Role) -> None:
    schema = Draft202012Validator(registration_schema(role))
    assert schema.is_valid(user(roles=[role], **WHOLE))
    assert not schema.is_valid(user(roles=["fsp" if role != "fsp" else "owner"], **WHOLE))
    assert not schema.is_valid(user(roles=[role], hobby="chess", **WHOLE))
    for path in REQUIRED[role]:
        group, _, field = path.partition(".")
        given = without(path)
        absent = [given, {**WHOLE, group: None}]
        absent += [{**WHOLE, group: []}] if group == "contacts" else []
        absent += [{**given, group: {field: None}}] if field in {"postcode", "eic"} else []
        absent += [{**given, group: {field: []}}] if group == "profile" else []
        for one in absent:
            assert not schema.is_valid(user(roles=[role], **one)), one
        assert missing(given, role) == (path,)
        kind, data = ask("user.register.check.v1", user(roles=[role], **given))
        assert (kind, data["missing"]) == ("user.register.check.accepted.v1", {role: [path]})


def test_the_check_says_of_each_role_what_would_be_missing() -> None:
    kind, data = ask("user.register.check.v1", user(roles=["owner", "so"]))
    assert (kind, data) == (
        "user.register.check.accepted.v1",
        {
            "verdict": "acceptable",
            "missing": {
                "owner": ["contacts"],
                "so": ["address.postcode", "contacts", "claims.eic", "profile.areas"],
            },
        },
    )


def test_the_check_finds_all_that_is_wrong_with_its_rule_and_advice() -> None:
    wrong = user(
        claims={"company_number": "ZZ123", "lei": "1"},
        address={"postcode": "QQ1 1AA"},
        profile={"areas": ["_Z"]},
    )
    kind, data = ask("user.register.check.v1", wrong)
    assert kind == "user.register.check.rejected.v1"
    assert rules(data) == [
        ("company-number.prefix", "data.claims.company_number"),
        ("lei.format", "data.claims.lei"),
        ("postcode.area", "data.address.postcode"),
        ("gsp-group.unknown", "data.profile.areas.0"),
    ]
    assert all(finding["advice"] and finding["expected"] for finding in data["findings"])
