"""Checks of `doctor` that need no server: folder, master key, Python, packages, disk, limits."""

import os
import re
import resource
import shutil
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from workers.cli.doctor_fault import Fault
from workers.embedded.broker import find_epmd, find_rabbitmq
from workers.embedded.database import find_mongod
from workers.settings import MASTER_KEY_BYTES, Settings

CHECKOUT: Final = Path(__file__).resolve().parents[2]
LOCK: Final = CHECKOUT / "requirements-production.lock"
PYTHON_MIN: Final = (3, 11)
DISK_MIN: Final = 1_000_000_000
"""Bytes; RabbitMQ stops publishers at some 200 MB, and MongoDB's journal wants as much."""
OPEN_FILES_MIN: Final = 1024


def folder(path: Path) -> str:
    """Whether keys and spools can be kept here."""
    nearest = _existing(path)
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        raise Fault(
            f"to be allowed to write in {path.absolute()}",
            f"{nearest.absolute()}, where this account may not",
            "Set FLEXSPINE_FOLDER to a folder of yours.",
        )
    return str(path.absolute()) if path.exists() else f"{path.absolute()}, to be made"


def master_key(settings: Settings) -> str:
    """Whether there is one that can be read; none is made here."""
    if settings.master_key is not None:
        return "from FLEXSPINE_MASTER_KEY"
    path = settings.home / "master.key"
    try:
        size = len(bytes.fromhex(path.read_text().strip()))
    except FileNotFoundError:
        raise Fault(
            f"a master key in FLEXSPINE_MASTER_KEY or {path.absolute()}",
            "none",
            "`flexspine up` makes one at its first start; or name the folder where it is.",
        ) from None
    except (OSError, ValueError) as error:
        raise Fault(
            f"{2 * MASTER_KEY_BYTES} hexadecimal digits in {path.absolute()}",
            type(error).__name__,
            "Put the key back from where you keep its copy.",
        ) from error
    if size != MASTER_KEY_BYTES:
        raise Fault(
            f"{2 * MASTER_KEY_BYTES} hexadecimal digits in {path.absolute()}",
            f"{2 * size}",
            "Put the key back from where you keep its copy.",
        )
    return f"in {path.absolute()}"


def python(found: tuple[int, int] = sys.version_info[:2]) -> str:
    """Whether this Python is new enough."""
    said = ".".join(map(str, found))
    if found < PYTHON_MIN:
        wanted = ".".join(map(str, PYTHON_MIN))
        raise Fault(f"Python {wanted} or newer", said, "`make setup` takes the newest it finds.")
    return said


def packages(checkout: Path = CHECKOUT) -> str:
    """Whether the packages that pyproject.toml names are here, in the versions of the lock."""
    locked = _locked(checkout / LOCK.name)
    wrong = []
    for name in _wanted(checkout / "pyproject.toml"):
        try:
            found = version(name)
        except PackageNotFoundError:
            wrong.append(f"{name} is absent")
            continue
        wanted = locked.get(_normal(name), [found])
        if found not in wanted:
            wrong.append(f"{name} is {found}, not {' or '.join(wanted)}")
    if wrong:
        raise Fault(f"the packages of {LOCK.name}", "; ".join(wrong), "Run `make setup`.")
    return f"{len(locked)} locked"


def programs() -> str:
    """Whether the programs of the embedded servers are found; raises ServerMissing."""
    return f"{find_rabbitmq()}, {find_epmd()}, {find_mongod()}"


def disk(path: Path, needed: int = DISK_MIN) -> str:
    """Whether there is room where the folder is."""
    free = shutil.disk_usage(_existing(path)).free
    if free < needed:
        raise Fault(
            f"{needed / 1e9:.1f} GB free at {path.absolute()}",
            f"{free / 1e9:.1f} GB",
            "Make room: servers without any stop taking messages.",
        )
    return f"{free / 1e9:.1f} GB free"


def open_files(needed: int = OPEN_FILES_MIN) -> str:
    """Whether enough sockets and files may be open at the same time."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        raise Fault(
            f"a limit of {needed} open files or more", f"{soft}", f"Set it: `ulimit -n {needed}`."
        )
    return "without limit" if soft == resource.RLIM_INFINITY else f"up to {soft}"


def _existing(path: Path) -> Path:
    """The nearest folder above that exists."""
    return next(one for one in (path, *path.absolute().parents) if one.exists())


def _wanted(project: Path) -> Iterator[str]:
    try:
        told = tomllib.loads(project.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise Fault(
            f"{project}", "no such file", "Run the program from its checkout or its image."
        ) from None
    for requirement in told["project"]["dependencies"]:
        yield re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]


def _locked(lock: Path) -> Mapping[str, list[str]]:
    """The versions of each package: there may be one for each version of Python."""
    if not lock.exists():
        raise Fault(f"{lock}", "no such file", "Run the program from its checkout or its image.")
    pairs = re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", lock.read_text(), re.MULTILINE)
    versions: dict[str, list[str]] = {}
    for name, found in pairs:
        versions.setdefault(_normal(name), []).append(found)
    return versions


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
