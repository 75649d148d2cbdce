"""Another message in the place of a dead letter's: by whom, of which letters, and only once."""

import json
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

import pytest

from contracts.dead import REPLAYED
from contracts.dead_edits import ApproveDead, EditDead
from contracts.taxonomy import BACKBONE, OPERATOR
from handlers.admission import Delivery
from handlers.case import Outcome
from handlers.decision import Secret
from handlers.resent import Resent
from tests.builders import PLATFORM, STRANGER, command, issued, user_document
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

SECOND: Final = issued("USR", 8000)
"""Another operator, who is a user of the register."""


def deciding(allowed: str) -> Decider:
    decider = Decider(rulebook=with_edits(RULEBOOK, allowed))
    second = user_document(SECOND, roles=["operator"], status="confirmed")
    decider.documents["users", SECOND] = second
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


def test_about_another_user_it_goes_with_that_users_erasure() -> None:
    decider = deciding("on")
    assert edited(decider, data={"id": STRANGER}).keyed_to == STRANGER


def test_off_nobody_edits_and_whoever_is_no_operator_is_told_no_more() -> None:
    decider = deciding("off")
    assert code(edited(decider)) == ("dead.edit.rejected.v1", "message.switched-off")
    assert code(edited(decider, sender=PLATFORM)) == ("dead.edit.rejected.v1", "sender.role")
    approved = send(decider, "dead.approve.v1", id="0" * 32, why="Fine.")
    assert code(approved) == ("dead.approve.rejected.v1", "message.switched-off")
    assert states(decider) == ["open"]
    assert {h.contract for h in decider.rulebook.handlers.values() if h.is_off} == {
        EditDead, ApproveDead
    }  # fmt: skip


def test_a_second_operator_approves_and_not_the_same() -> None:
    decider = deciding("approved")
    proposed = edited(decider)
    key = reply(proposed)[1]["id"]
    assert (reply(proposed)[1]["state"], sent(decider, proposed)) == ("proposed", [])
    assert states(decider) == ["open"]
    own = send(decider, "dead.approve.v1", id=key, why="It is mine.")
    assert code(own) == ("dead.approve.rejected.v1", "dead.approve-own")
    approved = send(decider, "dead.approve.v1", SECOND, id=key, why="Looked at both.")
    (one,) = sent(decider, approved)
    assert (one.account, reply(approved)[1]["state"]) == (OPERATOR, "sent")
    (letter,), (edit,) = letters(decider), decider.of("dead_edits")
    assert letter["history"][-1]["by"] == SECOND
    assert (edit["by"], edit["approved_by"]) == (OPERATOR, SECOND)
    again = send(decider, "dead.approve.v1", SECOND, id=key, why="Once more.")
    assert (reply(again)[1]["state"], sent(decider, again)) == ("sent", [])


def test_the_other_way_round_too_and_a_replaced_proposal_is_not_sent() -> None:
    decider = deciding("approved")
    first = reply(edited(decider, sender=SECOND))[1]["id"]
    second = reply(edited(decider, sender=SECOND, data={"words": "better"}))[1]["id"]
    replaced = send(decider, "dead.approve.v1", id=first, why="Fine.")
    assert code(replaced) == ("dead.approve.rejected.v1", "dead.not-editable")
    (one,) = sent(decider, send(decider, "dead.approve.v1", id=second, why="Fine."))
    assert (one.account, json.loads(one.body)["data"]) == (SECOND, {"words": "better"})


def test_a_letter_that_has_its_end_meanwhile_is_not_approved() -> None:
    decider = deciding("approved")
    key = reply(edited(decider))[1]["id"]
    run = operate(decider, "discard", which={"reason": "poisoned"}, why="Nobody wants it.")
    run_through(decider, run["id"])
    assert states(decider) == ["discarded"]
    approved = send(decider, "dead.approve.v1", SECOND, id=key, why="Fine.")
    assert code(approved) == ("dead.approve.rejected.v1", "dead.not-editable")


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "replaying"}, {"state": "resolved"}, {"queue": "query.assets"},
        {"account": BACKBONE},
    ],
)  # fmt: skip
def test_these_letters_are_not_edited(changes: Mapping[str, str]) -> None:
    decider = deciding("on")
    (letter,) = letters(decider)
    decider.documents["dead_letters", letter["_id"]] = {**letter, **changes}
    assert code(edited(decider)) == ("dead.edit.rejected.v1", "dead.not-editable")


def test_neither_is_one_that_was_erased_nor_an_edit_of_whose_data_nothing_is_left() -> None:
    decider = deciding("approved")
    key = reply(edited(decider))[1]["id"]
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
