"""How a user's record changes: who may, what is kept of it, what it claims, and who is told."""

from typing import Any, Final
from uuid import uuid4

import pytest

from handlers.decision import Secret
from handlers.edges import recorded
from handlers.groups import GIVEN, SEALED, opened
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, command, issued, user, user_document
from tests.decider import Decider, events, reply, rules, said

UPDATE: Final = "user.update.v1"
DELEGATE: Final = issued("USR", 5000)
GROUPS: Final[dict[str, Any]] = {
    "name": "Ada Example",
    "claims": {"mpid": "EELC"},
    "address": {"town": "Exampleton", "postcode": "sw1a1aa"},
    "contacts": [{"name": "Bo Desk", "email": "bo@example.com"}],
    "bank": {"account_name": "Ada Example", "account_number": "12345678"},
    "insurance": {"insurer": "Acme Mutual", "reference": "P-77", "cover_gbp": 5_000_000},
    "accreditation": [{"scheme": "ISO 27001", "valid_until": "2030-01-01"}],
    "profile": {"areas": ["_A"], "services": ["DC"]},
}
NEVER: Final = ("Bo Desk", "12345678", "P-77")
"""Values that nobody keeps in clear, whoever the user is."""


@pytest.fixture
def decider() -> Decider:
    found = Decider()
    found.documents["users", DELEGATE] = user_document(DELEGATE)
    tie = {"as": "delegate", "from": NOW, "until": None}
    row = recorded(PLATFORM, DELEGATE, [tie])
    found.documents["relations", row["_id"]] = row
    return found


def send(decider: Decider, sender: str = PLATFORM, /, kind: str = UPDATE, **data: Any) -> Any:
    (outcome,) = decider.decide(command(kind, {"id": PLATFORM} | data, sender=sender, id=_id()))
    return outcome


def _id() -> str:
    return str(uuid4())


def accepted(decider: Decider, sender: str = PLATFORM, /, **data: Any) -> Any:
    outcome = send(decider, sender, **data)
    kind, answer = reply(outcome)
    assert ".accepted." in kind, answer
    return outcome


def refused(decider: Decider, sender: str = PLATFORM, /, **data: Any) -> list[tuple[str, str]]:
    """Rules and fields of a refusal, which is found by the check as well and changes nothing."""
    before = kept(decider)
    outcome = send(decider, sender, **data)
    kind, answer = reply(outcome)
    assert kind == "user.update.rejected.v1", answer
    assert kept(decider) == before
    kind, dry = said(decider.ask(command("user.update.check.v1", {"id": PLATFORM} | data,
                                         sender=sender, id=_id())))  # fmt: skip
    assert (kind, rules(dry)) == ("user.update.check.rejected.v1", rules(answer))
    return rules(answer)


def kept(decider: Decider) -> dict[tuple[str, Any], Any]:
    """All documents but the answers that are remembered."""
    return {key: row for key, row in decider.documents.items() if key[0] != "inbox"}


def register(decider: Decider, **data: Any) -> str:
    given = command("user.register.v1", user(**data), sender="front-desk", id=_id())
    kind, answer = reply(decider.decide(given)[0])
    assert kind == "user.register.accepted.v1", answer
    return str(answer["id"])


# What changes.


@pytest.mark.parametrize("kind", ["organisation", "person"])
def test_groups_are_merged_and_kept_as_a_registration_keeps_them(
    decider: Decider, kind: str
) -> None:
    decider.documents["users", PLATFORM] = user_document(kind=kind)
    outcome = accepted(decider, **GROUPS)
    document = decider.documents["users", PLATFORM]
    assert document is not None
    secret = set(GIVEN) if kind == "person" else SEALED
    assert {n for n, v in document.items() if isinstance(v, Secret)} == secret & set(GIVEN)
    assert opened(document)["address"] == {"town": "Exampleton", "postcode": "SW1A 1AA"}
    assert all(word not in repr(document) for word in NEVER)
    assert (document["revision"], document["updated_at"]) == (2, NOW)
    assert reply(outcome)[1] == {
        "id": PLATFORM,
        "status": "provisional",
        "status_at": "2026-03-01T12:00:00Z",
        "revision": 2,
    }
    assert events(outcome) == [
        (
            "user.updated.v1",
            {
                "id": PLATFORM,
                "revision": 2,
                "status": "provisional",
                "by": PLATFORM,
                "changed": sorted(GROUPS),
            },
        )
    ]
    (row,) = decider.of("history")
    assert (row["by"], set(row["values"])) == (PLATFORM, set(GROUPS))
    assert all(word not in repr(row) for word in NEVER)
    # The rest stays; null clears a field, and an empty list its group.
    accepted(decider, address={"town": None}, accreditation=[], bank=None)
    after = opened(decider.documents["users", PLATFORM] or {})
    assert after["address"] == {"postcode": "SW1A 1AA"}
    assert (after["name"], "accreditation" in after, "bank" in after) == (
        "Ada Example",
        False,
        False,
    )


