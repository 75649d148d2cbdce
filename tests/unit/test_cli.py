"""What the command line says before it asks anybody: one sentence for what cannot be used."""

import fcntl
import io
import json
import os
import subprocess
import sys
from base64 import b64encode
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console, Group
from rich.table import Table
from typer.testing import CliRunner

from topology import names
from workers.addresses import Addresses
from workers.alarms import Glance, Lane, Queue
from workers.backup import BadBackup, read_manifest
from workers.cli.asking import _check_events, _read
from workers.cli.client import LoginFailed, NothingToWatch
from workers.cli.dead import _groups, _letters
from workers.cli.dead_runs import _hints
from workers.cli.dead_shown import shown
from workers.cli.input import FileFault, lines_of
from workers.cli.keyring import AccountKeys
from workers.cli.lines import Answers, Line, Rendered, render
from workers.cli.main import build
from workers.cli.mappings import MappingError, TableMapping
from workers.cli.occupancy import Occupied, occupied
from workers.cli.outcomes import remarks, summary, table
from workers.cli.place import Place
from workers.cli.sending import Settled, _settled
from workers.cli.spool import Spool
from workers.cli.status import _told
from workers.cli.status import shown as status_shown
from workers.glancing import served
from workers.settings import Settings
from workers.store.faults import away
from workers.vault import Vault

TERMINAL = 40
"""Lines of one that is not large."""
TABLE = "Customer Name,Connection Status,Energy Source 1,Country\r\nA,Connected,Solar,England\r\n"


def line(number: int) -> Line:
    return Line("scope", number, f"line {number}", {"type": "asset.get.v1"})


def file_of(folder: Path, text: str) -> str:
    (folder / "file").write_text(text)
    return str(folder / "file")


def place_of(settings: Settings, keys: AccountKeys) -> Place:
    addresses = Addresses("amqp://a", "http://b", "mongodb://c")
    return Place(settings, addresses, Vault(bytes(32)), keys)


def test_a_folder_has_one_up(tmp_path: Path) -> None:
    second = pytest.raises(Occupied, match=rf"\(pid {os.getpid()}\).*flexspine work")
    with occupied(tmp_path), second:
        occupied(tmp_path).__enter__()
    with occupied(tmp_path):
        pass


