"""The user register: who becomes a user, whose claim counts, and who may read whom."""

from typing import Any
from uuid import uuid4

import pytest

from contracts.messages import ROLES, SELF_ASSERTED
from handlers.decision import Put, Secret
from tests.builders import OWNER, PLATFORM, STRANGER, command, user, user_document
from tests.decider import Decider, events, reply, rules, said

REGISTER = "user.register.v1"
CHECK = "user.register.check.v1"
GET = "user.get.v1"
CLAIMS = {
    "company_number": "01234567",
    "vat_number": "GB980780684",
    "lei": "213800WSGIIZCXF1P572",
    "eic": "10X1001A1001A38Y",
    "mpid": "EELC",
}
BANK = {"account_name": "Example Power", "sort_code": "12-34-56", "account_number": "12345678"}
KEY_HASH = "A" * 48


@pytest.fixture
def decider() -> Decider:
    return Decider()


def desk(message_type: str = REGISTER, **data: Any) -> Any:
    """A registration of oneself."""
    return command(message_type, user(**data), sender="front-desk", id=str(uuid4()))


def platform(sender: str = PLATFORM, message_type: str = REGISTER, **data: Any) -> Any:
    """A registration by a platform for one of its customers."""
    given, reference = user(**data), str(uuid4())
    return command(message_type, given, sender=sender, id=reference, onbehalfof=reference)


def register(decider: Decider, given: Any) -> str:
    """The id that an accepted registration issues."""
    (outcome,) = decider.decide(given)
    kind, data = reply(outcome)
    assert kind == "user.register.accepted.v1", data
    return str(data["id"])


def refused(decider: Decider, given: Any) -> list[tuple[str, str]]:
    """Rules and fields of a rejected registration."""
    (outcome,) = decider.decide(given)
    kind, data = reply(outcome)
    assert kind == "user.register.rejected.v1"
    assert [w.collection for w in outcome.writes] == ["inbox"]
    return rules(data)


def finding(decider: Decider, given: Any) -> Any:
    """The only finding of a rejection."""
    (outcome,) = decider.decide(given)
    (only,) = reply(outcome)[1]["findings"]
    return only


# Registration.


def test_registration_issues_an_id_and_is_provisional(decider: Decider) -> None:
    (outcome,) = decider.decide(desk(roles=["fsp"], account_key_hash=KEY_HASH))
    kind, data = reply(outcome)
    issued_id = data["id"]
    assert (kind, data) == (
        "user.register.accepted.v1",
        {
            "id": issued_id,
            "status": "provisional",
            "revision": 1,
            "roles": ["fsp"],
            "roles_requested": [],
        },
    )
    assert events(outcome) == [
        (
            "user.registered.v1",
            {
                "id": issued_id,
                "revision": 1,
                "status": "provisional",
                "by": "front-desk",
                "roles": ["fsp"],
                "account": True,
            },
        )
    ]
    assert decider.documents["users", issued_id] == user_document(
        issued_id, registrant="front-desk"
    )
    assert decider.documents["accounts", issued_id] == {
        "_id": issued_id,
        "revision": 1,
        "user": issued_id,
        "key_hash": Secret(KEY_HASH),
        "state": "active",
    }


def test_registration_without_a_key_makes_no_account(decider: Decider) -> None:
    (outcome,) = decider.decide(desk())
    assert events(outcome)[0][1]["account"] is False
    assert decider.of("accounts") == []


def test_history_keeps_who_registered_what(decider: Decider) -> None:
    given = platform(claims={"mpid": "EELC"})
    issued_id = register(decider, given)
    (row,) = decider.of("history")
    assert (row["entity"], row["revision"], row["by"]) == (issued_id, 1, PLATFORM)
    assert row["removed"] == []
    assert row["values"]["claims"] == {"mpid": "EELC"}
    assert "revision" not in row["values"]


def test_taken_id_is_drawn_again(decider: Decider) -> None:
    given = desk()
    taken = register(Decider(), given)
    decider.documents["users", taken] = user_document(taken)
    assert register(decider, given) != taken


