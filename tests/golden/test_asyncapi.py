"""The published AsyncAPI document: read by the official parser, and true of real messages."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from contracts.envelope import BACKBONE_URN, user_urn
from contracts.messages import reply_type
from handlers import accounts, notices
from tests.golden.test_pages import TAKEN
from tests.servers import absent
from topology import names
from topology.asyncapi import document
from topology.catalog import build
from topology.render import OUTCOMES, schemas, written

ROOT: Final = Path(__file__).parents[2]
READER: Final = ROOT / "tests" / "golden" / "parser" / "read.cjs"
PARSER: Final = ROOT / ".venv" / "parser" / "node_modules"
ENTRIES: Final = build()
DOCUMENT: Final = document(ENTRIES, "1.2.3")
MESSAGES: Final[Mapping[str, Any]] = DOCUMENT["components"]["messages"]
ERROR: Final = 0
"""The parser's most severe kind; 1 is a warning."""


def said(path: Path) -> dict[str, Any]:
    """What the parser says of a document."""
    node = shutil.which("node")
    if node is None or not PARSER.is_dir():
        absent("expected Node.js and npm's @asyncapi/parser; got none; to do: .ci/node")
    done = subprocess.run(  # noqa: S603 - the program that was found, and our own script
        [str(node), str(READER), str(path)],
        env=os.environ | {"NODE_PATH": str(PARSER)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.timeout(1200)
def test_the_official_parser_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "asyncapi.json"
    file.write_text(json.dumps(DOCUMENT))
    answer = said(file)
    serious = [one for one in answer["diagnostics"] if one["severity"] <= ERROR + 1]
    assert serious == [], json.dumps(serious, indent=2)
    assert sorted(answer["operations"]) == sorted(DOCUMENT["operations"])


def test_the_parser_would_see_a_fault(tmp_path: Path) -> None:
    """A message of no channel: without this, a parser that says nothing would look content."""
    # Of two modules only: what the parser takes grows faster than what it reads.
    broken = json.loads(json.dumps(document(build((accounts, notices)), "1.2.3")))
    broken["operations"]["receive.replies"]["messages"] = [{"$ref": "#/channels/none/messages/x"}]
    file = tmp_path / "asyncapi.json"
    file.write_text(json.dumps(broken))
    assert ERROR in {one["severity"] for one in said(file)["diagnostics"]}


def references(node: object) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == "$ref":
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for one in node:
            yield from references(one)


def test_every_reference_leads_somewhere() -> None:
    for reference in set(references(DOCUMENT)):
        place: Any = DOCUMENT
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def test_there_is_a_message_for_every_schema_that_is_published() -> None:
    assert MESSAGES.keys() == schemas(ENTRIES).keys() - {"envelope"}


@pytest.mark.parametrize("name", ENTRIES)
def test_every_request_has_its_operation_roles_and_answers(name: str) -> None:
    operation = DOCUMENT["operations"][f"send.{name}"]
    assert operation["x-senders"] == list(ENTRIES[name].senders)
    assert [one["$ref"].rpartition("/")[2] for one in operation["reply"]["messages"]] == [
        reply_type(name, outcome) for outcome in OUTCOMES
    ]
    bulk = DOCUMENT["operations"][f"bulk.{name}"]
    assert bulk["channel"] == {"$ref": "#/channels/bulk"}
    rest = {"summary", "description", "x-senders", "reply", "tags", "bindings", "action"}
    assert all(bulk[key] == operation[key] for key in rest)


def test_channels_are_where_the_topology_says() -> None:
    amqp = {name: one["bindings"]["amqp"] for name, one in DOCUMENT["channels"].items()}
    assert amqp["commands"]["exchange"]["name"] == names.COMMANDS
    assert amqp["bulk"]["exchange"]["name"] == names.BULK
    assert {name: amqp[name]["queue"]["name"] for name in ("replies", "events", "domain")} == {
        "replies": "{user}.replies",
        "events": "{user}.events",
        "domain": "operator.domain",
    }


def test_no_message_is_unexplained() -> None:
    assert [name for name, one in MESSAGES.items() if not one["description"]] == []


@pytest.mark.parametrize("name", MESSAGES)
def test_payload_is_a_schema_of_its_dialect(name: str) -> None:
    Draft7Validator.check_schema(MESSAGES[name]["payload"])


def test_shared_schemas_are_of_their_dialect() -> None:
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft7Validator.check_schema(schema)
    for message in MESSAGES.values():
        Draft7Validator.check_schema(message["headers"])


def payload(name: str) -> Draft7Validator:
    """The payload's validator; the rest of the document is there for its references."""
    whole = {"components": DOCUMENT["components"], "allOf": [MESSAGES[name]["payload"]]}
    return Draft7Validator(whole)


def request(name: str, data: Mapping[str, Any], **attributes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": "one",
        "source": user_urn("operator"),
        "type": name,
        "time": "2026-01-02T03:04:05Z",
        "data": data,
    } | attributes


@pytest.mark.parametrize(("name", "data"), TAKEN)
def test_payload_takes_what_the_contract_takes(name: str, data: dict[str, Any]) -> None:
    payload(name).validate(request(name, data))
    payload(name).validate(
        request(name, data, onbehalfof="mine", datacontenttype="application/json")
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "user.get.v1"},
        {"source": BACKBONE_URN},
        {"source": None},
        {"colour": "red"},
        {"data": {"id": "BAT"}},
        {"data": {}},
        {"id": "spaces in it"},
        {"specversion": "0.3"},
    ],
)
def test_payload_refuses_another_envelope(changes: dict[str, Any]) -> None:
    message = request("asset.get.v1", {"id": "BAT-0000-0000-0001-V"})
    payload("asset.get.v1").validate(message)
    assert not payload("asset.get.v1").is_valid(message | changes)


@pytest.mark.parametrize("name", dict(written(ENTRIES)))
def test_what_the_backbone_sends_comes_from_the_backbone(name: str) -> None:
    (source,) = [MESSAGES[name]["payload"]["properties"]["source"]]
    assert source == {"const": BACKBONE_URN}


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", True),
        ("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", False),
        ("4bf92f3577b34da6a3ce929d0e0e4736", False),
    ],
)
def test_trace_context_is_that_of_the_w3c(text: str, fits: bool) -> None:  # noqa: FBT001
    headers = Draft7Validator(MESSAGES["asset.get.v1"]["headers"])
    assert headers.is_valid({"traceparent": text, "tracestate": "vendor=1"}) is fits
    assert headers.is_valid({})


def test_the_two_dialects_ask_for_the_same() -> None:
    """The data of the older draft's payload and the newer draft's schema judge alike."""
    published = schemas(ENTRIES)
    for name, data in TAKEN:
        for spoilt in (data, {**data, "colour": "red"}, {}):
            newer = Draft202012Validator(published[name]).is_valid(spoilt)
            assert payload(name).is_valid(request(name, spoilt)) is newer


def test_the_version_is_the_program_s() -> None:
    assert DOCUMENT["info"]["version"] == "1.2.3"
    assert re.fullmatch(r"3\.0\.\d", DOCUMENT["asyncapi"])
