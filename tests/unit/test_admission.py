"""What becomes of a delivery before anybody decides: one test per row of the table of promises."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.envelope import user_urn
from contracts.findings import FINDINGS_MAX, GOT_LENGTH_MAX
from handlers.admission import Arrival, Delivery, Limits, Refusal, admit
from tests.builders import PLATFORM, STRANGER, asset, command, delivery, envelope
from tests.decider import RULEBOOK
from topology.catalog import contracts_of

CONTRACTS = contracts_of(RULEBOOK.handlers)
SMALL = Limits(body_bytes_max=1000, header_bytes_max=100)


def arrive(given: Delivery, limits: Limits = SMALL) -> Arrival:
    """Admit what has a sender and an id."""
    admitted = admit(given, CONTRACTS, limits)
    assert isinstance(admitted, Arrival), admitted
    return admitted


def refuse(given: Delivery, limits: Limits = SMALL) -> tuple[str, bool, str | None]:
    """Reason, whether a dead letter is kept, and who is told."""
    admitted = admit(given, CONTRACTS, limits)
    assert isinstance(admitted, Refusal), admitted
    assert admitted.finding.rule == f"message.{admitted.reason}"
    assert admitted.finding.expected
    assert admitted.finding.advice
    return admitted.reason, admitted.dead, admitted.tell


def found(given: Delivery, limits: Limits = SMALL) -> list[tuple[str, str]]:
    """Rule and field of what is wrong with an arrival."""
    return [(finding.rule, finding.field) for finding in arrive(given, limits).findings]


def padded(size: int) -> bytes:
    """A valid envelope of exactly so many bytes."""
    body = json.dumps(envelope()).encode()
    return body + b" " * (size - len(body))


def test_valid_command_arrives_with_its_sender_id_and_parsed_data() -> None:
    arrival = arrive(command())
    assert (arrival.user, arrival.id, arrival.findings) == (PLATFORM, "command-1", ())
    assert arrival.message is not None
    assert arrival.message.model_dump(exclude_unset=True) == asset()


def test_further_account_of_a_user_sends_as_that_user() -> None:
    assert arrive(delivery(account=f"{PLATFORM}/reader")).user == PLATFORM


@pytest.mark.parametrize("account", [None, "", "/reader"])
def test_without_identity_nobody_is_told_and_a_dead_letter_is_kept(account: str | None) -> None:
    assert refuse(delivery(account=account)) == ("identity", True, None)


@pytest.mark.parametrize("name", ["CC", "BCC", "cc", "Bcc"])
def test_copies_are_no_identity(name: str) -> None:
    assert refuse(delivery(headers={name: ["elsewhere"]})) == ("identity", True, None)


def test_body_up_to_the_limit_is_read_and_one_byte_more_is_not() -> None:
    assert arrive(delivery(padded(1000))).findings == ()
    assert refuse(delivery(padded(1001))) == ("oversized", False, PLATFORM)


def test_headers_up_to_the_limit_are_taken_and_one_byte_more_is_not() -> None:
    assert arrive(delivery(headers={"trace": "x" * 95})).findings == ()
    assert refuse(delivery(headers={"trace": "x" * 96})) == ("oversized", False, PLATFORM)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no JSON",
        b"\xff\xfe",
        b'{"id": "a"',
        b"[]",
        b'"text"',
        b"null",
        b"12",
        b"[" * 100_000,
        b'{"id":' * 5_000,
        json.dumps(envelope(data={"what": "NEST"}))
        .replace('"NEST"', "[" * 300 + "]" * 300)
        .encode(),
        json.dumps(envelope()).encode("utf-16"),
        json.dumps(envelope()).encode("utf-32"),
        json.dumps(envelope()).encode("utf-8-sig"),
        json.dumps(envelope()).encode() + b"x",
        json.dumps(envelope(data=asset(capability={"power_kw": float("nan")}))).encode(),
        json.dumps(envelope(data={"what": float("inf")})).encode(),
        json.dumps(envelope(data={"what": "NUMBER"})).replace('"NUMBER"', "9" * 5000).encode(),
    ],
    ids=lambda body: repr(body[:20]),
)
def test_undecodable_body_is_told_to_its_sender_and_kept_as_dead_letter(body: bytes) -> None:
    assert refuse(delivery(body), Limits()) == ("undecodable", True, PLATFORM)


@pytest.mark.parametrize("encoding", ["gzip", "utf-16"])
def test_encoded_body_is_undecodable(encoding: str) -> None:
    refused = refuse(delivery(content_encoding=encoding))
    assert refused == ("undecodable", True, PLATFORM)


@pytest.mark.parametrize("encoding", [None, "", "utf-8", "identity"])
def test_no_encoding_has_several_names(encoding: str | None) -> None:
    assert arrive(delivery(content_encoding=encoding)).findings == ()


@pytest.mark.parametrize(
    "given", [None, 7, "", " ", "-x", "a b", "x" * 129, "ü", "a\n", ["a"], {"a": 1}, True]
)
def test_unreadable_id_is_undecodable_and_correlated_by_message_id(given: Any) -> None:
    broken = delivery(envelope(id=given), message_id="transport-1")
    assert refuse(broken) == ("undecodable", True, PLATFORM)
    refusal = admit(broken, CONTRACTS, SMALL)
    assert isinstance(refusal, Refusal)
    assert refusal.correlation == "transport-1"


def test_longest_id_is_readable() -> None:
    assert arrive(delivery(envelope(id="x" * 128))).id == "x" * 128


@pytest.mark.parametrize("message_type", ["asset.explode.v1", "asset.register.v2", "", "…"])
def test_type_that_this_mailbox_does_not_serve_is_told_and_not_kept(message_type: str) -> None:
    assert refuse(delivery(type=message_type)) == ("unknown-type", False, PLATFORM)


def test_source_of_another_is_told_to_the_account_and_kept_as_dead_letter() -> None:
    forged = delivery(envelope(source=user_urn(STRANGER)))
    assert refuse(forged) == ("source", True, PLATFORM)


def test_source_of_another_is_refused_before_its_data_is_looked_at() -> None:
    forged = delivery(envelope(source=user_urn(STRANGER), data={}))
    assert refuse(forged) == ("source", True, PLATFORM)


@pytest.mark.parametrize("given", [7, None, ["urn"]])
def test_source_that_is_no_text_is_a_finding(given: Any) -> None:
    assert found(delivery(envelope(source=given))) == [("field.type", "source")]


def test_missing_source_is_a_finding() -> None:
    unsigned = envelope()
    del unsigned["source"]
    assert found(delivery(unsigned)) == [("field.missing", "source")]


def test_reply_to_of_another_does_not_stop_a_command() -> None:
    assert arrive(delivery(reply_to=f"{STRANGER}.replies")).findings == ()


def test_type_of_the_envelope_must_be_the_routing_key() -> None:
    mismatched = delivery(envelope("asset.update.v1"), type="asset.register.v1")
    assert found(mismatched) == [("envelope.type-mismatch", "type")]


def test_of_a_name_given_twice_the_last_counts_everywhere() -> None:
    text = json.dumps(envelope())
    twice = text.replace('"type": "asset', '"type": "user.register.v1", "type": "asset', 1)
    assert arrive(delivery(twice.encode())).findings == ()
    last = text[:-1] + ', "type": "user.register.v1"}'
    assert found(delivery(last.encode())) == [("envelope.type-mismatch", "type")]


def test_type_mismatch_comes_before_what_is_wrong_with_the_data() -> None:
    mismatched = delivery(envelope("asset.update.v1", {}), type="asset.register.v1")
    assert found(mismatched) == [
        ("envelope.type-mismatch", "type"),
        ("field.missing", "data.asset_type"),
    ]


def test_unknown_field_is_named_wherever_it_is() -> None:
    extra = envelope(data=asset(colour="red", identity={"make": "Acme", "owner": "me"}), mood="x")
    assert found(delivery(extra)) == [
        ("field.unknown", "data.identity.owner"),
        ("field.unknown", "data.colour"),
        ("field.unknown", "mood"),
    ]


def test_all_findings_are_given_at_once_and_unknown_fields_come_last() -> None:
    data = asset(
        colour="red",
        asset_type="xxx",
        lifecycle="retired",
        connection={"mpan_import": "1312345678908", "mpan_export": "13"},
        capability={"power_kw": -1},
        location={"postcode": "nowhere"},
    )
    assert found(delivery(envelope(data=data, specversion="0.3", time="today"))) == [
        ("field.choice", "specversion"),
        ("timestamp.format", "time"),
        ("asset-type.unknown", "data.asset_type"),
        ("field.choice", "data.lifecycle"),
        ("mpan.check-digit", "data.connection.mpan_import"),
        ("mpan.length", "data.connection.mpan_export"),
        ("postcode.format", "data.location.postcode"),
        ("quantity.negative", "data.capability.power_kw"),
        ("field.unknown", "data.colour"),
    ]


def test_findings_are_bounded_in_number_and_length() -> None:
    data = asset(**{f"field_{number}": "x" * 1000 for number in range(200)})
    findings = arrive(delivery(envelope(data=data)), Limits()).findings
    assert len(findings) == FINDINGS_MAX
    assert {len(finding.got) for finding in findings} == {GOT_LENGTH_MAX}


def test_finding_says_what_was_expected_what_came_and_what_to_do() -> None:
    (finding,) = arrive(delivery(envelope(data=asset(lifecycle="retired")))).findings
    assert finding.model_dump() == {
        "rule": "field.choice",
        "field": "data.lifecycle",
        "expected": "'planned' or 'operating'",
        "got": "retired",
        "advice": "Give one of the listed values.",
    }


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("data.what", 2**63),
        ("data.what", -(2**63) - 1),
        ("data.what", 2**200),
        ("data.name", "\ud800"),
        ("data.name", "x\udfff"),
    ],
)
def test_value_that_no_store_can_hold_is_named(path: str, value: Any) -> None:
    data = asset(**{path.removeprefix("data."): value})
    assert found(delivery(envelope(data=data))) == [("value.unstorable", path)]


def test_number_too_large_is_named_beside_everything_else_that_is_wrong() -> None:
    data = asset(capability={"power_kw": 2**70}, asset_type="xxx", colour="red")
    assert found(delivery(envelope(data=data))) == [
        ("value.unstorable", "data.capability.power_kw"),
        ("asset-type.unknown", "data.asset_type"),
        ("field.unknown", "data.colour"),
    ]


@pytest.mark.parametrize("value", [2**63 - 1, -(2**63)])
def test_largest_integers_are_storable(value: int) -> None:
    data = asset(what=value)
    assert found(delivery(envelope(data=data))) == [("field.unknown", "data.what")]


def test_name_of_a_field_that_is_no_text_is_named_by_its_parent() -> None:
    assert found(delivery(envelope(data=asset(**{"\ud800": 1})))) == [("value.unstorable", "data")]


def test_same_bytes_have_the_same_digest_and_other_bytes_another() -> None:
    one, same = arrive(delivery(padded(900))), arrive(delivery(padded(900)))
    assert one.digest == same.digest
    assert one.digest != arrive(delivery(padded(901))).digest


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
ATTRIBUTES = st.dictionaries(
    st.sampled_from([*envelope(), "subject", "expirytime", "onbehalfof", "dataref", "mood"]),
    JSON,
    max_size=4,
)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60), st.sampled_from(["asset.register.v1", "trial.keep.v1", "x"]))
def test_any_bytes_are_admitted_or_refused(body: bytes, message_type: str) -> None:
    assert isinstance(admit(delivery(body, type=message_type), CONTRACTS, SMALL), Arrival | Refusal)


@settings(max_examples=150, deadline=None)
@given(
    ATTRIBUTES,
    st.sampled_from(["utf-8", "ascii"]),
    st.dictionaries(st.sampled_from(sorted(asset())), JSON),
)
def test_any_envelope_is_admitted_or_refused(
    attributes: dict[str, Any], written: str, data: dict[str, Any]
) -> None:
    given = envelope(data=asset(**data)) | attributes
    body = json.dumps(given, ensure_ascii=written == "ascii").encode(errors="surrogatepass")
    assert isinstance(
        admit(delivery(body, type="asset.register.v1"), CONTRACTS, Limits()), Arrival | Refusal
    )


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.text(max_size=8), JSON, max_size=3), st.text(), st.text(), st.text())
def test_any_properties_are_admitted_or_refused(
    headers: dict[str, Any], account: str, message_id: str, reply_to: str
) -> None:
    odd = delivery(account=account, message_id=message_id, reply_to=reply_to, headers=headers)
    assert isinstance(admit(odd, CONTRACTS, SMALL), Arrival | Refusal)
