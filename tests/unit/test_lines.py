"""What a line becomes: bytes to send, or a rejection that says where and why."""

import json
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from workers.cli.keyring import AccountKeys, KeyringError
from workers.cli.lines import (
    Answers,
    Line,
    Rendered,
    Unsendable,
    read_lines,
    references,
    render,
    unserved,
)
from workers.cli.spool import Spool, SpoolError

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
COMPLETE = {
    "specversion": "1.0",
    "id": "one",
    "source": "urn:flexspine:user:operator",
    "type": "asset.get.v1",
    "time": "2026-05-01T12:00:00Z",
    "data": {"id": "BAT-0000-0000-0001-V"},
}


def written(*envelopes: Any) -> bytes:
    return b"".join(json.dumps(envelope).encode() + b"\n" for envelope in envelopes)


def only(content: bytes) -> Line:
    (line,) = read_lines(content)
    return line


def rendered(line: Line, answers: Answers | None = None) -> Rendered:
    result = render(line, answers or Answers(), lambda sender, command: f"{sender}/{command}", NOW)
    assert isinstance(result, Rendered)
    return result


def refused(line: Line, answers: Answers | None = None) -> Unsendable:
    result = render(line, answers or Answers(), lambda _sender, _command: "", NOW)
    assert isinstance(result, Unsendable)
    return result


def answered(command_id: str, data: dict[str, Any]) -> Answers:
    answers = Answers()
    answers.note(command_id, json.dumps({"data": data}).encode())
    return answers


def test_a_complete_line_is_sent_as_it_is() -> None:
    raw = b'{ "specversion":"1.0", "id":"one",  "source":"urn:flexspine:user:operator", '
    raw += b' "time":"2026-05-01T12:00:00Z",  "type":"asset.get.v1",'
    raw += b' "data": {"power_kw": 1.10, "name": "\xc3\xa9"} }'
    assert rendered(only(raw + b"\n")).body == raw


def test_id_time_and_version_are_filled_in_where_they_are_missing() -> None:
    left_out = {"specversion", "id", "time"}
    partial = {name: value for name, value in COMPLETE.items() if name not in left_out}
    first, second = (rendered(only(written(partial))) for _ in range(2))
    envelope = json.loads(first.body)
    assert envelope["time"] == "2026-05-01T12:00:00.000Z"
    assert envelope["id"] == first.id
    assert envelope["specversion"] == "1.0"
    assert first.body == second.body


def test_the_same_text_on_another_line_is_another_command() -> None:
    partial = {name: value for name, value in COMPLETE.items() if name != "id"}
    assert len({rendered(line).id for line in read_lines(written(partial, partial))}) == 2


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (b"{", "line.malformed"),
        (b"[]", "line.malformed"),
        (b'{"data": NaN}', "line.malformed"),
        (b"\xff\xfe", "line.malformed"),
        (b"[" * 100_000, "line.malformed"),
        (b"{}", "line.sender"),
        (b'{"source": "operator", "type": "asset.get.v1"}', "line.sender"),
        (b'{"source": "urn:flexspine:user:", "type": "asset.get.v1"}', "line.sender"),
        (b'{"source": "urn:flexspine:user:operator"}', "line.type"),
        (b'{"source": "urn:flexspine:user:$reply:nobody", "type": "a.b.v1"}', "line.reference"),
    ],
)
def test_what_cannot_be_sent_is_rejected_with_its_number(raw: bytes, rule: str) -> None:
    lines = list(read_lines(b"\n" + raw + b"\n"))
    assert [line.number for line in lines] == [2]
    reply = json.loads(refused(lines[0]).reply(NOW))
    assert reply["type"] == "message.rejected.v1"
    assert reply["subject"] == "line 2"
    assert reply["data"]["code"] == rule
    assert reply["data"]["message"].startswith("line 2: expected")


def test_a_reference_stands_for_the_id_that_a_reply_issued() -> None:
    envelope = COMPLETE | {
        "data": {"id": "$reply:first", "more": [{"note": "about $reply:first."}]}
    }
    line = only(written(envelope))
    result = rendered(line, answered("first", {"id": "USR-1"}))
    assert json.loads(result.body)["data"] == {"id": "USR-1", "more": [{"note": "about USR-1."}]}
    assert result.references == {"first": "USR-1"}
    assert references(line) == {"first", "first."}


def test_a_reference_can_name_the_sender() -> None:
    envelope = COMPLETE | {"source": "urn:flexspine:user:$reply:first"}
    assert rendered(only(written(envelope)), answered("first", {"id": "USR-1"})).sender == "USR-1"


def test_a_reference_to_a_rejected_command_says_so() -> None:
    envelope = COMPLETE | {"data": {"id": "$reply:first"}}
    answers = answered("first", {"code": "user.duplicate"})
    assert "user.duplicate" in refused(only(written(envelope)), answers).finding.got


def test_a_key_is_replaced_by_its_hash_only_where_one_belongs() -> None:
    data = {"account_key_hash": "$key", "name": "$key"}
    body = json.loads(rendered(only(written(COMPLETE | {"data": data}))).body)
    assert body["data"] == {"account_key_hash": "operator/one", "name": "$key"}


def test_a_lone_surrogate_reaches_the_register() -> None:
    raw = b'{"source":"urn:flexspine:user:operator","type":"a.b.v1","data":{"name":"\\ud800"}}'
    assert b"\\ud800" in rendered(only(raw)).body


