"""The fold: once each, in order, and a fault of one command is its own."""

import json
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import pytest

from contracts.envelope import user_urn
from handlers.admission import Delivery
from handlers.case import Outcome
from handlers.decision import Put, Secret, key_of
from handlers.entry import CLOCK_SKEW_MAX, INBOX_AGE_MAX
from tests.builders import NOW, PLATFORM, STRANGER, asset, command, delivery, envelope, user
from tests.decider import Decider, events, reply, rules

# As RabbitMQ writes it: an Erlang pid and a key, both in base64.
DIRECT: Final = (
    "amq.rabbitmq.reply-to.g1h2AA5yZXBseUAzNjEzNDkwMAAAAx4AAAAAawSdVw==.8knNpWobG9QmyAQxltBo3w=="
)

KEEP = "trial.keep.v1"
HELD = {
    "code": "message.held",
    "message": "The backbone failed on this command and keeps it; its outcome follows. "
    "Sending it again does no harm.",
}


def keep(trial: str, id: str | None = None, **data: Any) -> Any:  # noqa: A002  as in the envelope
    """A command that is accepted unless told otherwise."""
    return command(KEEP, {"id": trial} | data, id=id or f"keep-{trial}")


def kinds(outcomes: list[Outcome]) -> list[str]:
    return [outcome.kind for outcome in outcomes]


def written(outcome: Outcome) -> list[tuple[str, Any]]:
    """Collection and key of each document that an outcome writes."""
    return [(w.collection, key_of(w.document)) for w in outcome.writes if isinstance(w, Put)]


@pytest.fixture
def decider() -> Decider:
    return Decider()


in_one_batch_or_two = pytest.mark.parametrize("batches", ["one", "two"])


def both(decider: Decider, batches: str, first: Delivery, second: Delivery) -> list[Outcome]:
    """Decide two deliveries within one batch or over two."""
    if batches == "one":
        return decider.decide(first, second)
    return [*decider.decide(first), *decider.decide(second)]


# Once.


def test_accepted_command_leaves_its_writes_its_answer_and_its_event(decider: Decider) -> None:
    (outcome,) = decider.decide(keep("a"))
    assert kinds([outcome]) == ["accepted"]
    assert reply(outcome) == ("trial.keep.accepted.v1", {"id": "a"})
    assert events(outcome) == [("trial.kept.v1", {"id": "a"})]
    assert written(outcome) == [("trials", "a"), ("inbox", (PLATFORM, "keep-a"))]


@in_one_batch_or_two
def test_same_bytes_get_the_same_answer_and_change_nothing(decider: Decider, batches: str) -> None:
    outcomes = both(decider, batches, keep("a"), keep("a"))
    first, second = outcomes
    assert kinds(outcomes) == ["accepted", "duplicate"]
    assert second.letters == (first.letters[-1],)
    assert (second.writes, second.guards) == ((), ())


@in_one_batch_or_two
def test_rejection_is_remembered_like_an_acceptance(decider: Decider, batches: str) -> None:
    outcomes = both(decider, batches, command(KEEP, {}), command(KEEP, {}))
    assert kinds(outcomes) == ["rejected", "duplicate"]
    assert outcomes[0].letters == outcomes[1].letters


@in_one_batch_or_two
def test_other_bytes_under_a_used_id_are_rejected_and_the_inbox_stays(
    decider: Decider, batches: str
) -> None:
    first, other = keep("a", id="one"), keep("b", id="one")
    outcomes = both(decider, batches, first, other)
    assert kinds(outcomes) == ["accepted", "reused"]
    kind, data = reply(outcomes[1])
    assert (kind, rules(data)) == ("trial.keep.rejected.v1", [("message.id-reused", "id")])
    assert outcomes[1].writes == ()
    assert kinds(decider.decide(first)) == ["duplicate"]


def test_reused_id_is_answered_under_another_message_id_than_the_first_rejection(
    decider: Decider,
) -> None:
    """Subscribers know a repeat by its id, and this is none."""
    first, other = decider.decide(command(KEEP, {}), command(KEEP, {"id": 7}))
    assert kinds([first, other]) == ["rejected", "reused"]
    assert json.loads(first.letters[0].body)["id"] != json.loads(other.letters[0].body)["id"]


def test_the_same_id_of_two_users_is_two_commands(decider: Decider) -> None:
    one = keep("a", id="one")
    other = command(KEEP, {"id": "b"}, sender=STRANGER, id="one")
    assert kinds(decider.decide(one, other)) == ["accepted", "accepted"]


