"""Objects: put together from chunks, their sender's own, and in the place of a command's data."""

import json
from base64 import b64encode
from collections.abc import Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest

from contracts.objects import OBJECT_URN
from handlers.decision import Secret
from handlers.objects import KEPT_MAX
from tests.builders import NOW, PLATFORM, STRANGER, command, user_document
from tests.decider import Decider, events, reply, rules, said
from tests.unit.test_areas import boundaries

BODY = json.dumps(boundaries()).encode()


def chunks(body: bytes = BODY, count: int = 3, **changes: Any) -> list[dict[str, Any]]:
    """Data of `object.put.v1` for each chunk."""
    size = -(-len(body) // count)
    return [
        {
            "sha256": sha256(body).hexdigest(),
            "size": len(body),
            "chunk": number + 1,
            "chunks": count,
            "content": b64encode(body[number * size : (number + 1) * size]).decode(),
        }
        | changes
        for number in range(count)
    ]


def put(decider: Decider, data: Mapping[str, Any], sender: str = "operator") -> Any:
    name = f"put-{len(decider.of('inbox'))}"
    (outcome,) = decider.decide(command("object.put.v1", data, sender=sender, id=name))
    return outcome


def referring(body: bytes = BODY, sender: str = "operator", **attributes: Any) -> Any:
    """A command without data that names the object of this content."""
    named = {"dataref": f"{OBJECT_URN}{sha256(body).hexdigest()}"} | attributes
    sent = command("area.load.v1", {}, sender=sender, **{"id": "load", **named})
    content = json.loads(sent.body)
    del content["data"]
    return command("area.load.v1", sender=sender).__class__(
        body=json.dumps(content).encode(), type="area.load.v1", account=sender
    )


def test_the_chunks_make_a_whole_in_any_order() -> None:
    decider = Decider()
    first, second, third = chunks()
    said_ = [reply(put(decider, one))[1] for one in (third, first)]
    assert [(one["state"], one["have"]) for one in said_] == [("partial", 1), ("partial", 2)]
    outcome = put(decider, second)
    assert reply(outcome)[1]["state"] == "complete"
    assert reply(outcome)[1]["id"] == f"{OBJECT_URN}{sha256(BODY).hexdigest()}"
    assert events(outcome) == [
        (
            "object.stored.v1",
            {"id": reply(outcome)[1]["id"], "by": "operator", "size": len(BODY)},
        )
    ]
    assert all(isinstance(one["content"], Secret) for one in decider.of("object_chunks"))


def test_the_chunks_may_come_in_one_batch() -> None:
    decider = Decider()
    sent = [
        command("object.put.v1", one, sender="operator", id=f"put-{n}")
        for n, one in enumerate(chunks(count=5))
    ]
    *_, last, loaded = decider.decide(*sent, referring())
    assert reply(last)[1]["state"] == "complete"
    assert reply(loaded)[0] == "area.load.accepted.v1"


def test_a_chunk_that_is_there_changes_nothing() -> None:
    decider = Decider()
    first, *_ = chunks()
    put(decider, first)
    before = dict(decider.documents)
    assert reply(put(decider, first))[1] == reply(put(decider, first))[1]
    changed = {k for k in decider.documents if decider.documents[k] != before.get(k)}
    assert {collection for collection, _ in changed} == {"inbox"}


@pytest.mark.parametrize("changes", [{"size": 9}, {"chunks": 9}, {"chunk": 7, "chunks": 3}])
def test_a_chunk_must_fit_the_others(changes: dict[str, Any]) -> None:
    decider = Decider()
    first, second, _ = chunks()
    put(decider, first)
    assert reply(put(decider, second | changes))[1]["code"] == "object.chunk"


@pytest.mark.parametrize("wrong", [b"other", b"o"])
def test_what_is_something_else_than_was_said_is_refused(wrong: bytes) -> None:
    decider = Decider()
    first, second, third = chunks()
    put(decider, first)
    put(decider, third)
    kind, data = reply(put(decider, second | {"content": b64encode(wrong).decode()}))
    assert (kind, data["code"]) == ("object.put.rejected.v1", "object.digest")
    assert reply(put(decider, second))[1]["state"] == "complete"


@pytest.mark.parametrize("content", ["?", "abc", "ab=c", "", "abcd\n"])
def test_content_that_is_no_base64_is_refused(content: str) -> None:
    (first, *_), decider = chunks(), Decider()
    kind, data = reply(put(decider, first | {"content": content}))
    assert (kind, rules(data)[0][1]) == ("object.put.rejected.v1", "data.content")


def test_a_user_keeps_so_many() -> None:
    decider = Decider()
    for number in range(KEPT_MAX):
        put(decider, chunks(b"{}" + b" " * number, 1)[0])
    assert reply(put(decider, chunks(b"[]", 1)[0]))[1]["code"] == "object.quota"
    decider.now += timedelta(days=1)
    sent = command("object.put.v1", chunks(b"[]", 1)[0], sender="operator", id="later",
                   time=decider.now.isoformat())  # fmt: skip
    (outcome,) = decider.decide(sent)
    assert reply(outcome)[0] == "object.put.accepted.v1"


def test_together_they_have_so_many_bytes() -> None:
    decider = Decider()
    large = 32 * 1024 * 1024
    for name in ("a", "b"):
        one = chunks(name.encode(), 1)[0] | {"size": large, "chunks": 2}
        assert reply(put(decider, one))[0] == "object.put.accepted.v1"
    assert reply(put(decider, chunks(b"c", 1)[0]))[1]["code"] == "object.quota"


def test_an_object_is_deleted_when_its_day_is_over() -> None:
    decider = Decider()
    for one in chunks():
        put(decider, one)
    decider.due()
    assert len(decider.of("object_chunks")) == 3
    decider.now = NOW + timedelta(days=1)
    decider.due()
    assert decider.of("objects") == decider.of("object_chunks") == decider.of("timers") == []
    assert (
        reply(decider.decide(referring(time=decider.now.isoformat()))[0])[1]["code"]
        == "object.missing"
    )


def test_a_command_takes_its_data_from_an_object() -> None:
    decider = Decider()
    for one in chunks():
        put(decider, one)
    (outcome,) = decider.decide(referring())
    kind, data = reply(outcome)
    assert (kind, data["areas"]) == ("area.load.accepted.v1", 2)
    assert ("areas", "gsp-group/_W") in decider.documents
    (again,) = decider.decide(referring())
    assert again.kind == "duplicate"
    (other,) = decider.decide(referring(correlationid="x"))
    assert reply(other)[1]["code"] == "message.id-reused"


def test_its_check_takes_it_too() -> None:
    decider = Decider()
    for one in chunks():
        put(decider, one)
    content = json.loads(referring().body) | {"type": "area.load.check.v1"}
    kind = "area.load.check.v1"
    sent = referring().__class__(body=json.dumps(content).encode(), type=kind, account="operator")
    assert said(decider.ask(sent))[1]["verdict"] == "acceptable"


def test_what_breaks_the_contract_in_an_object_is_named_as_in_a_message() -> None:
    decider = Decider()
    body = json.dumps(boundaries(kind="NO", surplus=1)).encode()
    for one in chunks(body):
        put(decider, one)
    found = rules(reply(decider.decide(referring(body))[0])[1])
    assert {where for _, where in found} == {"data.kind", "data.surplus"}


@pytest.mark.parametrize("body", [b"{", b"[1,2]", b'{}, "x": 1', b"\xff"])
def test_what_is_no_data_is_refused(body: bytes) -> None:
    decider = Decider()
    for one in chunks(body, 1):
        put(decider, one)
    assert reply(decider.decide(referring(body))[0])[0] == "area.load.rejected.v1"


def test_an_object_that_is_not_whole_or_not_there_is_missing() -> None:
    decider = Decider()
    put(decider, chunks()[0])
    assert rules(reply(decider.decide(referring())[0])[1]) == [("object.missing", "dataref")]
    assert rules(reply(decider.decide(referring(b"none", id="l2"))[0])[1]) == [
        ("object.missing", "dataref")
    ]


def test_nobody_finds_anothers_object() -> None:
    decider = Decider()
    decider.documents["users", STRANGER] = user_document(
        STRANGER, roles=["operator"], status="confirmed"
    )
    for one in chunks():
        put(decider, one)
    (outcome,) = decider.decide(referring(sender=STRANGER))
    assert reply(outcome)[1]["code"] == "object.missing"
    assert reply(decider.decide(referring())[0])[0] == "area.load.accepted.v1"


def test_who_may_not_send_it_is_told_that_first() -> None:
    (outcome,) = Decider().decide(referring(sender=PLATFORM))
    assert reply(outcome)[1]["code"] == "sender.role"


def test_data_and_a_reference_together_are_refused_and_so_is_one_on_another_type() -> None:
    decider = Decider()
    both = command("area.load.v1", boundaries(), sender="operator", dataref=f"{OBJECT_URN}0")
    assert reply(decider.decide(both)[0])[1]["code"] == "envelope.unsupported"
    content = json.loads(command(dataref=f"{OBJECT_URN}0").body)
    del content["data"]
    one = referring().__class__(
        body=json.dumps(content).encode(), type="asset.register.v1", account=PLATFORM
    )
    assert "data" in str(rules(reply(decider.decide(one)[0])[1]))