def test_keys_are_private_and_found_by_the_user_they_became(tmp_path: Path) -> None:
    keys = AccountKeys(tmp_path / "new")
    assert len(keys.key_hash("front-desk", "one")) == 48
    keys.issued("front-desk", "one", "USR-1")
    key = keys.password("USR-1")
    keys.key_hash("front-desk", "one")
    keys.issued("front-desk", "one", "USR-1")
    keys.issued("front-desk", "without-key", "USR-2")
    assert key is not None
    assert AccountKeys(tmp_path / "new").password("USR-1") == key
    assert keys.password("USR-2") is None
    assert stat.S_IMODE((tmp_path / "new" / "keyring.json").stat().st_mode) == 0o600


def test_a_broken_keyring_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "keyring.json").write_text("{")
    with pytest.raises(KeyringError, match="Restore"):
        AccountKeys(tmp_path).key_hash("operator", "one")
    assert (tmp_path / "keyring.json").read_text() == "{"


def test_a_type_that_nobody_serves_is_refused_by_its_nearest_name() -> None:
    types = ["asset.get.v1", "user.register.v1"]
    assert unserved(only(written(COMPLETE)), types) is None
    refusal = unserved(only(written(COMPLETE | {"type": "user.regster.v1"})), types)
    assert refusal is not None
    data = json.loads(refusal.reply(NOW))["data"]
    assert data["code"] == "message.unknown-type"
    assert "such as user.register.v1" in data["message"]
    assert "`flexspine schema` lists them" in data["message"]


def test_spooled_bytes_are_sent_again(tmp_path: Path) -> None:
    line = only(written({name: value for name, value in COMPLETE.items() if name != "time"}))
    first = rendered(line)
    with Spool(tmp_path) as spool:
        assert spool.kept(line, Answers()) is None
        assert spool.keep(first) == first
    with Spool(tmp_path) as spool:
        assert spool.kept(line, Answers()) == first
    (path,) = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_same_reply_again_is_known_and_another_is_not(tmp_path: Path) -> None:
    one, other = read_lines(written(COMPLETE, COMPLETE | {"id": "other"}))
    with Spool(tmp_path) as spool:
        assert not spool.answered(one, b"first")
        assert not spool.answered(other, b"first")
    with Spool(tmp_path) as spool:
        assert spool.answered(one, b"first")
        assert not spool.answered(one, b"second")
        assert spool.answered(one, b"second")


def test_correcting_one_line_leaves_the_bytes_of_the_others(tmp_path: Path) -> None:
    timeless = {name: value for name, value in COMPLETE.items() if name != "time"}
    kept, wrong, right = (timeless | {"id": name} for name in ("kept", "wrong", "right"))
    with Spool(tmp_path) as spool:
        first = [spool.keep(rendered(line)) for line in read_lines(written(wrong, kept))]
    with Spool(tmp_path) as spool:
        corrected, untouched = read_lines(written(right, kept))
        assert spool.kept(corrected, Answers()) is None
        found = spool.kept(untouched, Answers())
        assert found is not None
        assert found.body == first[1].body


def test_the_same_id_for_other_words_or_another_sender_is_another_message(tmp_path: Path) -> None:
    line = only(written(COMPLETE))
    with Spool(tmp_path) as spool:
        spool.keep(rendered(line))
        for changed in ({"data": {"id": "other"}}, {"source": "urn:flexspine:user:front-desk"}):
            assert spool.kept(only(written(COMPLETE | changed)), Answers()) is None


def test_a_line_without_an_id_belongs_to_its_file_and_row(tmp_path: Path) -> None:
    partial = {name: value for name, value in COMPLETE.items() if name != "id"}
    with Spool(tmp_path) as spool:
        spool.keep(rendered(only(written(partial))))
        assert spool.kept(only(written(partial)), Answers()) is not None
        assert spool.kept(only(b"\n" + written(partial)), Answers()) is None


def test_the_spool_of_another_register_is_not_used(tmp_path: Path) -> None:
    line = only(written(COMPLETE | {"data": {"id": "$reply:first"}}))
    then, now = answered("first", {"id": "USR-1"}), answered("first", {"id": "USR-2"})
    with Spool(tmp_path) as spool:
        spool.keep(rendered(line, then))
        assert spool.kept(line, then) is not None
        assert spool.kept(line, now) is None
        spool.keep(rendered(line, now))
        assert spool.kept(line, then) is None
        assert spool.kept(line, now) == rendered(line, now)


def test_two_processes_send_one_line_as_the_same_bytes(tmp_path: Path) -> None:
    line = only(written({name: value for name, value in COMPLETE.items() if name != "time"}))
    first = rendered(line)
    later = replace(first, body=first.body.replace(b"12:00", b"12:01"))
    assert later.body != first.body
    with Spool(tmp_path) as one, Spool(tmp_path) as other:
        assert one.keep(first) == first
        assert other.keep(later) == first


def test_a_spool_that_cannot_be_read_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "spool.sqlite").write_bytes(b"no database" * 100)
    with Spool(tmp_path) as spool, pytest.raises(SpoolError, match=r"spool\.sqlite"):
        spool.kept(only(written(COMPLETE)), Answers())