def test_later_commands_see_what_earlier_ones_of_the_batch_left(decider: Decider) -> None:
    outcomes = decider.decide(keep("a", id="1"), keep("a", id="2"), keep("a", id="3"))
    assert kinds(outcomes) == ["accepted"] * 3
    assert decider.of("trials") == [{"_id": "a", "revision": 3}]


def test_repeat_is_answered_where_it_asks_this_time(decider: Decider) -> None:
    content = envelope(KEEP, {"id": "a"})
    queues = [None, f"{PLATFORM}.replies", DIRECT, f"{STRANGER}.replies"]
    outcomes = decider.decide(*(delivery(content, reply_to=queue) for queue in queues))
    addressed = [outcome.letters[-1].reply_to for outcome in outcomes]
    assert addressed == [None, f"{PLATFORM}.replies", DIRECT, None]
    assert len({outcome.letters[-1].body for outcome in outcomes}) == 1


# Faults.


POISON = [
    ("trial.crash.v1", {"words": "x"}),
    ("trial.crash.v1", {"words": "ü\u2028" * 3000}),
    ("trial.chase.v1", {}),
]


@pytest.mark.parametrize(("message_type", "data"), POISON)
def test_poison_is_held_and_its_neighbours_do_not_notice(
    decider: Decider, message_type: str, data: dict[str, Any]
) -> None:
    poison = command(message_type, data, id="poison")
    before, held, after = decider.decide(keep("a"), poison, keep("b"))
    assert kinds([before, held, after]) == ["accepted", "poisoned", "accepted"]
    assert reply(held) == (message_type.replace(".v1", ".held.v1"), HELD)
    (dead,) = decider.of("dead_letters")
    assert (dead["reason"], dead["state"], dead["times"]) == ("poisoned", "open", 1)
    (contents,) = decider.of("dead_contents")
    assert contents["body"].value == poison.body
    assert held.writes == (Put("dead_letters", dead), Put("dead_contents", contents))


def test_fault_is_kept_with_its_stack_and_never_shown(decider: Decider) -> None:
    (held,) = decider.decide(command("trial.crash.v1", {"words": "a secret"}))
    (contents,) = decider.of("dead_contents")
    fault = contents["fault"].value
    assert (fault["type"], fault["message"]) == ("RuntimeError", "a bug that quotes a secret")
    assert "crash_trial" in fault["stack"]
    assert "a secret" not in str(held.letters)
    assert "a secret" not in repr(held.writes)


def test_poison_that_comes_again_is_counted_and_not_kept_twice(decider: Decider) -> None:
    poison = command("trial.crash.v1", {})
    outcomes = [*decider.decide(poison, poison), *decider.decide(poison)]
    assert kinds(outcomes) == ["poisoned"] * 3
    assert [(d["times"], d["revision"]) for d in decider.of("dead_letters")] == [(3, 3)]
    assert len({outcome.letters for outcome in outcomes}) == 1


def test_poison_leaves_no_memory_so_that_a_replay_decides_it(decider: Decider) -> None:
    (held,) = decider.decide(command("trial.crash.v1", {}))
    assert decider.of("inbox") == []
    assert written(held)[0][0] == "dead_letters"


@pytest.mark.parametrize("unstorable", ["integer", "surrogate", "digits"])
def test_decision_that_no_store_can_hold_is_rejected_with_the_field(
    decider: Decider, unstorable: str
) -> None:
    bad = keep("b", unstorable=unstorable)
    before, refused, after = decider.decide(keep("a"), bad, keep("c"))
    assert kinds([before, refused, after]) == ["accepted", "rejected", "accepted"]
    kind, data = reply(refused)
    assert (kind, rules(data)) == ("trial.keep.rejected.v1", [("value.unstorable", "value")])
    assert [document["_id"] for document in decider.of("trials")] == ["a", "c"]
    assert kinds(decider.decide(bad)) == ["duplicate"]


def test_command_may_ask_for_documents_step_by_step(decider: Decider) -> None:
    assert kinds(decider.decide(command("trial.chase.v1", {"steps": 4}))) == ["accepted"]


def test_guards_are_what_decided_and_was_not_written(decider: Decider) -> None:
    decider.decide(keep("a"))
    (outcome,) = decider.decide(keep("b", guarded_by="a"))
    assert [(g.collection, g.was) for g in outcome.guards] == [
        ("trials", {"_id": "a", "revision": 1})
    ]


