"""How a provisional user is confirmed or rejected: by whose evidence, or by an operator."""

from datetime import timedelta
from typing import Any, Final, get_args
from uuid import uuid4

import pytest

from contracts.confirmation import Scheme
from contracts.messages import Role
from contracts.requirements import EVIDENCE, REQUIRED
from handlers import edges
from handlers.decision import Guard, Secret
from handlers.edges import recorded
from handlers.evidence import GROUP_OF, SIGNIFICANT
from handlers.spans import PAGE
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, command, issued, user, user_document
from tests.decider import Decider, events, reply, rules, said

VERIFIER: Final = issued("USR", 5000)
OTHER: Final = issued("USR", 6000)
"""Another verifier."""
ABSENT: Final = issued("USR", 9000)
WHOLE: Final[dict[str, Any]] = {
    "claims": {"company_number": "01234567", "vat_number": "GB980780684"},
    "address": {"postcode": "SW1A 1AA"},
    "contacts": Secret([{"name": "Desk", "purpose": "general", "phone": "+442079460000"}]),
    "bank": Secret({"account_name": "Example"}),
}
"""What an FSP has to tell, as it is kept."""
SOURCE: Final = "Companies House, as read by Bo Clerk"


@pytest.fixture
def decider() -> Decider:
    found = Decider()
    for one in (VERIFIER, OTHER):
        found.documents["users", one] = user_document(one, roles=["verifier"], status="confirmed")
    found.documents["users", PLATFORM] = user_document(**WHOLE)
    return found


def send(decider: Decider, kind: str, sender: str = "operator", **data: Any) -> Any:
    (outcome,) = decider.decide(
        command(f"user.{kind}.v1", {"id": PLATFORM} | data, sender=sender, id=str(uuid4()))
    )
    return outcome


def codes(outcome: Any) -> list[tuple[str, str]]:
    kind, data = reply(outcome)
    assert ".rejected." in kind, data
    assert [write.collection for write in outcome.writes] == ["inbox"]
    return rules(data)


def dry(decider: Decider, kind: str, sender: str = "operator", **data: Any) -> tuple[str, Any]:
    given = {"id": PLATFORM} | data
    asked = command(f"user.{kind}.check.v1", given, sender=sender, id=str(uuid4()))
    return said(decider.ask(asked))


def evidence(**changes: Any) -> dict[str, Any]:
    return {
        "expected_revision": 1,
        "scheme": "company_number",
        "verdict": "match",
        "source": SOURCE,
        "evidence_at": "2026-02-28T12:00:00Z",
    } | changes


def attest(decider: Decider, sender: str = VERIFIER, **changes: Any) -> Any:
    current = decider.documents.get(("users", changes.get("id", PLATFORM)))
    revision = current["revision"] if current is not None else 1
    return send(decider, "attest", sender, **evidence(**{"expected_revision": revision} | changes))


def status(decider: Decider, of: str = PLATFORM) -> str:
    return str((decider.documents["users", of] or {})["status"])


def change(decider: Decider, of: str = PLATFORM, **fields: Any) -> None:
    decider.documents["users", of] = {**(decider.documents["users", of] or {}), **fields}


# By an operator.


def test_an_operator_confirms_whatever_there_is(decider: Decider) -> None:
    change(decider, contacts=None, bank=None)
    decider.now += timedelta(days=1)
    outcome = send(decider, "confirm")
    kind, data = reply(outcome)
    document = decider.documents["users", PLATFORM] or {}
    assert (kind, data["status"], data["revision"]) == ("user.confirm.accepted.v1", "confirmed", 2)
    assert (document["status"], document["status_at"]) == ("confirmed", NOW + timedelta(days=1))
    assert document["registered_at"] == NOW
    assert events(outcome) == [
        (
            "user.confirmed.v1",
            {
                "id": PLATFORM,
                "revision": 2,
                "status": "confirmed",
                "by": "operator",
                "grounds": "operator",
            },
        )
    ]
    (told,) = decider.consequences([outcome])
    assert (told.recipient, told.type) == (PLATFORM, "user.confirmed.v1")
    again = send(decider, "confirm")
    assert (reply(again)[1]["revision"], events(again)) == (2, [])