def test_a_killed_up_leaves_the_folder_free(tmp_path: Path) -> None:
    holding = (
        "import os, signal, sys; from pathlib import Path;"
        "from workers.cli.occupancy import occupied;"
        "occupied(Path(sys.argv[1])).__enter__();"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", holding, str(tmp_path)]
    subprocess.run(command, cwd=root, check=False, timeout=30)  # noqa: S603 - our own words
    assert int((tmp_path / "up.lock").read_text()) > 0
    with occupied(tmp_path), (tmp_path / "up.lock").open() as lock:
        assert int(lock.read()) == os.getpid()
        with pytest.raises(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_table_without_its_mapping_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        FileFault, match=r"--mapping, out of chicago, ecr, ncr, repd, repd-projects"
    ):
        lines_of(file_of(tmp_path, TABLE), None)


def test_one_bad_line_is_still_a_line(tmp_path: Path) -> None:
    assert len(lines_of(file_of(tmp_path, "nonsense\n{}\n"), None)) == 2
    assert len(lines_of(file_of(tmp_path, "{\n"), None)) == 1


@pytest.mark.parametrize("text", ['{"type": "asset.get.v1"}\n', "a,b\r\n1,2\r\n", '"a"b,c\r\n'])
def test_a_mapping_wants_its_columns(tmp_path: Path, text: str) -> None:
    with pytest.raises(MappingError, match="--mapping"):
        lines_of(file_of(tmp_path, text), "ecr")


def test_an_absent_file_is_said_without_a_number(tmp_path: Path) -> None:
    with pytest.raises(FileFault, match="No such file or directory") as caught:
        lines_of(str(tmp_path / "absent"), None)
    assert "Errno" not in str(caught.value)


def test_a_table_is_mapped_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = file_of(tmp_path, TABLE)
    with Spool(tmp_path / "new") as spool:
        first = lines_of(file, "ecr", spool)
    monkeypatch.delattr(TableMapping, "lines")
    with Spool(tmp_path / "new") as spool:
        assert lines_of(file, "ecr", spool) == first
    told = "column 'Country' has no field here: its value in 1 row is not sent"
    assert capsys.readouterr().err.count(told) == 2


def test_what_is_unanswered_is_told_once_with_its_lines() -> None:
    silent = [Settled(line(n), "unanswered", "silence", "no answer") for n in range(1, 13)]
    refused = Settled(line(13), "rejected", "field.missing", "give it")
    shown = ", ".join(f"line {n}" for n in range(1, 11))
    assert remarks([*silent, refused]) == [
        "line 13: give it",
        f"{shown} … and 2 more: no answer",
    ]


def test_what_was_answered_before_is_said_of_each_line() -> None:
    early, late = "2026-11-29T20:00:00Z", "2026-11-29T21:00:00Z"
    settled = [Settled(line(n), "accepted", answered_at=at) for n, at in ((1, late), (2, early))]
    (said,) = remarks(settled)
    assert said.startswith(f"all answered before, the first at {early} (line 1, line 2): ")
    assert "nothing was done again" in said
    assert "--anew" in said
    settled.append(Settled(line(3), "accepted"))
    assert remarks(settled[1:])[0].startswith(f"1 of 2 answered before, at {early} (line 2): ")
    assert remarks(settled[2:]) == []
    counts = Counter((one.type, one.result, one.code) for one in settled)
    told = summary(settled, counts)
    (row,) = told["outcomes"]
    assert (row["commands"], row["answered_before"]) == (3, 2)
    assert told["answered_before"][0] == {"line": "line 1", "at": late}
    assert "answered before" in printed(table(settled, counts))
    assert "answered before" not in printed(table(settled[2:], counts))


def test_anew_a_line_without_an_id_is_another_command(tmp_path: Path) -> None:
    given = {"source": "urn:flexspine:user:operator", "type": "user.get.v1"}
    file = file_of(tmp_path, f"{json.dumps(given)}\n{json.dumps(given | {'id': 'mine'})}\n")
    place = place_of(Settings(folder=tmp_path), AccountKeys(tmp_path))
    plain, other = (_read(place, file, None, again=again) for again in (False, True))
    assert [one.envelope for one in plain] == [one.envelope for one in other]
    assert plain[0].derived() != other[0].derived()
    with Spool(tmp_path) as spool:
        for one in plain:
            made = render(one, Answers(), lambda *_: "", datetime.now(UTC))
            assert isinstance(made, Rendered)
            spool.keep(made)
        assert [spool.kept(one, Answers()) is None for one in other] == [True, False]
    with pytest.raises(FileFault, match="without: the next issue"):
        _read(place, file, "ecr", again=True)


def test_the_front_desk_and_strangers_have_no_events_here(tmp_path: Path) -> None:
    keys = AccountKeys(tmp_path)
    keys.key_hash("operator", "ann")
    keys.issued("operator", "ann", "USR-1")
    assert keys.users() == ["USR-1"]
    _check_events("USR-1", keys.users())
    with pytest.raises(NothingToWatch, match="front-desk has no events"):
        _check_events("front-desk", keys.users())
    with pytest.raises(NothingToWatch, match=r"\(operator, USR-1\), got USR-2"):
        _check_events("USR-2", keys.users())


def test_the_summary_has_types() -> None:
    assert next(column.header for column in table([], Counter()).columns) == "type"


def printed(table: Table | Group) -> str:
    """What a terminal of the usual width shows."""
    shown = io.StringIO()
    Console(file=shown, width=80, markup=False).print(table)
    return shown.getvalue()


def cells(shown: str) -> list[str]:
    """The row under the head, each cell with its lines put together again."""
    lines = [line.strip("│").split("│") for line in shown.splitlines() if line.startswith("│")]
    assert all(line.endswith("│") for line in shown.splitlines() if line.startswith("│"))
    return ["".join("".join(parts).split()) for parts in zip(*lines, strict=True)]


def test_ids_and_fingerprints_are_shown_whole() -> None:
    letter, group = f"20261129T170000000-{'0123456789abcdef' * 2}", "0123456789abcdef"
    kind, place = "asset.register.v1", "handlers/assets.py:register_asset:120"
    said = {"reason": "delivery-limit", "type": kind, "exception": "ZeroDivisionError"}
    listed = {"id": letter, "state": "failed-again", "account": "USR-1", "times": 2, **said}
    counted = {"fingerprint": group, "top": place, "counts": {"failed-again": 2}, **said}
    assert letter in printed(_letters([listed]))
    assert f"{kind}, USR-1" in printed(_letters([listed]))
    assert group in printed(_groups([counted]))


def test_nothing_of_letters_and_groups_is_cut_at_the_usual_width() -> None:
    """What does not fit goes on in the next line of its own column."""
    said = {
        "reason": "delivery-limit",
        "type": "asset.register.v1",
        "exception": "ZeroDivisionError",
    }
    account, place = "USR-1234-5678-9012-A", "handlers/assets.py:register_asset:120"
    letter = f"20261129T170000000-{'0123456789abcdef' * 2}"
    listed = {"id": letter, "state": "failed-again", "account": account, "times": 2, **said}
    counts = {"discarded": 11, "failed-again": 2, "open": 130}
    counted = {"fingerprint": "0123456789abcdef", "top": place, "counts": counts, **said}
    whole = cells(printed(_letters([listed])))
    assert whole[1] == "failed-again,2xdelivery-limit:ZeroDivisionError"
    whole = cells(printed(_groups([counted])))
    told = ("0123456789abcdef", *said.values(), place, "11discarded,2failed-again,130open")
    assert whole == list(told)


@pytest.mark.parametrize(
    "words",
    [
        ["show", "nope"],
        ["note", "nope", "words"],
        ["edit", "nope", "--data", "new.json", "--why", "x"],
        ["replay", "--id", "nope", "--why", "x"],
        ["discard", "--id", "nope", "--why", "x"],
        ["list", "--id", "nope"],
        ["export", "--id", "nope", "--to", "letters.jsonl"],
    ],
)
def test_what_is_no_id_of_a_letter_is_told_where_there_are_some(words: list[str]) -> None:
    said = CliRunner(env={"TERM": "dumb", "COLUMNS": "200"}).invoke(build(), ["dead", *words])
    assert said.exit_code == 2
    assert "expected an id from `flexspine dead list`, all of it, got nope" in said.output
    assert "pattern" not in said.output


def test_an_export_does_not_write_over_a_file_without_a_word(tmp_path: Path) -> None:
    file = file_of(tmp_path, "letters of yesterday")
    said = CliRunner().invoke(build(), ["dead", "export", "--to", file])
    assert isinstance(said.exception, FileFault)
    assert "--force" in str(said.exception)
    assert Path(file).read_text() == "letters of yesterday"


def test_what_failed_again_is_told_with_where_to_look() -> None:
    good, bad = {"resolved": 2}, {"failed-again": 1}
    assert _hints({"id": "r", "counts": good, "outcomes": {"accepted": 2}}, {}) == []
    assert _hints({"id": "r", "counts": bad}, {"id": "one"}) == ["why: flexspine dead show one"]
    assert "--run r --state failed-again" in _hints({"id": "r", "counts": good | bad}, {})[0]
    refused = {"id": "r", "counts": good, "outcomes": {"accepted": 1, "rejected": 1}}
    assert "--run r --state resolved" in _hints(refused, {})[0]


def test_a_refusal_is_told_with_its_advice() -> None:
    first, second = ({"rule": rule, "advice": f"Mend {rule}."} for rule in ("a.b", "c.d"))
    data = {"code": "a.b", "message": "a.b: expected x, got y.", "findings": [first, second]}
    reply = json.dumps({"type": "asset.get.rejected.v1", "data": data}).encode()
    assert _settled(line(1), reply, is_known=False).message == "a.b: expected x, got y. Mend a.b."


def test_a_folder_that_is_not_there_is_no_broken_copy(tmp_path: Path) -> None:
    with pytest.raises(BadBackup, match="got no folder"):
        read_manifest(tmp_path / "absent", Vault(bytes(32)))
    with pytest.raises(BadBackup, match="was broken off"):
        read_manifest(tmp_path, Vault(bytes(32)))


def test_who_has_no_key_here_is_told_whose_there_are(tmp_path: Path) -> None:
    keys, settings = AccountKeys(tmp_path), Settings(folder=tmp_path)
    for number in range(10, 20):
        keys.key_hash("operator", f"{number}")
        keys.issued("operator", f"{number}", f"USR-{number}")
    place = place_of(settings, keys)
    shown = ", ".join([names.OPERATOR, names.FRONT_DESK, *keys.users()[:8]])
    with pytest.raises(LoginFailed, match=f"keys of {shown} and 2 more"):
        place.url("nobody")


@pytest.mark.parametrize("example", ["client.py", "register.py"])
def test_an_example_without_arguments_says_what_it_takes(example: str) -> None:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, str(root / "examples" / example)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)  # noqa: S603 - our own words
    assert done.returncode == 1
    assert done.stderr.startswith(f"usage: python examples/{example} ")
    assert done.stderr.count("\n") == 1