@pytest.mark.parametrize("role", sorted(ROLES - {"front-desk"}))
def test_role_is_granted_at_once_or_waits_for_an_operator(decider: Decider, role: str) -> None:
    issued_id = register(decider, desk(roles=[role, role]))
    document = decider.documents["users", issued_id]
    given = (document["roles"], document["roles_requested"])
    assert given == (([role], []) if role in SELF_ASSERTED else ([], [role]))


def test_who_waits_for_its_role_completes_its_record_and_may_leave(decider: Decider) -> None:
    """An SO has no role before an operator grants it, and is not shut out of its own record."""
    who = register(decider, desk(roles=["so"]))
    wishes = (
        ("user.update.v1", {"id": who, "profile": {"areas": ["_A"]}}),
        ("account.set.v1", {"account": who, "key_hash": KEY_HASH}),
        ("user.retire.v1", {"id": who}),
        ("user.erase.v1", {"id": who, "confirm_id": who}),
    )
    for kind, data in wishes:
        (outcome,) = decider.decide(command(kind, data, sender=who, id=str(uuid4())))
        assert reply(outcome)[0] == kind.replace(".v1", ".accepted.v1")


def test_operator_grants_by_registering(decider: Decider) -> None:
    given = command(REGISTER, user(roles=["so", "operator", "fsp"]), sender="operator")
    document = decider.documents["users", register(decider, given)]
    assert (document["roles"], document["roles_requested"]) == (["fsp", "operator", "so"], [])


def test_person_is_kept_as_a_secret_and_an_organisation_is_not(decider: Decider) -> None:
    address = {"line_1": "1 Example Street", "postcode": "sw1a1aa"}
    contacts = [{"name": "A. Person", "email": "a@Example.com"}]
    data: Any = {"address": address, "contacts": contacts, "bank": BANK, "claims": {"mpid": "eelc"}}
    for kind in ("organisation", "person"):
        decider = Decider()
        document = decider.documents["users", register(decider, desk(kind=kind, **data))]
        personal = kind == "person"
        kept = {
            "name": "Example Power Ltd",
            "address": {"line_1": "1 Example Street", "postcode": "SW1A 1AA"},
            "claims": {"mpid": "EELC"},
        }
        for group, value in kept.items():
            assert document[group] == (Secret(value) if personal else value)
        assert document["contacts"] == Secret(
            [{"name": "A. Person", "purpose": "general", "email": "a@example.com"}]
        )
        assert document["bank"].value["account_number"] == "12345678"
        assert "A. Person" not in repr(document)


def test_platform_says_for_whom_it_registers(decider: Decider) -> None:
    missing = command(REGISTER, user())
    assert refused(decider, missing) == [("user.on-behalf-missing", "onbehalfof")]
    document = decider.documents["users", register(decider, platform())]
    assert document["registrant"] == PLATFORM


def test_contact_must_be_reachable(decider: Decider) -> None:
    contacts = [{"name": "A", "phone": "020 7946 0000"}, {"name": "B"}]
    assert refused(decider, desk(contacts=contacts)) == [("user.unreachable", "data.contacts.1")]


def test_everything_that_is_wrong_is_said_at_once(decider: Decider) -> None:
    register(decider, desk(claims={"mpid": "EELC"}))
    given = command(
        REGISTER,
        user(roles=["front-desk"], contacts=[{"name": "A"}], claims={"mpid": "EELC"}),
    )
    assert refused(decider, given) == [
        ("user.on-behalf-missing", "onbehalfof"),
        ("user.role-reserved", "data.roles"),
        ("user.unreachable", "data.contacts.0"),
    ]


# Claims.


@pytest.mark.parametrize("scheme", CLAIMS)
def test_claim_is_held_once(decider: Decider, scheme: str) -> None:
    claims = {scheme: CLAIMS[scheme]}
    holder = register(decider, platform(claims=claims))
    (claim,) = decider.of("claims")
    assert (claim["scheme"], claim["holder"]) == (scheme, holder)
    assert CLAIMS[scheme] not in str(claim)
    again = platform(STRANGER, claims=claims)
    assert refused(decider, again) == [("user.duplicate", f"data.claims.{scheme}")]


