"""A copy of the database in a folder: written at one moment, checked, and restored from."""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from workers.store.dump import PAGE, Dump

MANIFEST: Final = "manifest.json"
FORMAT: Final = 1
PRIVATE: Final = 0o700
LENGTH_BYTES: Final = 4
"""At the beginning of a document: how long it is."""
Progress = Callable[[str, int], None]


class BadBackup(Exception):
    """The copy, or the database to restore into, cannot be used; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Part:
    """One collection of a copy: how much it is, what it hashes to, and its indexes."""

    documents: int
    bytes: int
    sha256: str
    indexes: list[list[list[Any]]]


async def take(dump: Dump, folder: Path, began_at: datetime, progress: Progress) -> dict[str, Part]:
    """Copy every collection as it is at one moment; the manifest is the last file that is written.

    What was committed before the call is in it.
    """
    _make(folder)
    parts: dict[str, Part] = {}
    async with dump.moment() as session:
        for name in await dump.collections():
            with (folder / f"{name}.bson").open("xb") as file:
                count, size, digest = 0, 0, sha256()
                async for row in dump.rows(name, session):
                    file.write(row)
                    digest.update(row)
                    count, size = count + 1, size + len(row)
                    progress(name, count)
            parts[name] = Part(count, size, digest.hexdigest(), await dump.indexes(name))
    _write_manifest(folder, parts, began_at)
    return parts


def _make(folder: Path) -> None:
    if folder.exists() and any(folder.iterdir()):
        raise BadBackup(f"expected a new or empty folder, got {folder} with files in it.")
    folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)


def _write_manifest(folder: Path, parts: Mapping[str, Part], began_at: datetime) -> None:
    manifest = {
        "format": FORMAT,
        "began_at": began_at.isoformat(),
        "collections": {name: asdict(part) for name, part in parts.items()},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Part]:
    """What a copy says that it holds."""
    if not folder.is_dir():
        raise BadBackup(f"expected the folder of a copy, got no folder {folder}. Check the path.")
    try:
        said = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if said["format"] != FORMAT:
            raise BadBackup(f"expected a copy of format {FORMAT}, got {said['format']}.")
        return {name: Part(**part) for name, part in said["collections"].items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
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


async def restore(dump: Dump, folder: Path, progress: Progress) -> dict[str, Part]:
    """Write a checked copy into an empty database, and read it back to compare.

    Collections and indexes have been installed before.
    """
    parts = read_manifest(folder)
    check(folder, parts)
    if not await dump.is_empty():
        raise BadBackup(
            "expected an empty database to restore into, got one with documents. Name another in "
            "FLEXSPINE_MONGO_DATABASE, or drop that one if it is nobody's. Nothing was changed."
        )
    for name in parts:
        count = 0
        for page in _pages(folder / f"{name}.bson"):
            await dump.fill(name, page)
            count += len(page)
            progress(name, count)
    for name, part in parts.items():
        await _verify(dump, name, part)
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
            "other indexes: restore with that release, then upgrade."
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
            page.append(head + file.read(int.from_bytes(head, "little") - LENGTH_BYTES))
            if len(page) == PAGE:
                yield page
                page = []
    if page:
        yield page
