"""Another message in the place of a dead letter's: by whom, of which letters, and only once."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import uuid4

import pytest

from contracts.dead import REPLAYED
from contracts.dead_edits import ApproveDead, EditDead
from contracts.taxonomy import BACKBONE, OPERATOR
from handlers.admission import Delivery, Limits
from handlers.case import Outcome
from handlers.decision import Secret
from handlers.edits import Edits
from handlers.foreseeing import Foreseen
from handlers.resending import STUCK
from handlers.resent import Resent
from tests.builders import NOW, PLATFORM, STRANGER, command, envelope, issued, user_document
from tests.decider import RULEBOOK, Decider, reply
from tests.unit.test_dead import (
    arriving,
    asked,
    crash,
    letters,
    mend,
    operate,
    replay,
    resent,
    run_through,
    states,
)
from workers.backbone import with_edits

FIRST: Final = issued("USR", 7000)
SECOND: Final = issued("USR", 8000)
"""Two operators who are users of the register."""


def deciding(allowed: str) -> Decider:
    decider = Decider(rulebook=with_edits(RULEBOOK, allowed))
    for user in (FIRST, SECOND):
        named = user_document(user, roles=["operator"], status="confirmed")
        decider.documents["users", user] = named
    decider.decide(crash("one", "a secret", message_id="m"))
    return decider


def send(decider: Decider, kind: str, sender: str = OPERATOR, **data: Any) -> Outcome:
    (outcome,) = decider.decide(command(kind, data, sender=sender, id=str(uuid4())))
    return outcome


def edited(decider: Decider, sender: str = OPERATOR, **more: Any) -> Outcome:
    (letter,) = letters(decider)
    data = {"id": letter["_id"], "data": {"words": "mended"}, "why": "A typo."}
    return send(decider, "dead.edit.v1", sender, **{**data, **more})


def sent(decider: Decider, outcome: Outcome) -> list[Resent]:
    """What the fact of an edit hands to the hop."""
    facts = [letter for letter in outcome.letters if letter.kind == "domain"]
    return resent(decider.decide(*(Delivery(one.body, one.type, BACKBONE) for one in facts)))


def code(outcome: Outcome) -> tuple[str, str]:
    kind, data = reply(outcome)
    return kind, data["code"]


def test_the_new_message_is_the_operators_own_with_the_old_one_as_its_cause() -> None:
    decider = deciding("on")
    outcome = edited(decider)
    kind, told = reply(outcome)
    (one,) = sent(decider, outcome)
    envelope: Mapping[str, Any] = json.loads(one.body)
    (letter,) = letters(decider)
    assert (kind, told["state"], told["letter"]) == (
        "dead.edit.accepted.v1", "sent", letter["_id"]
    )  # fmt: skip
    assert (one.account, one.reply_to, REPLAYED in one.headers) == (OPERATOR, None, False)
    assert envelope["source"] == "urn:flexspine:user:operator"
    assert (envelope["causationid"], envelope["data"]) == ("one", {"words": "mended"})
    assert envelope["id"] == one.message_id == told["message"] != "one"
    assert (letter["state"], letter["edited_to"]) == ("edited", told["message"])
    assert letter["history"][-1] == {"at": decider.now, "by": OPERATOR, "state": "edited"}


def test_it_is_decided_like_any_other_message_and_the_letter_keeps_its_end() -> None:
    decider = deciding("on")
    (one,) = sent(decider, edited(decider))
    mend(decider)
    (outcome,) = decider.decide(arriving(one))
    assert (outcome.kind, outcome.letters[-1].recipient) == ("accepted", OPERATOR)
    assert states(decider) == ["edited"]
    assert replay(decider, type=crash("x").type) == []
    assert code(edited(decider)) == ("dead.edit.rejected.v1", "dead.not-editable")


def test_what_is_sent_twice_is_the_same_bytes() -> None:
    decider = deciding("on")
    outcome = edited(decider)
    (first,) = sent(decider, outcome)
    decider.documents = {k: v for k, v in decider.documents.items() if k[0] != "inbox"}
    assert [one.body for one in sent(decider, outcome)] == [first.body]


def test_the_data_is_sealed_with_what_belongs_to_the_sender_and_shown_to_operators() -> None:
    decider = deciding("on")
    outcome = edited(decider, data={"words": "personal"})
    assert outcome.keyed_to == PLATFORM
    (edit,) = decider.of("dead_edits")
    assert "personal" not in str(edit)
    assert "typo" not in str(edit)
    shown = asked(decider, "get", id=letters(decider)[0]["_id"])["edit"]
    assert (shown["data"], shown["why"]) == ({"words": "personal"}, "A typo.")
    assert (shown["by"], shown["state"]) == (OPERATOR, "sent")


def about(decider: Decider, user: str) -> str:
    """Under whose key an edit is kept whose data says that it is about a user."""
    outcome = edited(decider, type="user.retire.v1", data={"id": user})
    assert outcome.kind == "accepted"
    return outcome.keyed_to


def test_about_another_user_it_goes_with_that_users_erasure() -> None:
    assert about(deciding("on"), STRANGER) == STRANGER


def test_about_a_user_whom_no_erasure_would_reach_it_goes_with_the_letter() -> None:
    assert about(deciding("on"), issued("USR", 777_777)) == PLATFORM
    decider = deciding("on")
    decider.documents["users", STRANGER] = user_document(STRANGER, erased_at=decider.now)
    assert about(decider, STRANGER) == PLATFORM


def test_with_the_letter_is_with_the_user_whom_that_is_about() -> None:
    decider = deciding("on")
    (contents,) = decider.of("dead_contents")
    properties = {**contents["properties"].value, "keeper": STRANGER}
    decider.documents["dead_contents", contents["_id"]] = {
        **contents, "properties": Secret(properties)
    }  # fmt: skip
    assert edited(decider).keyed_to == STRANGER


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"type": "asset.fly.v1"}, "data.type"),
        ({"type": "dead.list.v1", "data": {}}, "data.type"),
        ({"type": "é" * 200}, "data.type"),
        ({"type": f"trial.{'k' * 200}.v1"}, "data.type"),
        ({"data": {"wrods": "mended"}}, "data.data.wrods"),
        ({"data": {"words": "é" * 140_000}}, "data.data"),
    ],
)
def test_what_the_backbone_would_not_read_takes_no_letters_place(
    given: Mapping[str, Any], field: str
) -> None:
    decider = deciding("on")
    decider.limits = Limits(2**20)
    kind, told = reply(edited(decider, **given))
    assert (kind, told["findings"][0]["field"]) == ("dead.edit.rejected.v1", field)
    assert (states(decider), decider.of("dead_edits")) == (["open"], [])


def test_a_type_that_nobody_serves_is_answered_with_where_the_right_one_goes() -> None:
    decider = deciding("on")
    (contents,) = decider.of("dead_contents")
    properties = {**contents["properties"].value, "type": "asset.fly.v1"}
    decider.documents["dead_contents", contents["_id"]] = {
        **contents, "properties": Secret(properties)
    }  # fmt: skip
    (told,) = reply(edited(decider))[1]["findings"]
    assert (told["field"], told["rule"]) == ("data.type", "dead.not-editable")
    assert "`--type`" in told["advice"]
    assert "`--type`" not in reply(edited(decider, data={"wrods": "x"}))[1]["message"]
    assert edited(decider, type="trial.keep.v1", data={"id": "right"}).kind == "accepted"


def test_a_number_without_end_takes_no_letters_place() -> None:
    decider = deciding("on")
    (letter,) = letters(decider)
    data = {"id": letter["_id"], "data": {"words": "@"}, "why": "A typo."}
    asked = command("dead.edit.v1", data, sender=OPERATOR, id="endless")
    (outcome,) = decider.decide(replace(asked, body=asked.body.replace(b'"@"', b"1e999")))
    told = reply(outcome)[1]
    assert (told["code"], told["findings"][0]["field"]) == ("dead.not-editable", "data.data")
    assert states(decider) == ["open"]


def test_what_is_sent_is_as_long_as_it_was_asked() -> None:
    decider = deciding("on")
    (letter,) = letters(decider)
    content = envelope(
        "dead.edit.v1",
        {"id": letter["_id"], "data": {"words": "é" * 120_000}, "why": "A typo."},
        sender=OPERATOR,
        id="long",
    )
    body = json.dumps(content, ensure_ascii=False).encode()
    (outcome,) = decider.decide(Delivery(body, "dead.edit.v1", OPERATOR))
    (one,) = sent(decider, outcome)
    assert 240_000 < len(one.body) < Limits().body_bytes_max
    mend(decider)
    (arrived,) = decider.decide(arriving(one))
    assert arrived.kind == "accepted"


def test_a_proposal_whose_contract_has_gone_meanwhile_is_not_approved() -> None:
    decider = deciding("approved")
    key = reply(edited(decider, FIRST))[1]["id"]
    decider.rulebook = replace(decider.rulebook, edits=Edits(Foreseen({}), need_approval=True))
    told = reply(send(decider, "dead.approve.v1", SECOND, id=key, why="Fine."))[1]
    assert (told["code"], told["findings"][0]["field"]) == ("dead.not-editable", "data.id")
    assert states(decider) == ["open"]


def test_what_nobody_can_open_when_it_is_sent_is_a_dead_letter_and_what_is_erased_is_not() -> None:
    decider = deciding("on")
    outcome = edited(decider)
    (edit,) = decider.of("dead_edits")
    facts = [letter for letter in outcome.letters if letter.kind == "domain"]
    (fact,) = (Delivery(one.body, one.type, BACKBONE) for one in facts)
    decider.documents["dead_edits", edit["_id"]] = {**edit, "data": Secret(None)}
    (quiet,) = decider.decide(fact)
    assert (quiet.kind, resent([quiet]), states(decider)) == ("idle", [], ["edited"])
    other = deciding("on")
    (fact,) = (
        Delivery(one.body, one.type, BACKBONE)
        for one in edited(other).letters
        if one.kind == "domain"
    )
    (edit,) = other.of("dead_edits")
    unopened: Any = ValueError("expected the key of the edit")
    other.documents["dead_edits", edit["_id"]] = unopened
    (loud,) = other.decide(fact)
    assert (loud.kind, states(other)) == ("poisoned", ["edited", "open"])


def test_off_nobody_edits_and_whoever_is_no_operator_is_told_no_more() -> None:
    decider = deciding("off")
    assert code(edited(decider)) == ("dead.edit.rejected.v1", "message.switched-off")
    assert code(edited(decider, sender=PLATFORM)) == ("dead.edit.rejected.v1", "sender.role")
    approved = send(decider, "dead.approve.v1", id="0" * 32, why="Fine.")
    assert code(approved) == ("dead.approve.rejected.v1", "message.switched-off")
    _, said = reply(approved)
    assert "`FLEXSPINE_DEAD_EDIT`, set to `on` or `approved`" in said["findings"][0]["advice"]
    assert states(decider) == ["open"]
    assert {h.contract for h in decider.rulebook.handlers.values() if h.off_by} == {
        EditDead, ApproveDead
    }  # fmt: skip


def test_a_second_operator_approves_and_not_the_same() -> None:
    decider = deciding("approved")
    proposed = edited(decider, FIRST)
    key = reply(proposed)[1]["id"]
    assert (reply(proposed)[1]["state"], sent(decider, proposed)) == ("proposed", [])
    assert states(decider) == ["open"]
    own = send(decider, "dead.approve.v1", FIRST, id=key, why="It is mine.")
    assert code(own) == ("dead.approve.rejected.v1", "dead.approve-own")
    approved = send(decider, "dead.approve.v1", SECOND, id=key, why="Looked at both.")
    (one,) = sent(decider, approved)
    assert (one.account, reply(approved)[1]["state"]) == (FIRST, "sent")
    (letter,), (edit,) = letters(decider), decider.of("dead_edits")
    assert letter["history"][-1]["by"] == SECOND
    assert (edit["by"], edit["approved_by"]) == (FIRST, SECOND)
    again = send(decider, "dead.approve.v1", SECOND, id=key, why="Once more.")
    assert (reply(again)[1]["state"], sent(decider, again)) == ("sent", [])


def test_where_two_agree_the_account_that_both_may_have_neither_proposes_nor_approves() -> None:
    decider = deciding("approved")
    assert code(edited(decider)) == ("dead.edit.rejected.v1", "dead.not-editable")
    key = reply(edited(decider, FIRST))[1]["id"]
    approved = send(decider, "dead.approve.v1", id=key, why="Fine.")
    assert code(approved) == ("dead.approve.rejected.v1", "dead.not-editable")
    assert (states(decider), reply(approved)[1]["findings"][0]["got"]) == (["open"], OPERATOR)


def test_the_other_way_round_too_and_a_replaced_proposal_is_not_sent() -> None:
    decider = deciding("approved")
    first = reply(edited(decider, sender=SECOND))[1]["id"]
    second = reply(edited(decider, sender=SECOND, data={"words": "better"}))[1]["id"]
    replaced = send(decider, "dead.approve.v1", FIRST, id=first, why="Fine.")
    assert code(replaced) == ("dead.approve.rejected.v1", "dead.not-editable")
    (one,) = sent(decider, send(decider, "dead.approve.v1", FIRST, id=second, why="Fine."))
    assert (one.account, json.loads(one.body)["data"]) == (SECOND, {"words": "better"})


def test_a_letter_that_has_its_end_meanwhile_is_not_approved() -> None:
    decider = deciding("approved")
    key = reply(edited(decider, FIRST))[1]["id"]
    run = operate(decider, "discard", which={"reason": "poisoned"}, why="Nobody wants it.")
    run_through(decider, run["id"])
    assert states(decider) == ["discarded"]
    approved = send(decider, "dead.approve.v1", SECOND, id=key, why="Fine.")
    assert code(approved) == ("dead.approve.rejected.v1", "dead.not-editable")


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "replaying"}, {"state": "replaying", "state_at": NOW - 2 * STUCK},
        {"state": "resolved"}, {"queue": "query.assets"},
        {"account": BACKBONE},
    ],
)  # fmt: skip
def test_these_letters_are_not_edited(changes: Mapping[str, Any]) -> None:
    decider = deciding("on")
    (letter,) = letters(decider)
    decider.documents["dead_letters", letter["_id"]] = {**letter, **changes}
    assert code(edited(decider)) == ("dead.edit.rejected.v1", "dead.not-editable")


def test_neither_is_one_that_was_erased_nor_an_edit_of_whose_data_nothing_is_left() -> None:
    decider = deciding("approved")
    key = reply(edited(decider, FIRST))[1]["id"]
    (edit,) = decider.of("dead_edits")
    erased = {"data": Secret(None), "why": Secret(None), "original": Secret(None)}
    decider.documents["dead_edits", key] = {**edit, **erased}
    approved = send(decider, "dead.approve.v1", SECOND, id=key, why="Fine.")
    assert code(approved) == ("dead.approve.rejected.v1", "dead.not-editable")
    (contents,) = decider.of("dead_contents")
    gone = {"properties": Secret(None), "body": Secret(None), "fault": Secret(None)}
    decider.documents["dead_contents", contents["_id"]] = {**contents, **gone}
    assert code(edited(decider)) == ("dead.edit.rejected.v1", "dead.not-editable")


def test_a_type_that_was_wrong_is_corrected() -> None:
    decider = deciding("on")
    (one,) = sent(decider, edited(decider, type="trial.keep.v1", data={"id": "right"}))
    (outcome,) = decider.decide(arriving(one))
    assert (one.type, outcome.kind) == ("trial.keep.v1", "accepted")
