"""The manifest of a copy: whose it is, whether it is whole, and what is said of one that is not."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.builders import NOW
from workers.backup import BadBackup, Part, _make, _pages, _write_manifest, check, read_manifest
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
