"""The manifest of a copy: whose it is, whether it is whole, and what is said of one that is not."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import bson
import pytest

from tests.builders import NOW
from workers.backbone import MASTER_CHECK
from workers.backup import (
    BadBackup,
    Part,
    _make,
    _pages,
    _write_manifest,
    check,
    read_manifest,
    restore,
    take,
)
from workers.cli.rescuing import verdict
from workers.differences import Report
from workers.store.driver import Driver
from workers.store.dump import Dump
from workers.vault import Vault, sandbox_master

MINE: Final = bytes(range(32))
PARTS: Final = {"users": Part(1, 5, "0" * 64, [[["_id", 1]]])}


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    _write_manifest(tmp_path, PARTS, Vault(MINE), NOW)
    return tmp_path


def altered(copy: Path, **changes: Any) -> None:
    file = copy / "manifest.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_a_copy_is_read_by_whoever_has_its_master_key(copy: Path) -> None:
    assert read_manifest(copy, Vault(MINE)) == PARTS
    assert (copy / "manifest.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("master", [bytes(32), sandbox_master(MINE)])
def test_one_of_another_backbone_or_of_a_sandbox_is_refused(copy: Path, master: bytes) -> None:
    with pytest.raises(BadBackup, match=r"of another backbone.*FLEXSPINE_MASTER_KEY"):
        read_manifest(copy, Vault(master))


@pytest.mark.parametrize(
    "changes",
    [
        {"collections": {"../../etc/passwd": {"documents": 0, "bytes": 0, "sha256": "",
                                              "indexes": []}}},
        {"collections": {}},
        {"began_at": "2020-01-01T00:00:00+00:00"},
        {"seal": ""},
        {"seal": None},
        {"seal": "ä"},
        {"more": 1},
    ],
)  # fmt: skip
def test_one_that_somebody_has_changed_is_refused(copy: Path, changes: dict[str, Any]) -> None:
    altered(copy, **changes)
    with pytest.raises(BadBackup):
        read_manifest(copy, Vault(MINE))


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": 2}', "[" * 100_000])
def test_one_that_was_cut_off_is_a_sentence(copy: Path, text: str) -> None:
    (copy / "manifest.json").write_text(text)
    with pytest.raises(BadBackup, match="broken off"):
        read_manifest(copy, Vault(MINE))


def test_one_of_another_format_says_with_what_to_restore_it(copy: Path) -> None:
    altered(copy, format=1)
    with pytest.raises(BadBackup, match=r"format 2, got 1\. Restore it with"):
        read_manifest(copy, Vault(MINE))


def test_a_file_that_is_gone_or_cut_off_is_said_by_its_name(copy: Path) -> None:
    with pytest.raises(BadBackup, match=r"users\.bson"):
        check(copy, PARTS)
    (copy / "users.bson").write_bytes(b"short")
    with pytest.raises(BadBackup, match=r"users\.bson.*checksum"):
        check(copy, PARTS)


def test_documents_that_say_a_wrong_length_are_none(tmp_path: Path) -> None:
    (tmp_path / "users.bson").write_bytes(bytes(8))
    with pytest.raises(BadBackup, match="length"):
        list(_pages(tmp_path / "users.bson"))


def test_a_file_in_the_place_of_the_folder_is_a_sentence(copy: Path) -> None:
    with pytest.raises(BadBackup, match="new or empty folder"):
        _make(copy / "manifest.json")


@pytest.mark.parametrize(
    ("found", "unlike", "check", "said"),
    [
        (0, 0, True, "again can be trusted: 7 commands decided again as then, 3 taken as"),
        (0, 0, False, "documents not compared (--no-check), so trust it no further"),
        (2, 0, True, "cannot be trusted as it is: 2 differences of what was decided, 0 documents"),
        (0, 5, True, "cannot be trusted as it is: 0 differences of what was decided, 5 documents"),
        (0, 1000, True, "1,000 or more documents"),
    ],
)
def test_a_rebuild_says_whether_it_can_be_trusted(
    *, found: int, unlike: int, check: bool, said: str
) -> None:
    entries = Counter({"verified": 7, "erased": 2, "unrepeated": 1, "fact": 4})
    assert said in verdict("again", Report(entries=entries, found=found), unlike, check=check)


async def test_what_is_not_empty_is_named_with_what_drops_it(tmp_path: Path) -> None:
    source = Stub({"users": {"USR-2": bson.encode({"_id": "USR-2"})}})
    await take(cast("Dump", source), tmp_path, Vault(MINE), NOW, lambda *_: None)

    async def install() -> None:
        raise AssertionError("expected nothing to be made")

    with pytest.raises(BadBackup, match=r"got practice with documents.*: drop practice\. Nothing"):
        await restore(cast("Dump", source), tmp_path, Vault(MINE), install, lambda *_: None)


async def test_what_drops_a_database_names_its_servers_and_no_login() -> None:
    async with Dump("mongodb://ann:secret@one:27018,two/", "practice", Driver.PYMONGO) as dump:
        said = dump.dropping()
    assert "MongoClient('mongodb://one:27018,two:27017/').drop_database('practice')" in said
    assert "secret" not in said


@dataclass
class Stub:
    """Collections in memory, of which one document may get lost on its way in."""

    held: dict[str, dict[str, bytes]]
    lost: str | None = None
    name: str = "practice"

    def dropping(self) -> str:
        return f"drop {self.name}"

    async def collections(self) -> list[str]:
        return sorted(self.held)

    @asynccontextmanager
    async def moment(self) -> AsyncIterator[None]:
        yield None

    async def rows(self, name: str, _session: object = None) -> AsyncIterator[bytes]:
        for _, row in sorted(self.held[name].items()):
            yield row

    async def indexes(self, _name: str) -> list[list[list[Any]]]:
        return [[["_id", 1]]]

    async def is_empty(self) -> bool:
        return not any(self.held.values())

    async def fill(self, name: str, rows: Sequence[bytes]) -> None:
        named = {bson.decode(row)["_id"]: row for row in rows}
        self.held[name] |= {key: row for key, row in named.items() if key != self.lost}


async def restored(folder: Path, lost: str | None) -> Stub:
    """What a copy with two data keys is restored into."""
    keys = {key: bson.encode({"_id": key}) for key in ("2026-11", "USR-1", MASTER_CHECK)}
    users = {"USR-2": bson.encode({"_id": "USR-2"})}
    source, target = Stub({"keys": keys, "users": users}), Stub({"keys": {}, "users": {}}, lost)
    await take(cast("Dump", source), folder, Vault(MINE), NOW, lambda *_: None)

    async def install() -> None: ...

    try:
        await restore(cast("Dump", target), folder, Vault(MINE), install, lambda *_: None)
    except BadBackup as error:
        assert lost is not None
        assert "documents of" in str(error)  # noqa: PT017  where nothing is lost none is raised
    else:
        assert lost is None
        assert target.held == source.held
    return target


async def test_what_is_restored_whole_has_what_a_start_looks_for(tmp_path: Path) -> None:
    assert MASTER_CHECK in (await restored(tmp_path, None)).held["keys"]


@pytest.mark.parametrize("lost", ["2026-11", "USR-1"])
async def test_nothing_starts_on_a_restore_that_has_lost_a_key(tmp_path: Path, lost: str) -> None:
    target = await restored(tmp_path, lost)
    assert lost not in target.held["keys"]
    assert MASTER_CHECK not in target.held["keys"]