def test_an_operator_confirms_what_it_has_looked_at(decider: Decider) -> None:
    """Meanwhile the user has called itself otherwise: the operator looks again."""
    update = {"id": PLATFORM, "name": "Somebody Else Ltd"}
    decider.decide(command("user.update.v1", update, sender=PLATFORM, id=str(uuid4())))
    outcome = send(decider, "confirm", expected_revision=1)
    (finding,) = reply(outcome)[1]["findings"]
    assert (finding["rule"], finding["field"]) == ("user.stale", "data.expected_revision")
    assert "2 (changed since yours: name)" in finding["expected"]
    assert status(decider) == "provisional"
    assert reply(send(decider, "confirm", expected_revision=2))[1]["status"] == "confirmed"
    # Done is done, whatever it is that was looked at.
    assert reply(send(decider, "confirm", expected_revision=1))[1]["revision"] == 3


def test_a_rejection_has_its_reason_and_its_note_stays_sealed(decider: Decider) -> None:
    given = command(
        "user.register.v1",
        user(claims={"mpid": "EELC"}, address={"postcode": "N1 1AA"}, account_key_hash="A" * 48),
        sender="front-desk",
        id=str(uuid4()),
    )
    one = str(reply(decider.decide(given)[0])[1]["id"])
    assert len(decider.of("claims")) == 2
    outcome = send(decider, "reject", id=one, reason="identity", note="Mr Smith called")
    document = decider.documents["users", one] or {}
    assert (document["status"], document["status_at"]) == ("rejected", NOW)
    assert (document["rejection"], document["rejection_note"]) == (
        "identity",
        Secret("Mr Smith called"),
    )
    (event,) = events(outcome)
    assert event == (
        "user.rejected.v1",
        {"id": one, "revision": 2, "status": "rejected", "by": "operator", "reason": "identity"},
    )
    assert all(b"Smith" not in letter.body for letter in outcome.letters)
    assert [row["state"] for row in decider.of("accounts")] == ["ended", "ended"]
    assert not any("key_hash" in row for row in decider.of("accounts"))
    # What it claimed is free for whoever it belongs to.
    assert not any(decider.of("claims"))
    again = send(decider, "reject", id=one, reason="other")
    assert (reply(again)[1]["revision"], events(again)) == (2, [])


@pytest.mark.parametrize(
    ("kind", "was", "code"),
    [
        ("confirm", "suspended", "user.not-provisional"),
        ("confirm", "rejected", "user.not-provisional"),
        ("confirm", "retired", "user.not-provisional"),
        ("reject", "confirmed", "user.not-provisional"),
        ("reject", "suspended", "user.not-provisional"),
        ("reject", "retired", "user.not-provisional"),
        ("confirm", None, "user.not-found"),
        ("reject", None, "user.not-found"),
    ],
)
def test_wrong_states_are_named(decider: Decider, kind: str, was: str | None, code: str) -> None:
    if was is None:
        del decider.documents["users", PLATFORM]
    else:
        change(decider, status=was)
    more = {"reason": "other"} if kind == "reject" else {}
    assert rules(dry(decider, kind, **more)[1]) == [(code, "data.id")]
    assert codes(send(decider, kind, **more)) == [(code, "data.id")]


@pytest.mark.parametrize(
    ("kind", "more"),
    [("confirm", {}), ("reject", {"reason": "other"}), ("grant-role", {"roles": ["so"]})],
)
def test_only_confirmed_operators_decide(decider: Decider, kind: str, more: Any) -> None:
    assert codes(send(decider, kind, STRANGER, **more)) == [("sender.role", "type")]
    change(decider, STRANGER, roles=["operator"])
    assert codes(send(decider, kind, STRANGER, **more)) == [("sender.provisional", "source")]
    change(decider, STRANGER, status="confirmed")
    assert dry(decider, kind, STRANGER, **more) == (
        f"user.{kind}.check.accepted.v1",
        {"id": PLATFORM, "verdict": "acceptable"},
    )
    assert (decider.documents["users", PLATFORM] or {})["revision"] == 1
    assert reply(send(decider, kind, STRANGER, **more))[0] == f"user.{kind}.accepted.v1"


