"""A backup under load, restored to an empty server: what was answered before is there."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.broker.test_send import place_of
from tests.servers import TestServers
from tests.spine import Platform, Spine, asset, eventually
from workers.backbone import StartError, now_utc, open_backbone
from workers.backup import BadBackup, Part, read_manifest, restore, take
from workers.cli.place import Place
from workers.cli.rescuing import _dump, _rebuilt, _restored
from workers.embedded.database import Database
from workers.embedded.ports import of_folder
from workers.rebuild import NotEmpty
from workers.store.codec import decode
from workers.store.driver import Driver
from workers.store.dump import Dump
from workers.vault import Vault, sandbox_master

pytestmark = [pytest.mark.connected, pytest.mark.timeout(240)]

BEFORE = 300
"""How many commands are answered before the copy begins."""
IN_FLIGHT = 50


@pytest.fixture
def empty_server(tmp_path: Path, servers: TestServers) -> Iterator[str]:
    """A second MongoDB with nothing in it; its address."""
    servers.embedded()
    home = tmp_path / "second"
    (home / "database").mkdir(parents=True)
    database = Database(home / "database", of_folder(home))
    database.spawn()
    try:
        database.wait()
        yield database.url
    finally:
        if (process := database.process) is not None:
            process.kill()


@asynccontextmanager
async def load(party: Platform) -> AsyncIterator[list[str]]:
    """Registrations without end; the ids of those that were answered, in that order."""
    answered: list[str] = []

    async def send() -> None:
        while True:
            ids = [await party.send("asset.register.v1", asset()) for _ in range(IN_FLIGHT)]
            await party.answered(ids)
            answered.extend(ids)

    task = asyncio.create_task(send())
    try:
        yield answered
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def reached(answered: Sequence[str], count: int) -> bool:
    return len(answered) >= count


async def copied(place: Place, folder: Path) -> dict[str, Part]:
    async with _dump(place) as dump:
        return await take(dump, folder, place.vault, now_utc(), lambda _name, _count: None)


def elsewhere(place: Place, url: str) -> Place:
    """The same backbone with its database on another server."""
    return replace(place, addresses=replace(place.addresses, mongo_url=url))


async def test_what_was_answered_before_is_there(
    working: Spine, tmp_path: Path, empty_server: str
) -> None:
    party, folder = await working.platform(), tmp_path / "copy"
    place = place_of(working, tmp_path / "cli")
    async with load(party) as answered:
        await eventually(lambda: reached(answered, BEFORE), 90)
        before = list(answered)
        parts = await copied(place, folder)
        # It was under load: more came while it was copied, or right after.
        await eventually(lambda: reached(answered, len(before) + 1), 60)
    assert parts == read_manifest(folder, place.vault)
    assert {path.stat().st_mode & 0o077 for path in folder.iterdir()} == {0}
    second = elsewhere(place, empty_server)
    assert await _restored(second, folder) == parts
    rows = await stored(second)
    inbox = {row["_id"]["id"] for row in rows["inbox"] if row["_id"]["user"] == party.user}
    assert set(before) <= inbox
    # All of it is of one moment: each answer with its asset, its history and its place.
    assets = {row["_id"] for row in rows["assets"]}
    assert len(assets) == len(inbox)
    assert {row["entity"] for row in rows["history"] if row["entity"] in assets} == assets
    archived = {e["id"] for row in rows["commands"] for e in row["entries"]}
    assert inbox <= archived
    # And the archive in it makes the same registers again.
    report, unlike = await _rebuilt(second, "again", check=True)
    assert (report.differences, unlike) == ([], [])
    assert report.entries["verified"] >= BEFORE


async def stored(place: Place) -> dict[str, list[dict[str, Any]]]:
    async with _dump(place) as dump:
        names = await dump.collections()
        return {name: [decode(row) async for row in dump.rows(name)] for name in names}


async def test_a_copy_that_was_changed_is_not_restored(
    working: Spine, tmp_path: Path, empty_server: str
) -> None:
    folder = tmp_path / "copy"
    place = place_of(working, tmp_path / "cli")
    await working.platform()
    await copied(place, folder)
    second = elsewhere(place, empty_server)
    file = folder / "users.bson"
    whole = file.read_bytes()
    file.write_bytes(whole.replace(b"Example Power", b"Another Power"))
    with pytest.raises(BadBackup, match="checksum"):
        await _restored(second, folder)
    async with _dump(second) as dump:
        # Not even collections are made for a copy that is none.
        assert await dump.collections() == []
    file.write_bytes(whole)
    # The copy of another backbone, or of this one's sandbox, is another's.
    other = replace(second, vault=Vault(sandbox_master(bytes(32))))
    with pytest.raises(BadBackup, match="another backbone"):
        await _restored(other, folder)
    await _restored(second, folder)
    # Not over what is there.
    with pytest.raises(
        BadBackup, match=rf"got {second.settings.database} with documents.*drop_data"
    ):
        await _restored(second, folder)


async def test_a_copy_that_was_broken_off_is_none(
    working: Spine, tmp_path: Path, empty_server: str
) -> None:
    place = place_of(working, tmp_path / "cli")
    await copied(place, tmp_path / "copy")
    (tmp_path / "copy" / "manifest.json").unlink()
    async with Dump(empty_server, "any", _driver(place)) as dump:
        with pytest.raises(BadBackup, match="finished copy"):
            await restore(dump, tmp_path / "copy", place.vault, never, lambda _name, _count: None)
    with pytest.raises(BadBackup, match="empty folder"):
        await copied(place, tmp_path / "copy")


async def never() -> None:
    raise AssertionError("expected nothing to be made")


async def test_nothing_starts_on_a_restore_that_was_broken_off(
    working: Spine, tmp_path: Path, empty_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, folder = place_of(working, tmp_path / "cli"), tmp_path / "copy"
    await working.platform()
    await copied(place, folder)
    second = elsewhere(place, empty_server)
    filled: list[str] = []
    fill = Dump.fill

    async def broken_off(dump: Dump, name: str, rows: Sequence[bytes]) -> None:
        if filled.count("keys"):
            raise KeyboardInterrupt
        filled.append(name)
        await fill(dump, name, rows)

    monkeypatch.setattr(Dump, "fill", broken_off)
    with pytest.raises(KeyboardInterrupt):
        await _restored(second, folder)
    monkeypatch.undo()
    with pytest.raises(StartError, match="was broken off"):
        async with open_backbone(second.settings, second.addresses):
            pass
    # Nor is anything made in what is somebody else's.
    with pytest.raises(NotEmpty, match="with documents"):
        await _rebuilt(second, second.settings.database, check=False)


def _driver(place: Place) -> Driver:
    return Driver(place.settings.mongo_driver)
