"""Agreements: published in versions, signed by hash, taken back, and needed for what says so."""

import itertools
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

import pytest

from contracts.taxonomy import FRONT_DESK, OPERATOR
from handlers.agreement_rules import WAYS_OUT
from handlers.case import Outcome
from handlers.conditions import CONDITIONS, NEEDED_MAX
from handlers.edges import edge
from handlers.spans import PAGE
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, command, issued, user, user_document
from tests.decider import ENTRIES, Decider, events, reply, rules, said

MARKET: Final = issued("USR", 5000)
SYSTEM: Final = issued("USR", 5100)
TEXTS: Final = ("Be honest.", "Be honest and on time.", "Be honest, on time and kind.")
HASHES: Final = tuple(sha256(text.encode()).hexdigest() for text in TEXTS)
NAME: Final = "market-terms"
GATED: Final = "trial.address.v1"
COUNT: Final = itertools.count()


@pytest.fixture
def decider() -> Decider:
    made = Decider()
    made.documents["users", MARKET] = user_document(MARKET, roles=["mo"], status="confirmed")
    made.documents["users", SYSTEM] = user_document(SYSTEM, roles=["so"], status="confirmed")
    return made


def ask(decider: Decider, kind: str, sender: str, /, **data: Any) -> Outcome:
    known = f"00000000-0000-4000-8000-{next(COUNT):012d}"
    (outcome,) = decider.decide(command(kind, data, sender=sender, id=known))
    return outcome


def question(
    decider: Decider, kind: str, sender: str, **data: Any
) -> tuple[str, Mapping[str, Any]]:
    known = f"00000000-0000-4000-9000-{next(COUNT):012d}"
    return said(decider.ask(command(kind, data, sender=sender, id=known)))


def publish(decider: Decider, version: int = 1, sender: str = MARKET, **changes: Any) -> Outcome:
    text = TEXTS[version - 1]
    data = {"id": NAME, "title": "Terms", "text": text, "sha256": HASHES[version - 1]}
    return ask(decider, "agreement.publish.v1", sender, **(data | changes))


def sign(decider: Decider, version: int = 1, sender: str = PLATFORM) -> Outcome:
    return ask(decider, "agreement.sign.v1", sender, id=NAME, sha256=HASHES[version - 1])


def address(decider: Decider, *to: str, sender: str = PLATFORM) -> Outcome:
    return ask(decider, GATED, sender, to=list(to))


def refused(outcome: Outcome) -> list[tuple[str, str]]:
    kind, data = reply(outcome)
    assert ".rejected." in kind, data
    assert [write.collection for write in outcome.writes] == ["inbox"]
    return rules(data)


def unchanged(outcome: Outcome) -> bool:
    return [write.collection for write in outcome.writes] == ["inbox"] and not events(outcome)


def told(decider: Decider, outcome: Outcome) -> list[tuple[str | None, str]]:
    return [(one.recipient, one.type) for one in decider.consequences([outcome])]


def test_a_market_publishes_and_anybody_reads_it(decider: Decider) -> None:
    outcome = publish(decider)
    kind, data = reply(outcome)
    assert kind == "agreement.publish.accepted.v1"
    assert (data["id"], data["version"], data["sha256"]) == (NAME, 1, HASHES[0])
    assert [kind for kind, _ in events(outcome)] == ["agreement.published.v1"]
    for reader in (PLATFORM, FRONT_DESK, OPERATOR):
        kind, data = question(decider, "agreement.get.v1", reader, id=NAME)
        assert kind == "agreement.get.accepted.v1"
        assert (data["text"], data["current"], data["publisher"]) == (TEXTS[0], 1, MARKET)
        assert data.get("signed") == (0 if reader == PLATFORM else None)


def test_every_version_stays_readable(decider: Decider) -> None:
    publish(decider)
    publish(decider, 2, text=None, url="https://example.com/terms")
    _, first = question(decider, "agreement.get.v1", PLATFORM, id=NAME, version=1)
    _, last = question(decider, "agreement.get.v1", PLATFORM, id=NAME)
    assert (first["version"], first["text"], first["current"]) == (1, TEXTS[0], 2)
    assert (last["version"], last["url"], "text" in last) == (2, "https://example.com/terms", False)
    for unknown in ({"id": NAME, "version": 3}, {"id": "none"}):
        kind, data = question(decider, "agreement.get.v1", PLATFORM, **unknown)
        assert (kind, rules(data)) == (
            "agreement.get.rejected.v1",
            [("agreement.not-found", "data.id")],
        )


def test_publishing_the_same_again_makes_no_version(decider: Decider) -> None:
    publish(decider)
    again = publish(decider)
    assert unchanged(again)
    assert reply(again)[1]["version"] == 1
    assert reply(publish(decider, title="Rules"))[1]["version"] == 2