@pytest.mark.parametrize(
    ("kind", "data", "answer"),
    [
        ("user.get.v1", {"id": PLATFORM}, "user.not-found"),
        ("user.history.v1", {"id": PLATFORM}, "user.not-found"),
        ("user.translate.v1", {"ids": [PLATFORM], "asserter": OTHER}, "link.not-yours"),
        ("user.update.v1", {"id": PLATFORM, "name": "Mine Ltd"}, "user.not-found"),
        ("user.retire.v1", {"id": PLATFORM}, "user.not-found"),
        ("user.erase.v1", {"id": PLATFORM, "confirm_id": PLATFORM}, "user.not-found"),
        ("user.link-id.v1", {"id": PLATFORM, "scheme": "own", "value": "1"}, "user.not-found"),
        ("account.set.v1", {"account": PLATFORM, "key_hash": "A" * 48}, "account.not-yours"),
        ("account.end.v1", {"account": PLATFORM}, "account.not-yours"),
        ("user.register.v1", user(), "user.on-behalf-missing"),
    ],
)
def test_who_is_granted_operator_is_none_before_its_confirmation(
    decider: Decider, kind: str, data: Any, answer: str
) -> None:
    change(decider, STRANGER, roles=["operator"])
    given = command(kind, data, sender=STRANGER, id=str(uuid4()))
    if kind in {"user.get.v1", "user.history.v1", "user.translate.v1"}:
        refused = said(decider.ask(given))[1]
    else:
        (outcome,) = decider.decide(given)
        refused = reply(outcome)[1]
    assert refused["code"] == answer


def test_who_is_granted_operator_grants_no_role_by_registering(decider: Decider) -> None:
    change(decider, STRANGER, roles=["operator"])
    data = user(roles=["fsp", "operator"])
    (outcome,) = decider.decide(
        command("user.register.v1", data, sender=STRANGER, id=str(uuid4()), onbehalfof="one")
    )
    given = reply(outcome)[1]
    assert (given["roles"], given["roles_requested"]) == (["fsp"], ["operator"])


# Roles.


def test_roles_are_granted_with_what_a_system_operator_does(decider: Decider) -> None:
    change(decider, roles_requested=["mo", "so"])
    outcome = send(decider, "grant-role", roles=["so", "mpp"], sub_roles=["planning", "dispatch"])
    document = decider.documents["users", PLATFORM] or {}
    kept = (document["roles"], document["roles_requested"], document["sub_roles"])
    assert kept == (["fsp", "mpp", "so"], ["mo"], ["dispatch", "planning"])
    answer = {
        "id": PLATFORM,
        "status": "provisional",
        "revision": 2,
        "roles": ["fsp", "mpp", "so"],
        "sub_roles": ["dispatch", "planning"],
        "roles_requested": ["mo"],
    }
    assert reply(outcome) == ("user.grant-role.accepted.v1", answer)
    (event,) = events(outcome)
    told = {n: v for n, v in answer.items() if n != "roles_requested"} | {"by": "operator"}
    assert event == ("user.roles-granted.v1", told)
    assert [one.recipient for one in decider.consequences([outcome])] == [PLATFORM]
    shown = said(decider.ask(command("user.get.v1", {"id": PLATFORM}, id="get")))[1]
    assert shown["sub_roles"] == ["dispatch", "planning"]
    again = send(decider, "grant-role", roles=["so"])
    assert (reply(again)[1]["revision"], events(again)) == (2, [])


@pytest.mark.parametrize(
    ("changes", "was", "found"),
    [
        ({"sub_roles": ["planning"]}, {}, ("user.sub-role", "data.sub_roles")),
        ({"roles": ["front-desk"]}, {}, ("user.role-reserved", "data.roles")),
        ({"roles": ["so"]}, {"status": "retired"}, ("user.not-active", "data.id")),
        ({"roles": ["so"]}, {"status": "suspended"}, ("user.not-active", "data.id")),
        ({"roles": ["so"], "id": ABSENT}, {}, ("user.not-found", "data.id")),
        (
            {"roles": ["so"], "expected_revision": 1},
            {"revision": 2},
            ("user.stale", "data.expected_revision"),
        ),
    ],
)
def test_what_cannot_be_granted_is_refused(
    decider: Decider, changes: Any, was: Any, found: tuple[str, str]
) -> None:
    change(decider, **was)
    assert rules(dry(decider, "grant-role", **changes)[1]) == [found]
    assert codes(send(decider, "grant-role", **changes)) == [found]


