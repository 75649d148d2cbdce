"""How a collector is reached: what of OpenTelemetry's own variables cannot be is said at start."""

import logging
from pathlib import Path

import certifi
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.util.re import parse_env_headers

from workers.collecting import HEADER, faults
from workers.settings import Settings, SettingsError

URL = "https://collector.example/v1/traces"
PARTS = st.text(
    st.sampled_from("aZ09 \t=:;/\\\"'()<>[]{}@?%!~é-_.^`|&$#*+"), min_size=1, max_size=8
)


@given(PARTS.map(str.strip).filter(bool))
def test_a_header_is_taken_where_the_package_takes_it(part: str) -> None:
    logging.getLogger("opentelemetry.util.re").setLevel(logging.CRITICAL)
    assert bool(HEADER.fullmatch(part)) == bool(parse_env_headers(part, liberal=True))


@pytest.mark.parametrize(
    "headers", ["", "authorization=Bearer hunter2", "a=1, b=x=y,", "api-key=%22hunter2%22"]
)
def test_headers_that_can_be_sent_are_no_fault(headers: str) -> None:
    assert faults({"OTEL_EXPORTER_OTLP_HEADERS": headers}) == []


def test_a_header_that_is_none_is_said_by_its_number_and_without_its_value() -> None:
    (fault,) = faults({"OTEL_EXPORTER_OTLP_HEADERS": "tenant=a,Authorization: Bearer hunter2"})
    assert fault.startswith(
        "expected OTEL_EXPORTER_OTLP_HEADERS of name=value with commas between, "
        "got something else as number 2 of 2; write = behind the name"
    )
    assert "hunter2" not in fault


def test_what_is_for_traces_alone_goes_first() -> None:
    given = {"OTEL_EXPORTER_OTLP_HEADERS": "a: 1", "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "a=1"}
    assert faults(given) == []
    (fault,) = faults(
        {"OTEL_EXPORTER_OTLP_HEADERS": "a=1", "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "a"}
    )
    assert "OTEL_EXPORTER_OTLP_TRACES_HEADERS" in fault


@pytest.mark.parametrize("what", ["CERTIFICATE", "CLIENT_CERTIFICATE"])
def test_certificates_that_cannot_be_read_are_said_with_their_file(
    what: str, tmp_path: Path
) -> None:
    name, away, odd = f"OTEL_EXPORTER_OTLP_{what}", tmp_path / "away.pem", tmp_path / "odd.pem"
    odd.write_text("no certificate")
    for path, why in ((away, "FileNotFoundError"), (odd, "SSLError")):
        (fault,) = faults({name: str(path)})
        assert fault == (
            f"expected {name} in PEM, without a password, got {str(path)!r} and {why}; "
            "name what this process can read"
        )


def test_a_key_that_cannot_be_read_is_said_with_its_certificate(tmp_path: Path) -> None:
    own, key = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_KEY"
    (fault,) = faults({own: certifi.where(), key: str(tmp_path / "away")})
    assert fault.startswith(f"expected {own} and {key} in PEM, without a password, got ")
    assert str(tmp_path / "away") in fault


def test_certificates_that_can_be_read_are_no_fault(tmp_path: Path) -> None:
    for path in (certifi.where(), str(tmp_path)):
        assert faults({"OTEL_EXPORTER_OTLP_CERTIFICATE": path}) == []


def test_a_fault_stops_the_start_where_there_is_a_collector(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "Authorization: hunter2")
    Settings.read()
    with pytest.raises(SettingsError, match="expected OTEL_EXPORTER_OTLP_HEADERS"):
        Settings.read(spans_url=URL)