@pytest.mark.parametrize("changes", [{"text": None}, {"url": "https://example.com/terms"}])
def test_a_text_is_held_in_one_place(decider: Decider, changes: dict[str, Any]) -> None:
    assert refused(publish(decider, **changes)) == [("field.type", "data")]


def test_a_text_has_its_hash(decider: Decider) -> None:
    outcome = publish(decider, sha256=HASHES[1])
    assert refused(outcome) == [("agreement.text-hash", "data.sha256")]
    assert HASHES[0] in reply(outcome)[1]["findings"][0]["expected"]


def test_only_its_publisher_or_an_operator_goes_on_with_a_name(decider: Decider) -> None:
    publish(decider)
    assert refused(publish(decider, 2, sender=SYSTEM)) == [("agreement.not-yours", "data.id")]
    assert refused(publish(decider, 2, sender=PLATFORM)) == [("sender.role", "type")]
    assert refused(publish(decider, 2, sender=issued("USR", 77))) == [("sender.unknown", "source")]
    _, data = reply(publish(decider, 2, sender=OPERATOR))
    assert (data["version"], data["publisher"]) == (2, MARKET)


def test_signing_is_by_the_hash_of_the_current_version(decider: Decider) -> None:
    publish(decider)
    wrong = sign(decider, 3)
    assert refused(wrong) == [("agreement.other-hash", "data.sha256")]
    outcome = sign(decider)
    kind, data = reply(outcome)
    assert (kind, data["version"], data["user"]) == ("agreement.sign.accepted.v1", 1, PLATFORM)
    assert told(decider, outcome) == [(MARKET, "agreement.signed.v1")]
    publish(decider, 2)
    late = sign(decider, 1)
    assert refused(late) == [("agreement.other-hash", "data.sha256")]
    expected = reply(late)[1]["findings"][0]["expected"]
    assert HASHES[1] in expected
    assert "version 2" in expected


def test_who_signs_a_newer_version_has_signed_both(decider: Decider) -> None:
    publish(decider)
    sign(decider)
    publish(decider, 2)
    sign(decider, 2)
    ties = decider.documents["relations", edge(NAME, PLATFORM)]["ties"]
    assert [(tie["version"], tie["sha256"], tie["until"]) for tie in ties] == [
        (1, HASHES[0], NOW),
        (2, HASHES[1], None),
    ]
    assert question(decider, "agreement.get.v1", PLATFORM, id=NAME)[1]["signed"] == 2


@pytest.mark.parametrize(
    ("stays", "kind"), [(False, "agreement.superseded.v1"), (True, "agreement.published.v1")]
)
def test_signers_are_told_of_a_new_version_and_what_asks_of_them_stays_open(
    decider: Decider,
    stays: bool,  # noqa: FBT001
    kind: str,
) -> None:
    publish(decider)
    sign(decider)
    sign(decider, sender=OWNER)
    sign(decider, sender=STRANGER)
    ask(decider, "agreement.revoke.v1", STRANGER, id=NAME)
    outcome = publish(decider, 2, older_stay_good=stays)
    assert told(decider, outcome) == [(PLATFORM, kind), (OWNER, kind)]
    notices = decider.of("notices")
    opened = [(n["recipient"], n["type"], n["subject"], n["state"]) for n in notices]
    assert opened == ([] if stays else [(r, kind, NAME, "open") for r in (PLATFORM, OWNER)])


@pytest.mark.parametrize(
    ("kind", "by"),
    [
        ("agreement.signed.v1", PLATFORM),
        ("agreement.revoked.v1", PLATFORM),
        ("agreement.withdrawn.v1", MARKET),
    ],
)
def test_what_asks_for_a_signature_is_closed_when_nothing_is_to_be_signed(
    decider: Decider, kind: str, by: str
) -> None:
    publish(decider)
    sign(decider)
    sign(decider, sender=OWNER)
    told(decider, publish(decider, 2))
    if kind == "agreement.signed.v1":
        outcome = sign(decider, 2)
    else:
        what = "agreement" if by == MARKET else "signature"
        outcome = ask(decider, "agreement.revoke.v1", by, id=NAME, what=what)
    told(decider, outcome)
    resolved = {n["recipient"]: n["resolved_by"] for n in decider.of("notices")}
    assert resolved == {PLATFORM: kind, OWNER: kind if by == MARKET else None}
    states = {n["recipient"]: n["state"] for n in decider.of("notices")}
    assert states == {r: "closed" if by else "open" for r, by in resolved.items()}


def test_what_was_told_of_an_agreement_is_told_again_while_it_is_signed(decider: Decider) -> None:
    publish(decider)
    sign(decider)
    told(decider, publish(decider, 2))
    again = ask(decider, "event.replay.v1", PLATFORM, from_sequence=1)
    kinds = [(one.type) for one in decider.consequences([again])]
    assert kinds == ["agreement.superseded.v1", "event.replay-ended.v1"]