@pytest.mark.parametrize(
    ("scheme", "one", "other"),
    [
        ("company_number", "01234567", "1234567"),
        ("company_number", "SC012345", "sc 12345"),
        ("vat_number", "GB980780684", "980 7806 84"),
        ("lei", "213800WSGIIZCXF1P572", "213800wsgiizcxf1p572"),
        ("eic", "10X1001A1001A38Y", "10x1001a1001a38y"),
        ("mpid", "EELC", " eelc "),
    ],
)
def test_spellings_of_one_claim_are_one(
    decider: Decider, scheme: str, one: str, other: str
) -> None:
    register(decider, desk(claims={scheme: one}))
    assert refused(decider, desk(claims={scheme: other})) == [
        ("user.duplicate", f"data.claims.{scheme}")
    ]


@pytest.mark.parametrize("scheme", CLAIMS)
@pytest.mark.parametrize("placeholder", ["N/A", "tbc", "0", "", "Data not available"])
def test_placeholder_makes_no_claim(decider: Decider, scheme: str, placeholder: str) -> None:
    given = {scheme: placeholder}
    assert register(decider, desk(claims=given)) != register(decider, desk(claims=given))
    assert decider.of("claims") == []


def test_claims_of_another_scheme_do_not_collide(decider: Decider) -> None:
    register(decider, desk(claims=CLAIMS))
    assert len(decider.of("claims")) == len(CLAIMS)
    assert refused(decider, desk(claims=CLAIMS)) == [
        ("user.duplicate", f"data.claims.{scheme}") for scheme in CLAIMS
    ]


def test_two_in_one_batch_cannot_both_have_a_claim(decider: Decider) -> None:
    outcomes = decider.decide(desk(claims={"mpid": "EELC"}), desk(claims={"mpid": "eelc"}))
    assert [outcome.kind for outcome in outcomes] == ["accepted", "rejected"]


def test_registrant_is_told_who_holds_the_claim(decider: Decider) -> None:
    holder = register(decider, platform(claims={"mpid": "EELC"}))
    assert finding(decider, platform(claims={"mpid": "EELC"}))["got"] == f"held by {holder}"


def test_operator_is_told_who_holds_the_claim(decider: Decider) -> None:
    holder = register(decider, platform(claims={"mpid": "EELC"}))
    given = command(REGISTER, user(claims={"mpid": "EELC"}), sender="operator")
    assert finding(decider, given)["got"] == f"held by {holder}"


@pytest.mark.parametrize("first", [desk, platform])
@pytest.mark.parametrize("quoter", ["desk", "stranger"])
def test_quoting_a_number_proves_nothing(decider: Decider, first: Any, quoter: str) -> None:
    """The front desk is a shared account: whoever else registered there is a stranger."""
    holder = register(decider, first(claims={"mpid": "EELC"}))
    claims = {"mpid": "EELC"}
    quoted = desk(claims=claims) if quoter == "desk" else platform(STRANGER, claims=claims)
    (outcome,) = decider.decide(quoted)
    kind, data = reply(outcome)
    assert (kind, data["code"]) == ("user.register.rejected.v1", "user.duplicate")
    assert data["findings"][0]["got"] == ""
    assert holder not in str(data)


# Checks and queries.


def test_check_that_passes_tells_no_id_and_writes_nothing(decider: Decider) -> None:
    before = dict(decider.documents)
    answer = said(decider.ask(desk(CHECK, claims=CLAIMS)))
    assert answer == (
        "user.register.check.accepted.v1",
        {"verdict": "acceptable", "missing": {"fsp": ["address.postcode", "contacts", "bank"]}},
    )
    assert decider.documents == before