LETTER = {
    "id": "20261129T170000000-0123456789abcdef0123456789abcdef",
    "state": "failed-again",
    "reason": "poisoned",
    "type": "asset.keep.v1",
    "account": "USR-1",
    "outcome": None,
    "history": [
        {"at": "2026-11-29T17:00:00Z", "by": "", "state": "open"},
        {"at": "2026-11-29T18:00:00Z", "by": "operator", "state": "replaying"},
    ],
}


def letter_shown(**more: object) -> str:
    return "\n".join(shown({"letter": LETTER, "notes": [], **more}))


def test_a_letter_is_shown_for_people() -> None:
    body = b64encode(b'{"id":"one","data":{"words":"x"}}').decode()
    properties = {"account": "USR-1", "message_id": "m-1", "header traceparent": "00-1"}
    said = letter_shown(
        body=body,
        properties=properties,
        fault={"type": "ValueError", "stack": "Traceback\n  File one"},
        notes=[{"at": "2026-11-29T19:00:00Z", "by": "operator", "note": "asked"}],
        edit={"id": "e", "state": "proposed", "data": {"words": "mended"}},
    )
    lines = [line.strip() for line in said.splitlines()]
    assert "state         failed-again" in lines
    assert "2026-11-29T18:00:00Z  replaying, by operator" in lines
    assert "message_id    m-1" in lines
    assert said.count("USR-1") == 1
    assert lines[lines.index("stack") + 1 :][:2] == ["Traceback", "File one"]
    assert "2026-11-29T19:00:00Z  operator: asked" in lines
    assert lines.count('"words": "x"') == 1
    assert '"words": "mended"' in lines
    assert not any(raw in said for raw in ("None", "{'", "[{"))