def test_a_signature_is_taken_back(decider: Decider) -> None:
    publish(decider)
    sign(decider)
    outcome = ask(decider, "agreement.revoke.v1", PLATFORM, id=NAME)
    assert reply(outcome)[1] == {"id": NAME, "state": "published", "version": 0}
    assert told(decider, outcome) == [(MARKET, "agreement.revoked.v1")]
    assert unchanged(ask(decider, "agreement.revoke.v1", PLATFORM, id=NAME))
    assert question(decider, "agreement.get.v1", PLATFORM, id=NAME)[1]["signed"] == 0
    assert reply(sign(decider))[0] == "agreement.sign.accepted.v1"


def test_its_publisher_withdraws_it(decider: Decider) -> None:
    publish(decider)
    sign(decider)
    other = ask(decider, "agreement.revoke.v1", SYSTEM, id=NAME, what="agreement")
    assert refused(other) == [("agreement.not-yours", "data.id")]
    outcome = ask(decider, "agreement.revoke.v1", MARKET, id=NAME, what="agreement")
    assert reply(outcome)[1]["state"] == "withdrawn"
    assert told(decider, outcome) == [(PLATFORM, "agreement.withdrawn.v1")]
    assert unchanged(ask(decider, "agreement.revoke.v1", OPERATOR, id=NAME, what="agreement"))
    assert refused(sign(decider, sender=OWNER)) == [("agreement.withdrawn", "data.id")]
    assert reply(publish(decider))[1]["version"] == 2


def test_what_needs_an_agreement_is_refused_until_it_is_signed(decider: Decider) -> None:
    publish(decider, sender=OPERATOR, needed_for=[GATED])
    outcome = address(decider)
    assert refused(outcome) == [("agreement.unsigned", "type")]
    (found,) = reply(outcome)[1]["findings"]
    assert f"`{NAME}`" in found["expected"]
    assert HASHES[0] in found["expected"]
    check = question(decider, "trial.address.check.v1", PLATFORM, to=[])
    assert rules(check[1]) == [("agreement.unsigned", "type")]
    sign(decider)
    assert reply(address(decider))[0] == "trial.address.accepted.v1"
    assert question(decider, "trial.address.check.v1", PLATFORM, to=[])[0].endswith("accepted.v1")
    assert refused(address(decider, sender=STRANGER)) == [("agreement.unsigned", "type")]
    ask(decider, "agreement.revoke.v1", PLATFORM, id=NAME)
    assert refused(address(decider)) == [("agreement.unsigned", "type")]


def test_each_agreement_that_is_missing_is_named(decider: Decider) -> None:
    publish(decider, sender=OPERATOR, needed_for=[GATED])
    publish(decider, 2, sender=OPERATOR, id="grid-code", needed_for=[GATED])
    outcome = address(decider)
    assert refused(outcome) == [("agreement.unsigned", "type")] * 2
    named = [found["expected"] for found in reply(outcome)[1]["findings"]]
    assert ["`grid-code`" in named[0], "`market-terms`" in named[1]] == [True, True]
    sign(decider)
    assert len(refused(address(decider))) == 1


@pytest.mark.parametrize("stays", [True, False])
def test_a_new_version_has_to_be_signed_unless_older_signatures_stay_good(
    decider: Decider,
    stays: bool,  # noqa: FBT001
) -> None:
    publish(decider, sender=OPERATOR, needed_for=[GATED])
    sign(decider)
    publish(decider, 2, sender=OPERATOR, needed_for=[GATED], older_stay_good=stays)
    assert reply(address(decider))[0].endswith("accepted.v1" if stays else "rejected.v1")
    # Of a strict version after a mild one only the strict one counts.
    publish(decider, 3, sender=OPERATOR, needed_for=[GATED])
    assert refused(address(decider)) == [("agreement.unsigned", "type")]


def test_nothing_is_needed_any_more_when_the_next_version_or_its_publisher_says_so(
    decider: Decider,
) -> None:
    publish(decider, sender=OPERATOR, needed_for=[GATED])
    publish(decider, 2, sender=OPERATOR)
    assert reply(address(decider))[0] == "trial.address.accepted.v1"
    publish(decider, 3, sender=OPERATOR, needed_for=[GATED])
    assert refused(address(decider)) == [("agreement.unsigned", "type")]
    ask(decider, "agreement.revoke.v1", OPERATOR, id=NAME, what="agreement")
    assert reply(address(decider))[0] == "trial.address.accepted.v1"


