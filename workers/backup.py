"""A copy of the database in a folder: written at one moment, checked, and restored from."""

import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import IO, Any, Final

from workers.backbone import MASTER_CHECK
from workers.store.codec import decode
from workers.store.dump import PAGE, Dump, Session
from workers.vault import Vault

MANIFEST: Final = "manifest.json"
FORMAT: Final = 2
PRIVATE: Final = 0o700
LENGTH_BYTES: Final = 4
"""At the beginning of a document: how long it is."""
KEYS: Final = "keys"
Progress = Callable[[str, int], None]
Install = Callable[[], Awaitable[None]]


class BadBackup(Exception):
    """The copy, or the database to restore into, cannot be used; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Part:
    """One collection of a copy: how much it is, what it hashes to, and its indexes."""

    documents: int
    bytes: int
    sha256: str
    indexes: list[list[list[Any]]]


async def take(
    dump: Dump, folder: Path, vault: Vault, began_at: datetime, progress: Progress
) -> dict[str, Part]:
    """Copy every collection as it is at one moment; the manifest is the last file that is written.

    What was committed before the call is in it. It is sealed with the master key, so that nobody
    without that can make a copy, or alter one, that is restored.
    """
    try:
        _make(folder)
        parts: dict[str, Part] = {}
        async with dump.moment() as session:
            for name in await dump.collections():
                parts[name] = await _copied(dump, name, folder, session, progress)
        _write_manifest(folder, parts, vault, began_at)
    except OSError as error:
        raise BadBackup(
            f"expected to write a copy to {folder}, got: {error.strerror}. What is there is none: "
            "delete it, make room or name another folder, and begin again."
        ) from error
    return parts


async def _copied(
    dump: Dump, name: str, folder: Path, session: Session, progress: Progress
) -> Part:
    with open(folder / f"{name}.bson", "xb", opener=_private) as file:  # noqa: ASYNC230
        count, size, digest = 0, 0, sha256()
        async for row in dump.rows(name, session):
            file.write(row)
            digest.update(row)
            count, size = count + 1, size + len(row)
            progress(name, count)
        _keep(file)
    return Part(count, size, digest.hexdigest(), await dump.indexes(name))


def _keep(file: IO[Any]) -> None:
    """On the disk before the manifest is, which says that all of it is there."""
    file.flush()
    os.fsync(file.fileno())


def _private(path: str, flags: int) -> int:
    """A file that its owner alone reads, in whatever folder."""
    return os.open(path, flags, 0o600)


def _make(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BadBackup(f"expected a new or empty folder, got {folder} with files in it.")
    folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)


def _write_manifest(
    folder: Path, parts: Mapping[str, Part], vault: Vault, began_at: datetime
) -> None:
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "began_at": began_at.isoformat(),
        "collections": {name: asdict(part) for name, part in parts.items()},
    }
    sealed = manifest | {"seal": vault.backup_seal(_said(manifest))}
    with open(folder / MANIFEST, "x", encoding="utf-8", opener=_private) as file:
        file.write(json.dumps(sealed, indent=1) + "\n")
        _keep(file)


def _said(manifest: Mapping[str, Any]) -> bytes:
    """What is sealed: all that a manifest says but the seal, however it is laid out."""
    unsealed = {name: value for name, value in manifest.items() if name != "seal"}
    return json.dumps(unsealed, sort_keys=True, separators=(",", ":")).encode()


def read_manifest(folder: Path, vault: Vault) -> dict[str, Part]:
    """What a copy says that it holds, once its seal is right."""
    if not folder.is_dir():
        raise BadBackup(f"expected the folder of a copy, got no folder {folder}. Check the path.")
    try:
        said = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if said["format"] != FORMAT:
            raise BadBackup(
                f"expected a copy of format {FORMAT}, got {said['format']}. Restore it with the "
                "release that has made it, then upgrade."
            )
        if not compare_digest(str(said["seal"]), vault.backup_seal(_said(said))):
            raise BadBackup(
                f"expected a copy of a backbone with this master key, got a {MANIFEST} in {folder} "
                "with another seal: it is of another backbone, or of the sandbox of one, or "
                "somebody has changed it. Set FLEXSPINE_MASTER_KEY to that of the copy."
            )
        return {name: Part(**part) for name, part in said["collections"].items()}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadBackup(
            f"expected a finished copy in {folder}, got {type(error).__name__} at its {MANIFEST}. "
            "A copy without it was broken off: take another one."
        ) from error


def check(folder: Path, parts: Mapping[str, Part]) -> None:
    """Compare every file with the manifest; raises BadBackup and has changed nothing."""
    for name, part in parts.items():
        digest = sha256()
        try:
            with (folder / f"{name}.bson").open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        except OSError as error:
            raise BadBackup(f"expected {name}.bson in {folder}, got {error}.") from error
        if digest.hexdigest() != part.sha256:
            raise BadBackup(
                f"expected {name}.bson with the checksum of its manifest, got another. The file "
                "was changed or cut off: use another copy."
            )


async def restore(
    dump: Dump, folder: Path, vault: Vault, install: Install, progress: Progress
) -> dict[str, Part]:
    """Write a checked copy into an empty database, and read it back to compare.

    `install` makes collections and indexes, once it is known that nothing is there. What a start
    looks for comes last: nothing starts on a copy of which a part is missing.
    """
    parts = read_manifest(folder, vault)
    check(folder, parts)
    if not await dump.is_empty():
        raise BadBackup(
            f"expected an empty database to restore into, got {dump.name} with documents. Name "
            "another in FLEXSPINE_MONGO_DATABASE, or drop that one if it is nobody's: "
            f"{dump.dropping()}. Nothing was changed."
        )
    await install()
    last: list[bytes] = []
    others = sha256()
    for name in parts:
        count = 0
        for page in _pages(folder / f"{name}.bson"):
            checks = [row for row in page if name == KEYS and decode(row)["_id"] == MASTER_CHECK]
            last += checks
            if rows := [row for row in page if row not in checks]:
                await dump.fill(name, rows)
            if name == KEYS:
                others.update(b"".join(rows))
            count += len(page)
            progress(name, count)
    for name, part in parts.items():
        counted = part
        if name == KEYS:
            kept = part.documents - len(last)
            counted = replace(part, documents=kept, sha256=others.hexdigest())
        await _verify(dump, name, counted)
    if last:
        await dump.fill(KEYS, last)
        await _verify(dump, KEYS, parts[KEYS])
    return parts


async def _verify(dump: Dump, name: str, part: Part) -> None:
    count, digest = await _digest(dump.rows(name))
    if (count, digest) != (part.documents, part.sha256):
        raise BadBackup(
            f"expected {part.documents} documents of {name} as they were, read back {count} or "
            "others. Somebody else writes there: stop it, drop the database, restore again."
        )
    made = await dump.indexes(name)
    if missing := [index for index in part.indexes if index not in made]:
        raise BadBackup(
            f"expected the indexes {missing} of {name}, got none. The copy is of a release with "
            "other indexes: drop the database, restore with that release, then upgrade."
        )


async def _digest(rows: AsyncIterator[bytes]) -> tuple[int, str]:
    count, digest = 0, sha256()
    async for row in rows:
        count += 1
        digest.update(row)
    return count, digest.hexdigest()


def _pages(path: Path) -> Iterator[list[bytes]]:
    page: list[bytes] = []
    with path.open("rb") as file:
        while head := file.read(LENGTH_BYTES):
            row = head + file.read(max(0, int.from_bytes(head, "little") - LENGTH_BYTES))
            if len(row) != int.from_bytes(head, "little"):
                raise BadBackup(f"expected documents in {path}, got one of another length.")
            page.append(row)
            if len(page) == PAGE:
                yield page
                page = []
    if page:
        yield page
