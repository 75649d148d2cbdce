"""Every code that a function can give: found in its source, and in all that it leads to.

A name that is read leads to what it stands for, wherever in the same package that is defined: a
function, a class with all of its methods, a table of rules. So too much may be found, and nothing
is missed: a code is always spelled out in one piece (see `spelled_otherwise`).
"""

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from types import ModuleType
from typing import Any, Final

from contracts.values.rule import Rule

CODE: Final = re.compile(r"[a-z]+(-[a-z]+)*\.[a-z]+(-[a-z]+)*")
MAKERS: Final = frozenset({"finding", "Finding", "_finding", "Rule"})
"""What makes a finding; the rule comes first, or by its name."""
Place = tuple[str, str]
"""Name of a module, and of what it defines."""


@cache
def _source(module: str) -> ast.Module:
    return ast.parse(inspect.getsource(sys.modules[module]))


@cache
def _defined(module: str) -> Mapping[str, tuple[ast.AST, ...]]:
    """What a module defines at its top, by name."""
    found: dict[str, tuple[ast.AST, ...]] = {}
    for node in _source(module).body:
        for name in _names(node):
            found[name] = (*found.get(name, ()), node)
    return found


def _names(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            yield name


@cache
def _imported(module: str) -> Mapping[str, Place]:
    """Names that come from elsewhere in the same package, and where they are defined."""
    found: dict[str, Place] = {}
    for node in _source(module).body:
        if isinstance(node, ast.ImportFrom) and _package(str(node.module)) == _package(module):
            for alias in node.names:
                found[alias.asname or alias.name] = (str(node.module), alias.name)
    return found


def _package(module: str) -> str:
    return module.partition(".")[0]


def _led_to(node: ast.AST, module: str) -> Iterator[Place]:
    defined, imported = _defined(module), _imported(module)
    for inner in ast.walk(node):
        match inner:
            case ast.Attribute(value=ast.Name(id=name), attr=attr) if name in imported:
                parent, own = imported[name]
                yield (f"{parent}.{own}", attr) if _is_module(parent, own) else imported[name]
            case ast.Name(id=name) if name in defined:
                yield module, name
            case ast.Name(id=name) if name in imported:
                yield imported[name]


def _is_module(parent: str, name: str) -> bool:
    return isinstance(getattr(sys.modules[parent], name, None), ModuleType)


@cache
def _step(place: Place) -> tuple[frozenset[str], frozenset[Place]]:
    """The texts of a definition, and what it leads to."""
    module, name = place
    if name in _imported(module):
        return frozenset(), frozenset([_imported(module)[name]])
    nodes = _defined(module).get(name, ())
    texts = frozenset(text for node in nodes for text in _texts(node))
    return texts, frozenset(further for node in nodes for further in _led_to(node, module))


def reached(start: Place) -> Iterator[str]:
    """Every text in the source of a definition, and of all that it leads to."""
    seen: set[Place] = set()
    waiting = [start]
    while waiting:
        place = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        texts, further = _step(place)
        yield from texts
        waiting += further


def place_of(function: Callable[..., Any]) -> Place:
    """Where a function is defined; of a method its class, of a partial one what it is made of."""
    if isinstance(function, partial):
        return place_of(function.func)
    function = inspect.unwrap(function)
    return function.__module__, function.__qualname__.partition(".")[0]


@cache
def codes_of(function: Callable[..., Any]) -> frozenset[str]:
    """Whatever is spelled like a code in a function or in what it leads to."""
    found = set(reached(place_of(function)))
    found |= {one.code for one in getattr(function, "args", ()) if isinstance(one, Rule)}
    return frozenset(text for text in found if CODE.fullmatch(text))


def _texts(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
            yield inner.value


def makings(module: str) -> Iterator[ast.expr]:
    """What each finding of a module is given as its rule."""
    for node in ast.walk(_source(module)):
        if isinstance(node, ast.Call) and _called(node) in MAKERS:
            named = [one.value for one in node.keywords if one.arg == "rule"]
            yield from named or node.args[:1]


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ""


def spelled(module: str) -> frozenset[str]:
    """Codes that a module makes findings of."""
    rules = (one.value for one in makings(module) if isinstance(one, ast.Constant))
    return frozenset(str(rule) for rule in rules)


def spelled_otherwise(module: str) -> list[str]:
    """Rules that are neither spelled out nor handed in, so that they could not be found."""
    wrong = (ast.JoinedStr, ast.BinOp, ast.Call)
    return [ast.unparse(one) for one in makings(module) if isinstance(one, wrong)]