def test_every_major_of_an_operation_needs_it(decider: Decider) -> None:
    publish(decider, sender=OPERATOR, needed_for=["trial.weigh.v2"])
    old = ask(decider, "trial.weigh.v1", PLATFORM, id="x", tons=1)
    new = ask(decider, "trial.weigh.v2", PLATFORM, id="x", mass_kg=1)
    assert refused(old) == refused(new) == [("agreement.unsigned", "type")]


def test_who_cannot_sign_needs_none(decider: Decider) -> None:
    publish(decider, sender=OPERATOR, needed_for=[GATED, "user.register.v1"])
    assert reply(address(decider, sender=OPERATOR))[0] == "trial.address.accepted.v1"
    desk = ask(decider, "user.register.v1", FRONT_DESK, **user())
    assert reply(desk)[0] == "user.register.accepted.v1"


def test_a_market_s_agreement_is_needed_by_those_who_address_it(decider: Decider) -> None:
    publish(decider, needed_for=[GATED])
    assert refused(address(decider, SYSTEM, MARKET)) == [("agreement.unsigned", "type")]
    assert reply(address(decider, SYSTEM))[0] == "trial.address.accepted.v1"
    sign(decider)
    assert reply(address(decider, MARKET))[0] == "trial.address.accepted.v1"


@pytest.mark.parametrize(
    ("sender", "wanted"),
    [
        (OPERATOR, "agreement.sign.v1"),
        (OPERATOR, "agreement.list.v1"),
        (OPERATOR, "user.suspend.v1"),
        (OPERATOR, "asset.vanish.v1"),
        (OPERATOR, "asset.registered.v1"),
        (MARKET, "asset.register.v1"),
    ],
)
def test_some_types_cannot_need_an_agreement(decider: Decider, sender: str, wanted: str) -> None:
    outcome = publish(decider, sender=sender, needed_for=[GATED, wanted])
    assert refused(outcome) == [("agreement.not-gateable", "data.needed_for.1")]


@pytest.mark.parametrize("operation", sorted(WAYS_OUT))
def test_nobody_signs_to_leave(decider: Decider, operation: str) -> None:
    """Each is an operation that others than operators send; else it would be refused anyway."""
    name = f"{operation}.v1"
    assert ENTRIES[name].handler.contract.senders - {OPERATOR, FRONT_DESK}
    (finding,) = reply(publish(decider, sender=OPERATOR, needed_for=[name]))[1]["findings"]
    assert (finding["rule"], finding["field"]) == ("agreement.not-gateable", "data.needed_for.0")
    assert "leaves" in finding["expected"]


def test_an_operator_goes_no_further_with_a_market_s_agreement(decider: Decider) -> None:
    publish(decider)
    outcome = publish(decider, 2, sender=OPERATOR, needed_for=["asset.register.v1"])
    assert refused(outcome) == [("agreement.not-gateable", "data.needed_for.0")]


def test_an_operation_needs_a_few_agreements_at_most(decider: Decider) -> None:
    for number in range(NEEDED_MAX):
        outcome = publish(decider, sender=OPERATOR, id=f"terms-{number}", needed_for=[GATED])
        assert reply(outcome)[0] == "agreement.publish.accepted.v1"
    one_more = publish(decider, sender=OPERATOR, needed_for=[GATED])
    assert refused(one_more) == [("agreement.gate-full", "data.needed_for.0")]


def test_a_list_says_what_is_signed_a_page_at_a_time(decider: Decider) -> None:
    publish(decider)
    sign(decider)
    publish(decider, 2, id="grid-code", sender=SYSTEM)
    ask(decider, "agreement.revoke.v1", SYSTEM, id="grid-code", what="agreement")
    for state, found in (("published", [(NAME, 1)]), ("withdrawn", [("grid-code", 0)])):
        _, data = question(decider, "agreement.list.v1", PLATFORM, state=state)
        assert [(row["id"], row["signed"]) for row in data["agreements"]] == found
        assert "cursor" not in data
    head = decider.documents["agreements", NAME]
    for number in range(PAGE):
        key = f"terms-{number:03d}"
        decider.documents["agreements", key] = {**head, "_id": key}
    _, first = question(decider, "agreement.list.v1", FRONT_DESK)
    _, rest = question(decider, "agreement.list.v1", FRONT_DESK, cursor=first["cursor"])
    ids = [row["id"] for row in (*first["agreements"], *rest["agreements"])]
    assert (len(first["agreements"]), len(ids), len(set(ids))) == (PAGE, PAGE + 1, PAGE + 1)
    assert "signed" not in rest["agreements"][0]
    foreign = question(decider, "agreement.list.v1", PLATFORM, cursor=first["cursor"])
    assert rules(foreign[1]) == [("cursor.foreign", "data.cursor")]


def test_what_nothing_needs_is_one_row_that_is_not_there(decider: Decider) -> None:
    assert reply(address(decider))[0] == "trial.address.accepted.v1"
    assert decider.of(CONDITIONS) == []