def test_refused_delivery_is_told_once_kept_once_and_remembered_never(decider: Decider) -> None:
    broken = delivery(b"no JSON", message_id="transport-1")
    (outcome,) = decider.decide(broken)
    assert kinds([outcome]) == ["refused"]
    kind, data = reply(outcome)
    assert (kind, data["code"]) == ("asset.register.rejected.v1", "message.undecodable")
    assert json.loads(outcome.letters[0].body)["correlationid"] == "transport-1"
    assert [name for name, _ in decider.documents if name != "users"] == [
        "dead_letters",
        "dead_contents",
    ]


def test_two_refusals_of_one_moment_are_two_messages(decider: Decider) -> None:
    """Without a message id there is little to tell them by, but a subscriber must."""
    outcomes = decider.decide(delivery(b"no JSON"), delivery(b"no JSON either"))
    assert len({json.loads(outcome.letters[0].body)["id"] for outcome in outcomes}) == 2


def test_nobody_to_tell_is_told_nothing(decider: Decider) -> None:
    (outcome,) = decider.decide(delivery(account=None))
    assert (outcome.kind, outcome.letters) == ("refused", ())
    (dead,) = decider.of("dead_letters")
    assert (dead["reason"], dead["account"]) == ("identity", None)


def test_oversized_body_is_not_kept(decider: Decider) -> None:
    (outcome,) = decider.decide(delivery(b" " * 300_000))
    assert (outcome.kind, outcome.writes) == ("refused", ())
    assert reply(outcome)[1]["code"] == "message.oversized"


def test_headers_of_a_dead_letter_are_kept_as_text(decider: Decider) -> None:
    odd = {"x-binary": b"\xff", "x-many": ["a", 2**80], "x-half": "\ud800"}
    decider.decide(delivery(b"no JSON", headers=odd))
    (contents,) = decider.of("dead_contents")
    assert contents["properties"].value["headers"] == [
        ["x-binary", "b'\\xff'"],
        ["x-many", "['a', 1208925819614629174706176]"],
        ["x-half", "'\\ud800'"],
    ]


# Entry.


def rejected(decider: Decider, given: Any) -> list[tuple[str, str]]:
    (outcome,) = decider.decide(given)
    assert outcome.kind == "rejected"
    assert written(outcome) == [("inbox", (outcome.letters[0].recipient, _id(given)))]
    return rules(reply(outcome)[1])


def _id(given: Any) -> str:
    return str(json.loads(given.body)["id"])


def accepted(decider: Decider, given: Any) -> bool:
    (outcome,) = decider.decide(given)
    return outcome.kind == "accepted"


def at(moment: Any, **attributes: Any) -> Any:
    return command(KEEP, {"id": "a"}, time=moment.isoformat(), **attributes)


MS = timedelta(milliseconds=1)


def test_time_within_a_slow_or_fast_clock_is_taken(decider: Decider) -> None:
    assert accepted(decider, at(NOW + CLOCK_SKEW_MAX, id="1"))
    assert accepted(decider, at(NOW - INBOX_AGE_MAX, id="2"))


def test_command_from_the_future_is_rejected(decider: Decider) -> None:
    late = at(NOW + CLOCK_SKEW_MAX + MS)
    assert rejected(decider, late) == [("message.from-future", "time")]


def test_command_older_than_the_inbox_remembers_is_rejected(decider: Decider) -> None:
    old = at(NOW - INBOX_AGE_MAX - MS)
    assert rejected(decider, old) == [("message.expired", "time")]


def test_command_past_its_expiry_is_rejected(decider: Decider) -> None:
    assert accepted(decider, at(NOW, id="1", expirytime=NOW.isoformat()))
    past = at(NOW, id="2", expirytime=(NOW - MS).isoformat())
    assert rejected(decider, past) == [("message.expired", "expirytime")]


@pytest.mark.parametrize("forged", ["a.b", "AAAA.BBBB", "!!.??", "", "g1h2.g1h2", "ü.ü"])
def test_forged_direct_reply_to_is_not_used(decider: Decider, forged: str) -> None:
    """The broker's own decoder fails over it, and with it everything on the relay's channel."""
    asked = delivery(envelope(KEEP, {"id": "a"}), reply_to=f"amq.rabbitmq.reply-to.{forged}")
    (outcome,) = decider.decide(asked)
    assert [letter.reply_to for letter in outcome.letters] == [None] * len(outcome.letters)