def test_what_changes_nothing_is_accepted_and_makes_no_event(decider: Decider) -> None:
    accepted(decider, **GROUPS)
    before = kept(decider)
    for data in ({}, GROUPS, {"address": {"postcode": "SW1A 1AA"}}, {"claims": {"lei": "N/A"}}):
        outcome = accepted(decider, **data)
        assert events(outcome) == []
        assert reply(outcome)[1]["revision"] == 2
    assert kept(decider) == before


def test_roles_that_are_asked_for_wait(decider: Decider) -> None:
    accepted(decider, roles_requested=["so", "mo", "fsp"])
    document = decider.documents["users", PLATFORM] or {}
    assert (document["roles"], document["roles_requested"]) == (["fsp"], ["mo", "so"])
    accepted(decider, roles_requested=None)
    assert (decider.documents["users", PLATFORM] or {})["roles_requested"] == []


# Who may.


@pytest.mark.parametrize("sender", [PLATFORM, DELEGATE, "operator"])
def test_the_user_its_delegate_and_an_operator_may(decider: Decider, sender: str) -> None:
    outcome = accepted(decider, sender, name="Two")
    told = {one.recipient: said(one)[1] for one in decider.consequences([outcome])}
    assert told.keys() == {PLATFORM, DELEGATE} - {sender}
    assert all(data["changed"] == ["name"] for data in told.values())


def test_whoever_may_not_write_a_group_is_told_its_name(decider: Decider) -> None:
    more = {"contacts": GROUPS["contacts"], "name": "Two"}
    assert refused(decider, "operator", **more) == [("user.not-yours", "data.contacts")]
    assert refused(decider, DELEGATE, bank=GROUPS["bank"]) == [("user.not-yours", "data.bank")]


def test_a_registrant_whose_mandate_has_ended_reads_and_does_not_write(decider: Decider) -> None:
    decider.documents["users", OWNER] = user_document(OWNER, registrant=PLATFORM)
    assert refused(decider, id=OWNER, name="Two") == [("user.not-yours", "data.name")]


@pytest.mark.parametrize("status", ["suspended", "rejected", "retired"])
def test_whoever_takes_no_part_is_not_changed(decider: Decider, status: str) -> None:
    decider.documents["users", PLATFORM] = user_document(status=status)
    assert refused(decider, "operator", name="Two") == [("user.not-active", "data.id")]


# What is wrong with it.


def test_a_stale_revision_is_told_what_has_changed_as_far_as_one_may_see(
    decider: Decider,
) -> None:
    accepted(decider, bank=GROUPS["bank"], name="Two")
    for sender, names in ((PLATFORM, "bank, name"), (DELEGATE, "name")):
        data: dict[str, Any] = {"expected_revision": 1, "address": {"town": "Two"}}
        assert refused(decider, sender, **data) == [("user.stale", "data.expected_revision")]
        (finding,) = reply(send(decider, sender, **data))[1]["findings"]
        told = f"the current revision, 2 (changed since yours: {names})"
        assert (finding["expected"], finding["got"]) == (told, "1")
    accepted(decider, expected_revision=2, address={"town": "Two"})


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ({"contacts": [{"name": "A"}]}, ("user.unreachable", "data.contacts.0")),
        ({"roles_requested": ["front-desk"]}, ("user.role-reserved", "data.roles_requested")),
        ({"name": None}, ("value.text", "data.name")),
        ({"profile": {"areas": ["_Z"]}}, ("gsp-group.unknown", "data.profile.areas.0")),
        ({"hobby": "chess"}, ("field.unknown", "data.hobby")),
    ],
)
def test_values_are_refused_by_their_rules(
    decider: Decider, data: dict[str, Any], found: tuple[str, str]
) -> None:
    assert refused(decider, **data) == [found]


# What it claims.


def test_a_new_claim_is_held_and_the_old_one_is_free(decider: Decider) -> None:
    first = register(decider, claims={"mpid": "EELC"})
    accepted(decider, first, id=first, claims={"mpid": "AAAA"})
    (claim,) = decider.of("claims")
    assert claim["holder"] == first
    second = register(decider, claims={"mpid": "EELC"})
    assert {row["holder"] for row in decider.of("claims")} == {first, second}
    accepted(decider, second, id=second, claims=None)
    assert len(decider.of("claims")) == 1
    (row,) = [r for r in decider.of("history") if r["_id"].startswith(second) and r["revision"] > 1]
    assert (row["values"], row["removed"]) == ({}, ["claims"])