def test_what_a_sender_wrote_never_reaches_the_terminal_as_more_than_text() -> None:
    nasty = b"no JSON \x1b[2J\x1b]0;title\x07 \xe2\x80\xae"
    said = letter_shown(body=b64encode(nasty).decode(), fault={"message": "\x1b[31mred"})
    assert all(c.isprintable() or c == "\n" for c in said)
    assert "\\x1b[2J" in said
    assert "\\x1b[31mred" in said
    assert "It was erased." in letter_shown()
    assert "It was erased." not in letter_shown(body="")


def test_a_long_message_says_how_much_of_it_is_left_out() -> None:
    assert "… and 1000 characters more: --json" in letter_shown(
        body=b64encode(b"x" * 3000).decode()
    )


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("asset.registr.v1", "did you mean asset.register.v1"),
        ("zzz", "no type is called zzz;"),
    ],
)
def test_a_type_that_is_mistyped_is_answered_with_the_nearest_ones(given: str, meant: str) -> None:
    said = CliRunner(env={"TERM": "dumb", "COLUMNS": "200"}).invoke(build(), ["schema", given])
    assert said.exit_code == 2
    assert meant in said.output
    assert "`flexspine schema` lists them" in said.output
    assert len(said.output) < 1500


@pytest.mark.parametrize("name", ["", "a b", "$x", "a.b", "x" * 64])
def test_a_name_that_no_database_may_have_is_a_sentence(name: str) -> None:
    said = CliRunner(env={"TERM": "dumb", "COLUMNS": "200"}).invoke(build(), ["rebuild", name])
    assert said.exit_code == 2
    assert "expected a name such as flexspine-rebuilt" in said.output


