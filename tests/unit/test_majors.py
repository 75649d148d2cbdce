"""Two majors of one contract: one handler decides, each is answered in its own."""

from typing import Any, Final

import pytest

from contracts.messages import Command
from contracts.notices import CloseNotice, CloseNotices
from tests.builders import NOW, PLATFORM, STRANGER, command
from tests.decider import ENTRIES, Decider, reply, rules, said
from tests.registers import WeighTrial
from topology.asyncapi import document
from topology.catalog import build
from topology.render import deprecated, schemas

ROWS: Final = [f"{PLATFORM}/{number:012d}" for number in (1, 2, 3)]
PUBLISHED: Final = build()


@pytest.fixture
def decider() -> Decider:
    made = Decider()
    for key, owner in [*((row, PLATFORM) for row in ROWS), ("others", STRANGER)]:
        made.documents["notices", key] = {
            "_id": key,
            "revision": 1,
            "recipient": owner,
            "state": "open",
            "opened_at": NOW,
        }
    return made


def ask(decider: Decider, kind: str, mark: str, **data: Any) -> Any:
    (outcome,) = decider.decide(command(kind, data, id=mark))
    return outcome


def states(decider: Decider) -> list[str]:
    return [decider.documents["notices", row]["state"] for row in ROWS]


def test_each_major_is_answered_in_its_own_words(decider: Decider) -> None:
    one = ask(decider, "notice.close.v1", "one", id=ROWS[0])
    rest = ask(decider, "notice.close.v2", "rest", ids=ROWS)
    assert reply(one) == ("notice.close.accepted.v1", {"id": ROWS[0], "state": "closed"})
    assert reply(rest) == (
        "notice.close.accepted.v2",
        {"ids": ROWS, "state": "closed", "closed": ROWS[1:]},
    )
    assert states(decider) == ["closed"] * 3


def test_one_notice_that_is_not_yours_keeps_all_open(decider: Decider) -> None:
    outcome = ask(decider, "notice.close.v2", "some", ids=[ROWS[0], "others", "none"])
    kind, data = reply(outcome)
    assert kind == "notice.close.rejected.v2"
    assert rules(data) == [("notice.not-found", "data.ids.1"), ("notice.not-found", "data.ids.2")]
    assert states(decider) == ["open"] * 3


def test_a_finding_names_the_field_that_its_sender_has_written(decider: Decider) -> None:
    kind, data = reply(ask(decider, "notice.close.v1", "other", id="others"))
    assert (kind, rules(data)) == (
        "notice.close.rejected.v1",
        [("notice.not-found", "data.id")],
    )
    assert "in data.id:" in data["message"]
    (outcome,) = decider.decide(command("trial.weigh.v1", {"id": "x", "tons": 0}, id="w"))
    assert rules(reply(outcome)[1]) == [("trial.weightless", "data.tons")]


@pytest.mark.parametrize(
    ("kind", "good", "bad", "field"),
    [
        ("notice.close.check.v1", {"id": ROWS[0]}, {"id": "others"}, "data.id"),
        ("notice.close.check.v2", {"ids": ROWS}, {"ids": ["others"]}, "data.ids.0"),
    ],
)
def test_checks_are_answered_in_both(
    decider: Decider, kind: str, good: Any, bad: Any, field: str
) -> None:
    passed = said(decider.ask(command(kind, good, id="good")))
    failed = said(decider.ask(command(kind, bad, id="bad")))
    outcome = kind.replace(".check.", ".check.{}.")
    assert passed == (outcome.format("accepted"), {"id": ROWS[0], "verdict": "acceptable"})
    assert (failed[0], rules(failed[1])) == (
        outcome.format("rejected"),
        [("notice.not-found", field)],
    )
    assert states(decider) == ["open"] * 3


def test_each_refuses_the_fields_of_the_other(decider: Decider) -> None:
    for kind, data in (("notice.close.v1", {"ids": ROWS}), ("notice.close.v2", {"id": ROWS[0]})):
        _, answer = reply(ask(decider, kind, kind, **data))
        assert {rule for rule, _ in rules(answer)} == {"field.missing", "field.unknown"}


def test_the_inbox_keeps_them_apart(decider: Decider) -> None:
    """The same bytes get the first answer of their own major; one id is one message of one type."""
    first = ask(decider, "notice.close.v1", "same", id=ROWS[0])
    again = ask(decider, "notice.close.v1", "same", id=ROWS[0])
    other = ask(decider, "notice.close.v2", "same", ids=[ROWS[0]])
    assert (again.kind, again.letters[0].body) == ("duplicate", first.letters[-1].body)
    kind, data = reply(other)
    assert (other.kind, kind, data["code"]) == (
        "reused",
        "notice.close.rejected.v2",
        "message.id-reused",
    )


def test_what_one_major_wrote_the_other_reads(decider: Decider) -> None:
    ask(decider, "trial.weigh.v1", "old", id="x", tons=3)
    newer = said(decider.ask(command("trial.ask-weight.v2", {"id": "x"}, id="ask-2")))
    older = said(decider.ask(command("trial.ask-weight.v1", {"id": "x"}, id="ask-1")))
    assert newer == ("trial.ask-weight.accepted.v2", {"id": "x", "mass_kg": 3000})
    assert older == ("trial.ask-weight.accepted.v1", {"id": "x"})


def test_the_older_one_is_published_as_deprecated_and_nothing_else() -> None:
    marks = deprecated(PUBLISHED)
    assert marks["notice.close.v1"] == "notice.close.v2"
    assert marks["notice.close.check.v1"] == "notice.close.check.v2"
    assert marks["notice.close.accepted.v1"] == "notice.close.accepted.v2"
    published = schemas(PUBLISHED)
    assert {name for name, schema in published.items() if schema.get("deprecated")} == set(marks)
    whole = document(PUBLISHED, "1.2.3")
    messages = whole["components"]["messages"]
    found = {name for name, one in messages.items() if one["payload"].get("deprecated")}
    assert found == set(marks)
    tagged = {
        name
        for name, one in whole["operations"].items()
        if {"name": "deprecated"} in one.get("tags", ())
    }
    ways = [(way, dry) for way in ("send", "bulk") for dry in ("", ".check")]
    asked = {f"{way}.asset.get.v1" for way in ("send", "bulk")}
    assert tagged == asked | {f"{way}.notice.close{dry}.v1" for way, dry in ways}
    assert messages["notice.close.v1"]["description"].startswith("Deprecated: `notice.close.v2`")


def test_the_current_form_of_a_message_is_that_of_the_newest_major() -> None:
    old = CloseNotice(id=ROWS[0])
    assert old.current() == CloseNotices(ids=(ROWS[0],))
    assert old.current().current() == old.current()
    assert ENTRIES["trial.weigh.v1"].handler.contract is WeighTrial


@pytest.mark.parametrize("wrong", ["trial.lift.v2", "trial.weigh.v1"])
def test_the_older_major_is_of_the_same_operation_and_lower(wrong: str) -> None:
    with pytest.raises(TypeError, match=r"expected the major after 'trial\.weigh\.v1'"):
        type("Wrong", (Command,), {}, type=wrong, senders={"fsp"}, older=WeighTrial)