def test_a_confirmed_user_stays_so_with_another_role(decider: Decider) -> None:
    change(decider, status="confirmed")
    send(decider, "grant-role", roles=["so"])
    assert status(decider) == "confirmed"


# By evidence.


def test_a_match_completes_the_proof_and_confirms_in_the_same_decision(decider: Decider) -> None:
    assert dry(decider, "attest", VERIFIER, **evidence())[0] == "user.attest.check.accepted.v1"
    assert decider.of("evidence") == []
    outcome = attest(decider)
    assert reply(outcome) == (
        "user.attest.accepted.v1",
        {
            "id": PLATFORM,
            "scheme": "company_number",
            "verdict": "match",
            "evidence_at": "2026-02-28T12:00:00Z",
            "status": "confirmed",
            "revision": 2,
        },
    )
    assert [name for name, _ in events(outcome)] == ["user.attested.v1", "user.confirmed.v1"]
    confirmed = dict(events(outcome))["user.confirmed.v1"]
    assert (confirmed["grounds"], confirmed["by"]) == ("evidence", VERIFIER)
    (row,) = decider.of("evidence")
    assert row["_id"] == f"{PLATFORM}/company_number/{VERIFIER}"
    assert (row["user"], row["verifier"], row["at"], row["verdict"]) == (
        PLATFORM,
        VERIFIER,
        NOW,
        "match",
    )
    assert row["source"] == Secret(SOURCE)
    assert not {SOURCE, "01234567"} & set(map(str, row.values()))
    assert all(b"Clerk" not in letter.body for letter in outcome.letters)
    assert [row["by"] for row in decider.of("history")] == [VERIFIER]
    told = [(one.recipient, one.type) for one in decider.consequences([outcome])]
    assert told == [(PLATFORM, "user.attested.v1"), (PLATFORM, "user.confirmed.v1")]


def test_the_same_again_makes_no_event_and_another_takes_its_place(decider: Decider) -> None:
    attest(decider, verdict="unknown")
    again = attest(decider, verdict="unknown")
    assert (reply(again)[0], events(again)) == ("user.attest.accepted.v1", [])
    assert status(decider) == "provisional"
    attest(decider)
    (row,) = decider.of("evidence")
    assert (row["revision"], row["verdict"], status(decider)) == (2, "match", "confirmed")
    # The confirmation has made it another revision; what was looked at is the same.
    once_more = attest(decider, expected_revision=1)
    assert (reply(once_more)[1]["status"], events(once_more)) == ("confirmed", [])
    change(decider, name="Somebody Else Ltd", revision=3)
    assert codes(attest(decider, expected_revision=1)) == [("user.stale", "data.expected_revision")]


@pytest.mark.parametrize("order", [("match", "mismatch"), ("mismatch", "match")])
def test_a_mismatch_never_confirms_and_is_told(decider: Decider, order: tuple[str, str]) -> None:
    """Two verifiers say different things of one that is not complete yet."""
    change(decider, contacts=None)
    for verdict, verifier in zip(order, (VERIFIER, OTHER), strict=True):
        outcome = attest(decider, verifier, verdict=verdict)
        (told,) = decider.consequences([outcome])
        assert (told.recipient, said(told)[1]["verdict"]) == (PLATFORM, verdict)
        assert events(outcome)[0][1]["verdict"] == verdict
    change(decider, contacts=WHOLE["contacts"])
    attest(decider, scheme="vat_number")
    assert status(decider) == "provisional"
    # The one who was wrong says so.
    wrong = OTHER if order[1] == "mismatch" else VERIFIER
    attest(decider, wrong)
    assert status(decider) == "confirmed"


def test_what_is_not_written_is_guarded(decider: Decider) -> None:
    outcome = attest(decider, verdict="unknown")
    assert outcome.guards == (Guard("users", user_document(**WHOLE)),)
    assert attest(decider).guards == ()