def test_a_claim_of_another_is_refused_and_its_holder_is_told(decider: Decider) -> None:
    holder = register(decider, claims={"mpid": "EELC"})
    outcome = send(decider, claims={"mpid": "eelc"})
    kind, data = reply(outcome)
    assert (kind, rules(data)) == (
        "user.update.rejected.v1",
        [("user.duplicate", "data.claims.mpid")],
    )
    assert data["findings"][0]["got"] == ""
    (told,) = decider.consequences([outcome])
    assert (told.recipient, told.type) == (holder, "user.duplicate-attempted.v1")
    assert PLATFORM not in told.body.decode()
    # A check is no oracle, and no attempt.
    given = command("user.update.check.v1", {"id": PLATFORM, "claims": {"mpid": "EELC"}}, id=_id())
    assert said(decider.ask(given))[0] == "user.update.check.accepted.v1"


def test_two_in_one_batch_cannot_both_have_a_claim(decider: Decider) -> None:
    wish = {"claims": {"mpid": "EELC"}}
    outcomes = decider.decide(
        command(UPDATE, {"id": PLATFORM, **wish}, id="one"),
        command(UPDATE, {"id": STRANGER, **wish}, sender=STRANGER, id="two"),
    )
    assert [outcome.kind for outcome in outcomes] == ["accepted", "rejected"]


# Without an identifier: name and postcode.

PLACE: Final = {"postcode": "SW1A 1AA"}


@pytest.mark.parametrize(
    ("name", "is_same"),
    [
        ("Example Power Ltd", True),
        ("EXAMPLE POWER LIMITED", True),
        ("The Example Power P.L.C.", True),
        ("Example  Power", True),
        ("Example Power UK Ltd", False),
        ("Example Power (UK) Ltd", False),
        ("Example Power Co Ltd", False),
        ("Example Power Two Ltd", False),
    ],
)
def test_the_same_name_at_the_same_place_is_refused_for_review(
    decider: Decider, name: str, *, is_same: bool
) -> None:
    holder = register(decider, name="Example Power Ltd", address=PLACE)
    given = command(
        "user.register.v1", user(name=name, address=PLACE), sender="front-desk", id=_id()
    )
    (outcome,) = decider.decide(given)
    kind, data = reply(outcome)
    if not is_same:
        assert kind == "user.register.accepted.v1"
        return
    assert (kind, rules(data)) == ("user.register.rejected.v1", [("user.duplicate", "data.name")])
    assert holder not in str(data)
    assert [name for name, _ in events(outcome)] == ["user.duplicate-attempted.v1"]
    check = command(
        "user.register.check.v1", user(name=name, address=PLACE), sender="front-desk", id=_id()
    )
    assert said(decider.ask(check))[0] == "user.register.check.accepted.v1"


def test_two_with_identifiers_of_their_own_share_name_and_place(decider: Decider) -> None:
    first = register(decider, address=PLACE, claims={"mpid": "EELC"})
    second = register(decider, address=PLACE, claims={"mpid": "AAAA"})
    assert first != second
    # Who takes its identifier away is one of two of the name, and refused.
    given = command(UPDATE, {"id": second, "claims": None}, sender=second, id=_id())
    _, data = reply(decider.decide(given)[0])
    assert rules(data) == [("user.duplicate", "data.name")]


def test_a_name_alone_shuts_nobody_out_who_has_an_identifier(decider: Decider) -> None:
    register(decider, address=PLACE)
    register(decider, address=PLACE, claims={"mpid": "EELC"})


def test_two_persons_may_share_a_name_and_a_place(decider: Decider) -> None:
    for _ in range(2):
        register(decider, kind="person", name="Ada Example", address=PLACE)
    assert decider.of("claims") == []


def test_the_claim_of_a_name_moves_with_it(decider: Decider) -> None:
    first = register(decider, address=PLACE)
    accepted(decider, first, id=first, name="Another Name")
    second = register(decider, address=PLACE)
    assert [row["holder"] for row in decider.of("claims")] == [first, second]
    # Back again it cannot: the name is another's by now.
    given = command(UPDATE, {"id": first, "name": "Example Power"}, sender=first, id=_id())
    _, data = reply(decider.decide(given)[0])
    assert rules(data) == [("user.duplicate", "data.name")]