def test_check_finds_what_the_command_would(decider: Decider) -> None:
    kind, data = said(decider.ask(desk(CHECK, contacts=[{"name": "A"}], roles=["front-desk"])))
    assert kind == "user.register.check.rejected.v1"
    assert rules(data) == [
        ("user.role-reserved", "data.roles"),
        ("user.unreachable", "data.contacts.0"),
    ]


@pytest.mark.parametrize("first", [desk, platform])
@pytest.mark.parametrize("quoter", ["desk", "stranger"])
def test_check_is_no_oracle_for_a_strangers_claim(
    decider: Decider, first: Any, quoter: str
) -> None:
    register(decider, first(claims=CLAIMS))
    asked = (
        desk(CHECK, claims=CLAIMS) if quoter == "desk" else platform(STRANGER, CHECK, claims=CLAIMS)
    )
    assert said(decider.ask(asked))[0] == "user.register.check.accepted.v1"


def test_check_compares_claims_of_those_whom_one_registered(decider: Decider) -> None:
    register(decider, platform(claims={"mpid": "EELC"}))
    kind, data = said(decider.ask(platform(PLATFORM, CHECK, claims={"mpid": "EELC"})))
    assert (kind, rules(data)) == (
        "user.register.check.rejected.v1",
        [("user.duplicate", "data.claims.mpid")],
    )


def get(sender: str, user_id: str) -> Any:
    return command(GET, {"id": user_id}, sender=sender)


@pytest.fixture
def known(decider: Decider) -> str:
    """A user with everything, registered by the platform."""
    return register(
        decider,
        platform(
            kind="person",
            name="A. Person",
            claims={"mpid": "EELC"},
            address={"town": "Exampleton"},
            contacts=[{"name": "A. Person", "phone": "020 7946 0000"}],
            bank=BANK,
        ),
    )


def shown(user_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": user_id,
        "status": "provisional",
        "status_at": "2026-03-01T12:00:00Z",
        "revision": 1,
        "kind": "person",
        "roles": ["fsp"],
        "roles_requested": [],
        "registrant": PLATFORM,
        "name": "A. Person",
        "claims": {"mpid": "EELC"},
        "address": {"town": "Exampleton"},
        "contacts": [{"name": "A. Person", "purpose": "general", "phone": "+442079460000"}],
        "bank": {
            "account_name": "Example Power",
            "sort_code": "123456",
            "account_number": "12345678",
        },
        "sub_roles": [],
        "masked": [],
    } | changes


MASKED = {
    "account_name": "**********wer",
    "sort_code": "******",
    "account_number": "*****678",
}


def test_user_sees_everything_of_itself(decider: Decider, known: str) -> None:
    assert said(decider.ask(get(known, known))) == ("user.get.accepted.v1", shown(known))


@pytest.mark.parametrize("viewer", [PLATFORM, "operator"])
def test_registrant_and_operator_see_the_bank_masked(
    decider: Decider, known: str, viewer: str
) -> None:
    expected = shown(known, bank=MASKED, masked=["bank"])
    assert said(decider.ask(get(viewer, known))) == ("user.get.accepted.v1", expected)


def test_user_of_the_front_desk_is_not_everybodys_there(decider: Decider) -> None:
    registered = register(decider, desk())
    kind, data = said(decider.ask(command(GET, {"id": registered}, sender=OWNER)))
    assert (kind, rules(data)) == ("user.get.rejected.v1", [("user.not-found", "data.id")])


def test_id_is_taken_as_people_write_it(decider: Decider, known: str) -> None:
    given = known.lower().replace("-", "")
    assert said(decider.ask(get(known, given)))[1]["id"] == known


def test_registration_writes_new_documents_only(decider: Decider) -> None:
    (outcome,) = decider.decide(desk(claims=CLAIMS, account_key_hash=KEY_HASH))
    puts = [write for write in outcome.writes if isinstance(write, Put)]
    assert {put.expected for put in puts} == {None}
    assert [put.collection for put in puts] == [
        "users", *["claims"] * len(CLAIMS), "accounts", "accounts", "history", "inbox", "directory",
        "tokens", "tokens",
    ]  # fmt: skip
