"""The checks of `doctor` that need no server: each passes here and names its fault elsewhere."""

import asyncio
import resource
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from workers.cli import doctor_machine as machine
from workers.cli import doctor_servers as servers
from workers.cli.doctor import Check, alive, checks, examine
from workers.cli.doctor_fault import Fault
from workers.settings import Settings
from workers.store.inspection import members
from workers.store.protocol import Unavailable


def settings(folder: Path, **given: Any) -> Settings:
    return Settings.model_construct(folder=folder, **given)


def test_a_folder_is_where_one_may_write(tmp_path: Path) -> None:
    assert machine.folder(tmp_path) == str(tmp_path)
    assert machine.folder(tmp_path / "new" / "deep").endswith("to be made")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Fault, match=r"expected to be allowed to write.*FLEXSPINE_FOLDER"):
        machine.folder(tmp_path / "file")


def test_the_master_key_is_looked_for_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(Fault, match=r"expected a master key.*got none\. `flexspine up`"):
        machine.master_key(settings(tmp_path))
    assert list(tmp_path.iterdir()) == []
    given = settings(tmp_path, master_key=SecretStr("00" * 32))
    assert machine.master_key(given) == "from FLEXSPINE_MASTER_KEY"
    (tmp_path / "master.key").write_text("00" * 32 + "\n")
    assert machine.master_key(settings(tmp_path)).endswith("master.key")


@pytest.mark.parametrize("text", ["00" * 31, "no key", ""])
def test_what_is_no_master_key_is_said(tmp_path: Path, text: str) -> None:
    (tmp_path / "master.key").write_text(text)
    with pytest.raises(Fault, match="expected 64 hexadecimal digits"):
        machine.master_key(settings(tmp_path))


def test_an_old_python_is_said() -> None:
    assert machine.python((3, 12)) == "3.12"
    with pytest.raises(Fault, match=r"expected Python 3\.11 or newer, got 3\.10"):
        machine.python((3, 10))


def checkout(folder: Path, dependency: str, lock: str) -> Path:
    (folder / "pyproject.toml").write_text(f'[project]\ndependencies = ["{dependency}"]\n')
    (folder / machine.LOCK.name).write_text(lock)
    return folder


def test_packages_are_those_of_the_lock() -> None:
    assert machine.packages().endswith("locked")


def test_a_package_of_another_version_is_said(tmp_path: Path) -> None:
    place = checkout(tmp_path, "pydantic>=2", "pydantic==1.0 \\\n    --hash=sha256:0\n")
    with pytest.raises(Fault, match=r"pydantic is 2\.[0-9.]+, not 1\.0\. Run `make setup`"):
        machine.packages(place)


def test_an_absent_package_is_said(tmp_path: Path) -> None:
    place = checkout(tmp_path, "no-such-package[extra]>=1", "pydantic==1.0\n")
    with pytest.raises(Fault, match="no-such-package is absent"):
        machine.packages(place)


def test_a_program_without_its_papers_is_said(tmp_path: Path) -> None:
    with pytest.raises(Fault, match="no such file"):
        machine.packages(tmp_path)


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    assert machine.disk(tmp_path / "new", needed=1).endswith("GB free")
    with pytest.raises(Fault, match="Make room"):
        machine.disk(tmp_path, needed=10**18)


def test_few_open_files_are_said() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert str(soft) in machine.open_files(needed=soft)
    with pytest.raises(Fault, match=f"expected a limit of {soft + 1} open files or more"):
        machine.open_files(needed=soft + 1)


@pytest.mark.parametrize("ahead_s", [1.0, -1.5])
def test_clocks_apart_are_said(ahead_s: float) -> None:
    assert servers.clocks(0.999) == "999 ms apart"
    with pytest.raises(Fault, match=r"a database 1\.[05] s (ahead|behind)\. .*NTP"):
        servers.clocks(ahead_s)


def test_a_short_consumer_timeout_is_said() -> None:
    assert servers.enough_time(41, 20) == "41 s"
    with pytest.raises(Fault, match="FLEXSPINE_DATABASE_TIMEOUT_S"):
        servers.enough_time(40, 20)


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("mongodb://one/", [("one", 27017)]),
        ("mongodb://name:word@one:1,two/?replicaSet=rs0", [("one", 1), ("two", 27017)]),
        ("mongodb://[::1]/", [("::1", 27017)]),
        ("mongodb://[fe80::1]:1,two:2", [("fe80::1", 1), ("two", 2)]),
    ],
)
def test_every_member_of_an_address_is_tried(url: str, hosts: list[tuple[str, int]]) -> None:
    assert members(url) == hosts


@pytest.mark.parametrize("url", ["mongodb://one:port/", "mongodb://na@me:word@one/", "one:27017"])
def test_an_address_that_the_driver_cannot_read_is_said(url: str) -> None:
    with pytest.raises(Unavailable, match=r"an address like .*Correct FLEXSPINE_MONGO_URL"):
        members(url)


def check(name: str, said: str, *needs: str) -> Check:
    async def look() -> str:
        if said.startswith("expected"):
            raise Fault("one thing", "another", "Mend it.")
        return said

    return Check(name, look, needs)


def test_what_needs_what_is_wrong_is_skipped_down_the_line() -> None:
    given = [
        check("a", "fine"),
        check("b", "expected"),
        check("c", "fine", "b"),
        check("d", "fine", "c"),
        check("e", "fine", "a"),
    ]
    found = asyncio.run(examine(given))
    assert [(r.check, r.state, r.said) for r in found] == [
        ("a", "ok", "fine"),
        ("b", "fault", "expected one thing, got another. Mend it."),
        ("c", "skipped", "needs b"),
        ("d", "skipped", "needs c"),
        ("e", "ok", "fine"),
    ]


@pytest.mark.parametrize("given", [checks, alive])
def test_checks_need_only_what_comes_before_them(
    given: Callable[[Settings], Iterable[Check]], tmp_path: Path
) -> None:
    seen: set[str] = set()
    for one in given(settings(tmp_path)):
        assert set(one.needs) <= seen
        seen.add(one.name)