def test_evidence_waits_for_what_the_role_requires(decider: Decider) -> None:
    for group in ("address", "contacts", "bank"):
        decider.documents["users", PLATFORM] = user_document(**{**WHOLE, group: None})
        attest(decider)
        assert status(decider) == "provisional", group
    whole = {"bank": {"account_name": "Example"}}
    given = command("user.update.v1", {"id": PLATFORM, **whole}, id="completes")
    (outcome,) = decider.decide(given)
    assert [name for name, _ in events(outcome)] == ["user.updated.v1", "user.confirmed.v1"]
    assert status(decider) == "confirmed"


def test_every_role_must_be_proven(decider: Decider) -> None:
    more: dict[str, Any] = {
        "profile": {"areas": ["_A"]},
        "claims": {**WHOLE["claims"], "eic": "10X1001A1001A38Y"},
    }
    change(decider, roles=["fsp", "so"], **more)
    attest(decider)
    assert status(decider) == "provisional"
    attest(decider, OTHER, scheme="eic")
    assert status(decider) == "confirmed"


@pytest.mark.parametrize("roles", [[], ["fsp", "verifier"], ["operator"]])
def test_roles_that_nothing_proves_are_an_operators_to_confirm(
    decider: Decider, roles: list[str]
) -> None:
    change(decider, roles=roles)
    attest(decider)
    assert status(decider) == "provisional"


@pytest.mark.parametrize(
    ("changes", "after"),
    [
        ({"name": "Another Ltd"}, "provisional"),
        ({"name": "EXAMPLE POWER LIMITED"}, "confirmed"),
        ({"claims": {"company_number": "07654321"}}, "provisional"),
        ({"claims": {"company_number": None}}, "provisional"),
        ({"claims": {"vat_number": None}}, "confirmed"),
        ({"address": {"postcode": "N1 1AA"}}, "confirmed"),
        ({"contacts": None}, "confirmed"),
    ],
)
def test_a_change_of_who_one_is_asks_for_evidence_anew(
    decider: Decider, changes: Any, after: str
) -> None:
    attest(decider)
    decider.now += timedelta(days=1)
    given = command("user.update.v1", {"id": PLATFORM, **changes}, id="changes")
    (outcome,) = decider.decide(given)
    document = decider.documents["users", PLATFORM] or {}
    assert (document["status"], document["status_at"] > NOW) == (after, after == "provisional")
    ((name, data),) = events(outcome)
    assert (name, data["status"]) == ("user.updated.v1", after)
    if after == "provisional":
        # What is back as it was is proven as it was.
        back = {"name": "Example Power Ltd", "claims": {"company_number": "01234567"}}
        decider.decide(command("user.update.v1", {"id": PLATFORM, **back}, id="back"))
        assert status(decider) == "confirmed"


def test_whom_an_operator_confirmed_is_provisional_again_with_another_name(
    decider: Decider,
) -> None:
    send(decider, "confirm")
    decider.decide(command("user.update.v1", {"id": PLATFORM, "name": "Another"}, id="changes"))
    assert status(decider) == "provisional"


def test_all_that_was_said_is_weighed(decider: Decider) -> None:
    """More verifiers than a page has rows; the one who contradicts is on the second."""
    change(decider, contacts=None)
    attest(decider)
    (row,) = decider.of("evidence")
    for number in range(PAGE + 10):
        verdict = "mismatch" if number == PAGE + 9 else "match"
        key = f"{PLATFORM}/company_number/USR-{number:04d}"
        decider.documents["evidence", key] = {**row, "_id": key, "verdict": verdict}
    change(decider, contacts=WHOLE["contacts"])
    attest(decider, scheme="vat_number")
    assert status(decider) == "provisional"


# Who may attest, and what.


def test_evidence_of_what_has_changed_meanwhile_is_refused(decider: Decider) -> None:
    """Else one could be attested a number that it gives after the verifier has looked."""
    decider.decide(
        command(
            "user.update.v1", {"id": PLATFORM, "claims": {"company_number": "7654321"}}, id="swap"
        )
    )
    outcome = attest(decider, expected_revision=1)
    assert codes(outcome) == [("user.stale", "data.expected_revision")]
    (finding,) = reply(outcome)[1]["findings"]
    assert "changed since yours: claims" in finding["expected"]


