"""`.ci/node` says that it has made the parser only where it has."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).resolve().parents[2]
TOOLS: Final = ("bash", "cp", "dirname", "env", "mkdir", "touch")
STAMP: Final = ".venv/.node"
PACKAGES: Final = ("tests/golden/parser", "examples/platforms/javascript")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the script needs of a checkout, and a PATH without npm and without apt-get."""
    needed = ("package.json", "package-lock.json", ".npmrc")
    packages = [f"{folder}/{name}" for folder in PACKAGES for name in needed]
    for name in (".ci/node", *packages):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    return tmp_path


def run(checkout: Path, **given: str) -> int:
    outside = {name: value for name, value in os.environ.items() if name != "CI"}
    environment = outside | {"PATH": str(checkout / "bin")} | given
    done = subprocess.run(  # noqa: S603 - our own script, with fixed arguments
        [checkout / ".ci" / "node", STAMP],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode


def test_without_npm_it_is_not_said_to_be_made(checkout: Path) -> None:
    """Otherwise whoever installs npm later would skip the test for ever."""
    assert run(checkout) == 0
    assert not (checkout / STAMP).exists()


def test_in_ci_it_must_be_made(checkout: Path) -> None:
    assert run(checkout, CI="true") == 1
    assert not (checkout / STAMP).exists()


def test_with_npm_it_is_made_and_said_so(checkout: Path) -> None:
    npm = checkout / "bin" / "npm"
    npm.write_text("#!/usr/bin/env bash\n[[ $PWD == */.venv/p* && -f package-lock.json ]]\n")
    npm.chmod(0o755)
    assert run(checkout) == 0
    assert (checkout / STAMP).exists()


def test_where_npm_fails_it_is_not_said_to_be_made(checkout: Path) -> None:
    npm = checkout / "bin" / "npm"
    npm.write_text("#!/usr/bin/env bash\nexit 7\n")
    npm.chmod(0o755)
    assert run(checkout) == 7
    assert not (checkout / STAMP).exists()


def test_the_makefile_leaves_the_stamp_to_it() -> None:
    (rule,) = [
        part
        for part in (ROOT / "Makefile").read_text(encoding="utf-8").split("\n\n")
        if "\n.venv/.node:" in part
    ]
    assert rule.rstrip().endswith("@.ci/node $@")
