"""The limits of the house style, held by a machine so that no review has to."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("contracts", "handlers", "topology", "outbox", "workers", "bench")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
ENGINE = ROOT / "workers" / "engine.py"
MODULE_LINES_MAX = 300
ENGINE_LINES_MAX = 150
FUNCTION_LINES_MAX = 70
PARAMETERS_MAX = 5

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions() -> Iterator[tuple[str, Function]]:
    """Give every function with the place where an editor finds it."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, Function):
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node


def body_lines(function: Function) -> int:
    """Count from `def` to the end: decorators and what stands above are not the function."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def positional(function: Function) -> int:
    """Count what may be given by position; `self` and `cls` are not given by anybody."""
    names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
    return len(names) - (names[:1] in (["self"], ["cls"]))


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def test_there_are_modules_to_judge() -> None:
    assert MODULES


def test_modules_are_short() -> None:
    found = {str(path.relative_to(ROOT)): lines(path) for path in MODULES}
    assert {name: count for name, count in found.items() if count > MODULE_LINES_MAX} == {}


@pytest.mark.skipif(not ENGINE.exists(), reason="there is no engine yet")
def test_the_engine_is_shorter() -> None:
    assert lines(ENGINE) <= ENGINE_LINES_MAX


def test_functions_are_short() -> None:
    found = {place: body_lines(function) for place, function in functions()}
    assert {place: count for place, count in found.items() if count > FUNCTION_LINES_MAX} == {}


def test_parameters_are_few_unless_named_by_the_caller() -> None:
    found = {place: positional(function) for place, function in functions()}
    assert {place: count for place, count in found.items() if count > PARAMETERS_MAX} == {}


def test_modules_say_what_belongs_in_them() -> None:
    silent = [path for path in MODULES if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []


def test_imports_go_one_way() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    judged = subprocess.run(  # noqa: S603 - our own development tool, with fixed arguments
        [linter, "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert judged.returncode == 0, judged.stdout + judged.stderr


@pytest.mark.parametrize("entry", ["workers.local", "workers.cli.main"])
def test_entry_can_be_imported_alone(entry: str) -> None:
    """A cycle shows only to whoever imports the wrong module first."""
    done = subprocess.run(  # noqa: S603  our own interpreter and our own names
        [sys.executable, "-c", f"import {entry}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
