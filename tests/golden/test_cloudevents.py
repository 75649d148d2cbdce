"""What travels is CloudEvents 1.0 to others too: their package reads ours, and we read theirs."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import pytest
from cloudevents.core.exceptions import CloudEventValidationError
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

from contracts.envelope import BACKBONE_URN, CONTENT_TYPE, user_urn
from handlers.admission import Arrival, Limits, admit
from handlers.collection import collect
from handlers.letters import Letter
from tests.builders import NOW, PLATFORM, asset, command, delivery
from tests.decider import RULEBOOK, VAULT, Decider, reply
from tests.golden.test_asyncapi import MESSAGES, payload
from topology.catalog import contracts_of

FORMAT: Final = JSONFormat()


def refused(given: Any) -> Letter:
    letter = Letter.refusal(given, VAULT, NOW)
    assert letter is not None
    return letter


def letters() -> Iterator[tuple[str, Letter]]:
    """One of each kind that the backbone sends."""
    decider = Decider()
    (accepted,) = decider.decide(command("asset.register.v1", asset()))
    for letter in accepted.letters:
        yield ("event" if letter.kind == "domain" else "accepted"), letter
    (rejected,) = decider.decide(command(id="command-2", data=asset(asset_type="XXX")))
    yield "rejected", rejected.letters[0]
    (held,) = decider.decide(command("trial.crash.v1", {}, id="command-3"))
    yield "held", held.letters[0]
    asset_id = reply(accepted)[1]["id"]
    for name, question in {
        "answer": command("asset.get.v1", {"id": asset_id}, id="query-1"),
        "no answer": command("asset.get.v1", {"id": "BAT-0000-0000-0001-V"}, id="query-2"),
        "check": command("asset.register.check.v1", asset(identity=None), id="check-1"),
    }.items():
        answered = decider.ask(question)
        assert answered is not None
        yield name, answered
    admitted = admit(delivery(b"{", type="nonsense"), contracts_of(RULEBOOK.handlers), Limits())
    yield "unread", refused(admitted)
    death = [{"reason": "delivery_limit", "queue": "mailbox.assets.0", "routing-keys": ["x"]}]
    yield "unread and held", refused(collect(delivery(headers={"x-death": death}), Limits()))


LETTERS: Final = list(letters())


def test_there_is_one_of_each_kind() -> None:
    outcomes = {letter.type.split(".")[-2] for _, letter in LETTERS}
    assert outcomes == {"accepted", "rejected", "held", "registered"}
    assert {"message.rejected.v1", "message.held.v1"} <= {letter.type for _, letter in LETTERS}


@pytest.mark.parametrize(("name", "letter"), LETTERS, ids=[name for name, _ in LETTERS])
def test_their_package_reads_what_we_send(name: str, letter: Letter) -> None:
    event = FORMAT.read(CloudEvent, letter.body)
    said = json.loads(letter.body)
    assert (event.get_specversion(), event.get_source()) == ("1.0", BACKBONE_URN)
    assert (event.get_type(), event.get_id()) == (letter.type, said["id"])
    assert event.get_time() == NOW
    assert event.get_datacontenttype() == "application/json"
    assert event.get_data() == said["data"]
    assert event.get_extension("correlationid") == said.get("correlationid")
    assert json.loads(FORMAT.write(event)).keys() == said.keys()


@pytest.mark.parametrize(("name", "letter"), LETTERS, ids=[name for name, _ in LETTERS])
def test_what_we_send_is_what_we_publish(name: str, letter: Letter) -> None:
    if letter.type in MESSAGES:
        payload(letter.type).validate(json.loads(letter.body))
    else:
        # Of the register that exists in tests alone, whose answer has a published twin.
        assert letter.type == "trial.crash.held.v1"
        twin = json.loads(letter.body) | {"type": "message.held.v1"}
        payload("message.held.v1").validate(twin)


def test_their_package_is_no_yes_man() -> None:
    said = json.loads(LETTERS[0][1].body)
    for spoilt in ({"specversion": "2.0"}, {"correlation_id": "x"}, {"id": ""}, {"source": None}):
        with pytest.raises(CloudEventValidationError):
            FORMAT.read(CloudEvent, json.dumps(said | spoilt))


def theirs(**attributes: Any) -> bytes:
    """A command that their package has made."""
    given = {
        "id": "command-1",
        "source": user_urn(PLATFORM),
        "type": "asset.register.v1",
        "specversion": "1.0",
        "time": NOW - timedelta(seconds=1),
        **attributes,
    }
    return FORMAT.write(CloudEvent(given, asset()))


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"datacontenttype": "application/json", "subject": "mine"},
        {"dataschema": "urn:flexspine:schema:asset.register.v1", "causationid": "before"},
    ],
)
def test_we_read_what_their_package_writes(attributes: dict[str, Any]) -> None:
    assert FORMAT.get_content_type() == CONTENT_TYPE
    admitted = admit(delivery(theirs(**attributes)), contracts_of(RULEBOOK.handlers), Limits())
    assert isinstance(admitted, Arrival)
    assert admitted.findings == ()
    (outcome,) = Decider().decide(delivery(theirs(**attributes)))
    assert reply(outcome)[0] == "asset.register.accepted.v1"