def test_unregistered_sender_is_rejected(decider: Decider) -> None:
    unknown = "USR-0000-0000-0001-G"
    stranger = command(KEEP, {"id": "a"}, sender=unknown)
    assert rejected(decider, stranger) == [("sender.unknown", "source")]


def test_sender_without_the_role_is_rejected(decider: Decider) -> None:
    person = next(d for d in decider.of("users") if d["roles"] == ["owner"])
    command_of_owner = command(KEEP, {"id": "a"}, sender=str(person["_id"]))
    assert rejected(decider, command_of_owner) == [("sender.role", "type")]


def test_front_desk_may_register_users_and_nothing_else(decider: Decider) -> None:
    uuid = str(uuid4())
    desk = command("asset.register.v1", asset(), sender="front-desk", id=uuid)
    assert rejected(decider, desk) == [("sender.role", "type")]
    assert accepted(
        decider, command("user.register.v1", user(), sender="front-desk", id=str(uuid4()))
    )


def test_front_desk_gives_uuids_since_its_account_is_shared(decider: Decider) -> None:
    desk = command("user.register.v1", user(), sender="front-desk", id="one")
    assert rejected(decider, desk) == [("message.id-format", "id")]


def test_attributes_that_mean_nothing_on_a_type_are_rejected(decider: Decider) -> None:
    both = command(KEEP, {"id": "a"}, onbehalfof="somebody", dataref="urn:object:1")
    assert rejected(decider, both) == [
        ("envelope.unsupported", "dataref"),
        ("envelope.unsupported", "onbehalfof"),
    ]


def test_dataref_is_rejected_where_onbehalfof_has_a_meaning(decider: Decider) -> None:
    given = command("user.register.v1", user(), onbehalfof="customer 7", dataref="urn:object:1")
    assert rejected(decider, given) == [("envelope.unsupported", "dataref")]


def test_all_that_entry_finds_is_said_at_once(decider: Decider) -> None:
    given = delivery(
        envelope(
            "trial.crash.v1",
            {"id": "a"},
            time=(NOW + timedelta(days=1)).isoformat(),
            expirytime=(NOW - MS).isoformat(),
            dataref="urn:object:1",
        ),
        type=KEEP,
    )
    assert rejected(decider, given) == [
        ("envelope.type-mismatch", "type"),
        ("message.from-future", "time"),
        ("message.expired", "expirytime"),
        ("envelope.unsupported", "dataref"),
    ]


def test_rejection_names_the_first_finding_and_counts_the_others(decider: Decider) -> None:
    (outcome,) = decider.decide(command(KEEP, {"colour": "red"}))
    assert reply(outcome)[1] == {
        "code": "field.missing",
        "message": "field.missing in data.id: expected a value, got nothing (and 1 more).",
        "findings": [
            {
                "rule": "field.missing",
                "field": "data.id",
                "expected": "a value",
                "got": "",
                "advice": "Give this field; the contract's JSON Schema lists what it takes.",
            },
            {
                "rule": "field.unknown",
                "field": "data.colour",
                "expected": "a field that the contract names",
                "got": "red",
                "advice": "Leave the field out or correct its name.",
            },
        ],
    }


def test_reply_is_an_envelope_of_the_backbone_that_names_the_command(decider: Decider) -> None:
    (outcome,) = decider.decide(keep("a", id="one"))
    content = json.loads(outcome.letters[-1].body)
    assert len(content.pop("id")) == 32
    assert content == {
        "specversion": "1.0",
        "source": "urn:flexspine:backbone",
        "type": "trial.keep.accepted.v1",
        "subject": "a",
        "time": "2026-03-01T12:00:00.000Z",
        "datacontenttype": "application/json",
        "correlationid": "one",
        "causationid": "one",
        "data": {"id": "a"},
    }
    assert user_urn(PLATFORM) not in str(content)


def test_answers_are_secret_in_the_inbox(decider: Decider) -> None:
    (outcome,) = decider.decide(keep("a", id="one"))
    (remembered,) = decider.of("inbox")
    assert remembered["reply"] == Secret(outcome.letters[-1].body)


def test_a_dead_fact_is_kept_with_its_place(decider: Decider) -> None:
    """It failed on a page: whoever was told by the pages before is not to be told again."""
    decider.decide(delivery(b"no JSON", cursor="asset|page"))
    (contents,) = decider.of("dead_contents")
    assert contents["properties"].value["cursor"] == "asset|page"