def test_the_exit_codes_say_that_a_rejected_line_does_not_end_run_with_1(tmp_path: Path) -> None:
    played = CliRunner().invoke(build(), ["run", file_of(tmp_path, '{"type": "user.get.v1"}\n')])
    assert b"message.rejected.v1" in played.stdout_bytes
    assert played.exit_code == 0
    said = " ".join(CliRunner().invoke(build(), ["--help"]).output.split())
    assert "`run` prints what is rejected and ends with 0" in said


def test_a_status_does_not_count_what_it_cannot_ask() -> None:
    at = datetime(2026, 5, 1, tzinfo=UTC)
    away = dict(_told(Glance(at)))
    assert set(away.values()) == {"unknown"}
    there = dict(_told(Glance(at, queues=(), lanes=(), has_primary=True)))
    assert there == {
        "throughput": "0.0 messages a second",
        "outbox": "0",
        "dead letters": "0",
        "parked": "0",
        "lost to users": "0",
        "processes": "0",
    }


def test_a_status_begins_with_what_has_to_be_looked_at() -> None:
    at = datetime(2026, 5, 1, tzinfo=UTC)
    queues = tuple(Queue(name, 0, 1, 0.0) for name in served(Settings()))
    owners = [Lane(queue.name, "here:1", 3, 40) for queue in queues if "mailbox" in queue.name]
    relay = [Lane(names.relay_lane(n), "here:1", 3 + n % 2, n) for n in range(16)]
    well = Glance(at, queues=queues, lanes=(*owners, *relay), has_primary=True, present=1)
    lines = printed(status_shown(well)).splitlines()
    assert [line.strip() for line in lines[:2]] == ["00:00:00, UTC", "no alarms"]
    assert lines[3].split() == ["outbox", "0"]
    assert len(lines) <= TERMINAL
    (row,) = [line.split() for line in lines if line.strip().startswith("relay")]
    assert row == ["relay.*", "(16)", "here:1", "3", "to", "4", "0", "to", "15"]
    red = printed(status_shown(replace(well, dead=(2, 5.0)))).splitlines()
    assert red[1].startswith("ALARM dead-letters: 2 open")
    assert "no alarms" not in red


def test_a_database_that_is_away_is_one_sentence() -> None:
    dump = (
        "127.0.0.1:1: [Errno 111] Connection refused (configured timeouts: socketTimeoutMS: 5.0s, "
        "connectTimeoutMS: 2.0s), Timeout: 2.0s, Topology Description: <TopologyDescription id: 6, "
        "topology_type: Unknown, servers: [<ServerDescription ('127.0.0.1', 1)>]>"
    )
    said = away(TimeoutError(dump))
    assert said.startswith("expected MongoDB's answer, got TimeoutError: 127.0.0.1:1: [Errno 111]")
    assert "refused. Does it run, and is FLEXSPINE_MONGO_URL right?" in said
    assert "Topology" not in said
    assert "configured" not in said