def test_only_confirmed_verifiers_attest(decider: Decider) -> None:
    assert codes(attest(decider, STRANGER)) == [("sender.role", "type")]
    change(decider, VERIFIER, status="provisional")
    assert codes(attest(decider)) == [("sender.provisional", "source")]
    asked = command("user.get.v1", {"id": PLATFORM}, sender=VERIFIER, id="get")
    assert said(decider.ask(asked))[0] == "user.get.rejected.v1"


@pytest.mark.parametrize("kind", ["person", "suspended", "rejected", "retired"])
def test_a_verifier_knows_of_no_person_and_of_nobody_who_takes_no_part(
    decider: Decider, kind: str
) -> None:
    change(decider, **({"kind": kind} if kind == "person" else {"status": kind}))
    hidden = reply(attest(decider))[1]
    missing = reply(attest(decider, id=ABSENT))[1]
    assert rules(hidden) == [("user.not-found", "data.id")]
    assert str(hidden).replace(PLATFORM, "…") == str(missing).replace(ABSENT, "…")


def test_a_verifier_reads_name_claims_and_address_of_an_organisation(decider: Decider) -> None:
    asked = command("user.get.v1", {"id": PLATFORM}, sender=VERIFIER, id="get")
    _, data = said(decider.ask(asked))
    assert data.keys() == {
        "id", "status", "status_at", "revision", "kind", "roles", "sub_roles", "masked",
        "name", "claims", "address",
    }  # fmt: skip
    assert data["masked"] == []


def test_nobody_vouches_for_itself_or_for_whom_it_acts(decider: Decider) -> None:
    assert codes(attest(decider, id=VERIFIER, scheme="identity")) == [("user.not-yours", "data.id")]
    change(decider, OWNER, registrant=VERIFIER)
    assert codes(attest(decider, id=OWNER, scheme="identity")) == [("user.not-yours", "data.id")]
    tie = {"as": "delegate", "from": NOW, "until": None}
    row = recorded(PLATFORM, VERIFIER, [tie])
    decider.documents["relations", row["_id"]] = row
    assert codes(attest(decider)) == [("user.not-yours", "data.id")]


# The tables.


def test_every_scheme_of_a_rule_rests_on_what_asks_the_question_anew() -> None:
    assert GROUP_OF.keys() == set(get_args(Scheme))
    used = {scheme for sets in EVIDENCE.values() for one in sets for scheme in one}
    assert {GROUP_OF[scheme] for scheme in used} <= SIGNIFICANT


def test_every_role_of_the_market_has_its_rows() -> None:
    roles = set(get_args(Role)) - {"front-desk"}
    assert EVIDENCE.keys() == REQUIRED.keys() == roles


def test_what_others_share_counts_for_the_confirmed_alone(
    decider: Decider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relation of that kind, as a recorded tie: nothing to a provisional user."""
    monkeypatch.setattr(edges, "UNPROVEN", frozenset({"delegate"}))
    tie = {"as": "delegate", "from": NOW, "until": None}
    row = recorded(PLATFORM, STRANGER, [tie])
    decider.documents["relations", row["_id"]] = row
    for status, kind in (("provisional", "rejected"), ("confirmed", "accepted")):
        change(decider, STRANGER, status=status)
        asked = command("user.get.v1", {"id": PLATFORM}, sender=STRANGER, id="get")
        assert said(decider.ask(asked))[0] == f"user.get.{kind}.v1"


def test_with_a_profile_an_organisation_is_known_by_name(decider: Decider) -> None:
    asked = command("user.get.v1", {"id": PLATFORM}, sender=STRANGER, id="get")
    assert said(decider.ask(asked))[0] == "user.get.rejected.v1"
    profile = {"areas": ["_A"], "services": ["DC"]}
    change(decider, profile=profile)
    _, data = said(decider.ask(asked))
    assert data.keys() == {
        "id", "status", "status_at", "revision", "kind", "roles", "sub_roles", "masked",
        "name", "profile",
    }  # fmt: skip
    assert data["profile"] == profile
    for hidden in ({"kind": "person"}, {"status": "rejected"}):
        change(decider, **{"kind": "organisation", "status": "provisional"} | hidden)
        assert said(decider.ask(asked))[0] == "user.get.rejected.v1"
