"""What has changed in the published contracts since the last release, and what that breaks.

`python -m tests.golden.pages` writes the page anew with all others; with
`python -m tests.golden.changelog <version>` what is published now becomes that release.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from contracts.messages import split_type
from topology.catalog import build
from topology.render import ENVELOPE, schemas

FOLDER: Final = Path(__file__).with_name("released")
RELEASED: Final = FOLDER / "contracts.json"
"""The contracts of the last release, a line for each type."""
PAST: Final = FOLDER / "past.md"
"""The sections of the releases before, as they were written then."""
HEAD: Final = """\
# Changes of the contracts

What has changed in the types of message and their fields, release by release.
This page is made from the published schemas by `make golden`; a test compares it, and fails where a change breaks somebody and has no new major.

*compatible*: whoever did well goes on doing well; a reader ignores fields that it does not know.
*announced*: a value is new in what the backbone sends; `interface.announced.v1` says so before, and a reader takes it for unknown.
*breaking*: only in a new major, beside which the older one is taken as long as `sunset` on its replies says.
"""  # noqa: E501  prose, a sentence per line
KEPT: Final = (
    "type", "format", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties",
)  # fmt: skip
REPEATED: Final = frozenset({"rejected", "held"})
"""Outcomes whose data is the same for every type; one of them is compared for all."""

Effect = Literal["compatible", "announced", "breaking"]
Field = Mapping[str, Any]
Shape = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """One difference of one type."""

    type: str
    what: str
    field: str
    effect: Effect


def shape(schema: Mapping[str, Any], *, is_read: bool) -> dict[str, Any]:
    """A schema as path -> what may stand there; what it says in words is left out."""
    fields: dict[str, dict[str, Any]] = {}
    _walk(schema, "", schema.get("$defs", {}), fields, (), required=True)
    fields.pop("", None)
    return {"read": is_read, "fields": dict(sorted(fields.items()))}


def _walk(
    node: Mapping[str, Any],
    path: str,
    defs: Mapping[str, Any],
    fields: dict[str, dict[str, Any]],
    open_refs: tuple[str, ...],
    *,
    required: bool,
) -> None:
    if (reference := node.get("$ref")) is not None:
        name = str(reference).rpartition("/")[2]
        if name not in open_refs:
            _walk(defs[name], path, defs, fields, (*open_refs, name), required=required)
        return
    found = fields.setdefault(path, {"required": required})
    for one in (*node.get("anyOf", ()), *node.get("oneOf", ()), *node.get("allOf", ())):
        _walk(one, path, defs, fields, open_refs, required=required)
    # A choice of one is written in another way than a choice of two.
    if chosen := [*node.get("enum", ()), *([node["const"]] if "const" in node else ())]:
        found["enum"] = sorted({*found.get("enum", ()), *map(str, chosen)})
    for name in KEPT:
        if name in node:
            found.setdefault(name, []).append(node[name])
            found[name].sort(key=str)
    needed = set(node.get("required", ()))
    for name, inner in node.get("properties", {}).items():
        inside = f"{path}.{name}" if path else name
        _walk(inner, inside, defs, fields, open_refs, required=name in needed)
    for keyword, sign in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(inner := node.get(keyword), Mapping):
            _walk(inner, f"{path}{sign}", defs, fields, open_refs, required=True)


def present() -> dict[str, Any]:
    """Type -> shape of everything that is published now."""
    entries = build()
    return {
        name: shape(schema, is_read=name in entries or name == ENVELOPE)
        for name, schema in sorted(schemas(entries).items())
        if not _is_repeated(name)
    }


def _is_repeated(name: str) -> bool:
    words = name.split(".")
    return len(words) > 3 and words[-2] in REPEATED


def changes(before: Mapping[str, Shape], after: Mapping[str, Shape]) -> Iterator[Change]:
    """Every difference, by type."""
    for name in sorted(before.keys() | after.keys()):
        if name not in before:
            yield Change(name, "new type", "", "compatible")
        elif name not in after:
            yield Change(name, "removed type", "", "breaking")
        else:
            yield from _of_type(name, before[name], after[name])


def _of_type(name: str, before: Shape, after: Shape) -> Iterator[Change]:
    is_read: bool = after["read"]
    both = old, new = before["fields"], after["fields"]
    for path in sorted(old.keys() | new.keys()):
        if path not in old:
            yield _added(name, path, both, is_read=is_read)
        elif path not in new:
            yield Change(name, "field removed", path, "breaking")
        else:
            yield from _of_field(name, path, (old[path], new[path]), is_read=is_read)


def _added(
    name: str, path: str, both: tuple[Mapping[str, Field], Mapping[str, Field]], *, is_read: bool
) -> Change:
    old, new = both
    parent = path.rpartition(".")[0]
    # What is part of something that is new itself is asked of nobody who leaves that out.
    is_asked = new[path]["required"] and not path.endswith(("[]", "{}"))
    breaks = is_read and is_asked and (not parent or parent in old)
    what = "required field added" if is_asked else "field added"
    return Change(name, what, path, "breaking" if breaks else "compatible")


def _of_field(
    name: str, path: str, both: tuple[Field, Field], *, is_read: bool
) -> Iterator[Change]:
    """What is asked of a sender must not grow; what is promised to a reader must not shrink."""
    old, new = both if is_read else (_without_null(both[0]), _without_null(both[1]))
    if old["required"] != new["required"]:
        what = "made required" if new["required"] else "made optional"
        breaks = new["required"] == is_read
        yield Change(name, what, path, "breaking" if breaks else "compatible")
    if ("enum" in old) == ("enum" in new):
        gone = sorted(set(old.get("enum", ())) - set(new.get("enum", ())))
        more = sorted(set(new.get("enum", ())) - set(old.get("enum", ())))
        if gone:
            effect: Effect = "breaking" if is_read else "compatible"
            yield Change(name, f"values removed: {', '.join(gone)}", path, effect)
        if more:
            effect = "compatible" if is_read else "announced"
            yield Change(name, f"values added: {', '.join(more)}", path, effect)
    for keyword in (*KEPT, "enum"):
        if keyword == "enum" and ("enum" in old) == ("enum" in new):
            continue
        if old.get(keyword) != new.get(keyword):
            said = f"{keyword} {_text(old.get(keyword))} → {_text(new.get(keyword))}"
            yield Change(name, said, path, _effect(keyword, old, new, is_read=is_read))


def _without_null(field: Field) -> Field:
    """A field as it is written: what is null is left out of a message."""
    types = [one for one in field.get("type", ()) if one != "null"]
    return {**field, "type": types} if "type" in field else field


def _effect(keyword: str, old: Field, new: Field, *, is_read: bool) -> Effect:
    """A bound that is loosened for senders, or tightened for readers, breaks nobody."""
    before, after = old.get(keyword), new.get(keyword)
    if after is None:
        return "compatible" if is_read else "breaking"
    if before is None:
        return "breaking" if is_read else "compatible"
    if keyword == "type":
        widened = set(map(str, before)) < set(map(str, after))
        narrowed = set(map(str, before)) > set(map(str, after))
        return "compatible" if (widened if is_read else narrowed) else "breaking"
    lowest, highest = "min" in keyword.lower(), "max" in keyword.lower()
    if not (lowest or highest) or len(before) != 1 or len(after) != 1:
        return "breaking"
    is_looser = after[0] > before[0] if highest else after[0] < before[0]
    return "compatible" if is_looser == is_read else "breaking"


def _text(value: Any) -> str:
    return "none" if value is None else " or ".join(f"`{one}`" for one in value)


def unanswered(found: Iterator[Change], after: Mapping[str, Shape]) -> list[Change]:
    """Changes that break somebody: a type may go when a newer major is there, and no other way."""
    return [
        change
        for change in found
        if change.effect == "breaking"
        and not (change.what == "removed type" and _has_newer(change.type, after))
    ]


def _has_newer(name: str, after: Mapping[str, Shape]) -> bool:
    register, verb, major = split_type(name)
    others = (split_type(one) for one in after if one != ENVELOPE)
    return any((r, v) == (register, verb) and m > major for r, v, m in others)


def released() -> dict[str, Any]:
    """The last release: its version and its contracts."""
    found: dict[str, Any] = json.loads(RELEASED.read_text(encoding="utf-8"))
    return found


def page() -> str:
    """The whole page, as Markdown."""
    last = released()
    title = f"## Since {last['version']}, not released yet\n\n"
    past = PAST.read_text(encoding="utf-8") if PAST.exists() else ""
    return f"{HEAD}\n{title}{section(changes(last['contracts'], present()))}{past}"


def section(found: Iterator[Change]) -> str:
    """The changes as a table; new types, which are many, by their operation."""
    rows = [*found]
    if not rows:
        return "Nothing.\n"
    fresh = sorted({_operation(c.type) for c in rows if c.what == "new type"})
    others = [change for change in rows if change.what != "new type"]
    blocks = [f"New, compatible: {', '.join(f'`{name}`' for name in fresh)}.\n"] if fresh else []
    if others:
        lines = (f"| {' | '.join(_cells(change))} |\n" for change in others)
        blocks.append("".join(("| Type | Field | Change | Effect |\n|---|---|---|---|\n", *lines)))
    return "\n".join(blocks)


def _cells(change: Change) -> tuple[str, ...]:
    field = f"`{change.field}`" if change.field else ""
    return f"`{change.type}`", field, change.what.replace("|", "\\|"), change.effect


def _operation(name: str) -> str:
    """A request stands for its check and its replies."""
    words = [word for word in name.split(".") if word not in {"check", "accepted"}]
    return ".".join(words)


def release(version: str) -> None:
    """Make what is published now the contracts of a release."""
    FOLDER.mkdir(exist_ok=True)
    now = present()
    if RELEASED.exists():
        past = PAST.read_text(encoding="utf-8") if PAST.exists() else ""
        found = section(changes(released()["contracts"], now))
        PAST.write_text(f"\n## {version}\n\n{found}{past}", encoding="utf-8")
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(now[name])}" for name in now)
    text = f'{{"version": {json.dumps(version)}, "contracts": {{\n{lines}\n}}}}\n'
    RELEASED.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    release(sys.argv[1])
