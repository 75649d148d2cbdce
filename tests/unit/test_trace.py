"""Trace context is passed on as it came, or not at all."""

import pytest

from contracts.trace import trace_of
from handlers.admission import Delivery
from handlers.letters import Letter
from outbox.record import OutboxRecord
from tests.builders import NOW, PLATFORM, command
from tests.decider import VAULT, Decider
from workers.store.codec import decode, encode_row

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.mark.parametrize(
    "parent",
    [
        None,
        7,
        b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "",
        PARENT.upper(),
        f"{PARENT}\n",
        f"{PARENT}-extra",
        PARENT.replace("00-", "ff-", 1),
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
    ],
)
def test_a_malformed_parent_is_left_out_with_its_state(parent: object) -> None:
    assert trace_of({"traceparent": parent, "tracestate": "vendor=1"}) == ()


@pytest.mark.parametrize("state", [None, 7, "", "v=\n", "v=é", "v=" + "x" * 511])
def test_a_malformed_state_leaves_the_parent(state: object) -> None:
    assert trace_of({"traceparent": PARENT, "tracestate": state}) == (("traceparent", PARENT),)


def test_a_state_is_passed_on_unread() -> None:
    headers = {"tracestate": "a=1,b=2", "traceparent": PARENT, "other": "x"}
    assert trace_of(headers) == (("traceparent", PARENT), ("tracestate", "a=1,b=2"))


def test_reply_and_event_belong_to_the_trace_of_their_command() -> None:
    given = command()
    traced = Delivery(given.body, given.type, given.account, headers={"traceparent": PARENT})
    (outcome,) = Decider().decide(traced)
    assert [letter.kind for letter in outcome.letters] == ["domain", "reply"]
    assert {letter.trace for letter in outcome.letters} == {(("traceparent", PARENT),)}


def test_an_answer_given_again_belongs_to_the_trace_of_the_repeat() -> None:
    """The bytes are the first answer's; whose wish they follow is said beside them."""
    decider, given = Decider(), command()
    (first,) = decider.decide(given)
    again = Delivery(given.body, given.type, given.account, headers={"traceparent": PARENT})
    (second,) = decider.decide(again)
    assert [letter.body for letter in second.letters] == [first.letters[-1].body]
    assert second.letters[0].trace == (("traceparent", PARENT),)


def test_the_outbox_keeps_it() -> None:
    letter = Letter("domain", "e", "asset.updated.v1", b"{}", trace=(("traceparent", PARENT),))
    record = OutboxRecord.of(letter, "lane/1/0/0")
    row = decode(encode_row(record.row(VAULT.seal_transit) | {"at": NOW}))
    assert OutboxRecord.of_row(row, VAULT.open_transit) == record
    plain = OutboxRecord.of(Letter("domain", PLATFORM, "a.b.v1", b"{}"), "lane/1/0/1")
    assert "trace" not in plain.row(VAULT.seal_transit)
