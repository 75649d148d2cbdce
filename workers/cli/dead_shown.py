"""A dead letter for people: what it is, what became of it, its message and its failure."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

SHOWN: Final = 2000
"""How many characters of a body are shown."""
NAMES: Final = (
    ("id", "id"),
    ("state", "state"),
    ("outcome", "outcome"),
    ("type", "type"),
    ("account", "sent by"),
    ("queue", "died in"),
    ("reason", "reason"),
    ("exception", "by"),
    ("top", "in"),
    ("fingerprint", "group"),
    ("first_at", "first died"),
    ("last_at", "last died"),
    ("times", "times dead"),
    ("attempts", "times tried"),
    ("size", "bytes"),
    ("version", "worker"),
    ("run", "run"),
    ("edit", "edit"),
    ("edited_to", "sent instead"),
)
"""Field of a letter -> how it is called here, in the order in which they are shown."""
WIDTH: Final = max(len(name) for _, name in NAMES)


def shown(found: Mapping[str, Any]) -> Iterator[str]:
    """The lines of a letter with its contents.

    What a sender wrote may be meant for the terminal: what does not print is shown by its number.
    """
    yield from map(_printable, _lines(found))


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    letter = found["letter"]
    yield from (_row(name, letter[field]) for field, name in NAMES if _is_told(letter.get(field)))
    yield from _part("history", (_change(one) for one in letter.get("history", ())))
    yield from _part("properties", _properties(found.get("properties") or {}, letter))
    yield from _part("failure", _failure(found.get("fault") or {}))
    yield from _part("notes", (_note(one) for one in found.get("notes", ())))
    yield from _part("edit", _edit(found.get("edit") or {}))
    body = found.get("body")
    yield from _part("message", _body(b64decode(body)) if body is not None else ("It was erased.",))


def _is_told(value: Any) -> bool:
    return value not in (None, "")


def _row(name: str, value: Any) -> str:
    return f"{name:{WIDTH}}  {value}"


def _part(title: str, lines: Iterable[str]) -> Iterator[str]:
    """A part with its title; nothing of one that has no lines."""
    told = list(lines)
    if told:
        yield from ("", title)
        yield from (f"  {line}" for line in told)


def _change(one: Mapping[str, Any]) -> str:
    return f"{one['at']}  {one['state']}" + (f", by {one['by']}" if one.get("by") else "")


def _properties(found: Mapping[str, Any], letter: Mapping[str, Any]) -> Iterator[str]:
    """What the broker said of it, but for what the letter says as well."""
    for name, value in found.items():
        if _is_told(value) and letter.get(name) != value:
            yield _row(name, value)


def _failure(found: Mapping[str, Any]) -> Iterator[str]:
    """The exception with its stack, or the finding."""
    for name, value in found.items():
        if not _is_told(value):
            continue
        lines = str(value).rstrip().split("\n")
        if len(lines) == 1:
            yield _row(name, lines[0])
        else:
            yield name
            yield from (f"  {line}" for line in lines)


def _note(one: Mapping[str, Any]) -> str:
    return f"{one['at']}  {one['by']}: {one.get('note') or 'erased'}"


def _edit(found: Mapping[str, Any]) -> Iterator[str]:
    for name, value in found.items():
        if name != "data" and _is_told(value):
            yield _row(name, value)
    if found and found.get("data") is None:
        yield "Its data was erased."
    elif found:
        yield from json.dumps(found["data"], indent=2, ensure_ascii=False).split("\n")


def _body(body: bytes) -> list[str]:
    """JSON over several lines, as far as it is shown; as it came where that would say less.

    So would a name that stands there twice, or a number in other words: it may be why it is dead.
    """
    text = body.decode(errors="replace")
    with suppress(ValueError, RecursionError):
        text = _laid_out(text)
    more = len(text) - SHOWN
    lines = text[:SHOWN].split("\n")
    return [*lines, f"… and {more} characters more: --json has all of it"] if more > 0 else lines


def _laid_out(text: str) -> str:
    """JSON over several lines; raises ValueError where something of it would be lost."""
    whole = json.loads(
        text, object_pairs_hook=_each_once, parse_float=_same(float), parse_int=_same(int)
    )
    return json.dumps(whole, indent=2, ensure_ascii=False)


def _each_once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _same(kind: type[float | int]) -> Callable[[str], float | int]:
    def parse(said: str) -> float | int:
        number = kind(said)
        if json.dumps(number) != said:
            raise ValueError("written anew it would be another text")
        return number

    return parse
