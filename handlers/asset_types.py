"""The taxonomy: which types of asset there are, and which details each of them has."""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError, ValidationError

from contracts.asset_types import (
    DefineType,
    GetType,
    ListTypes,
    TypeDefined,
    TypePage,
    TypeRow,
    TypeState,
    TypeView,
)
from contracts.envelope import Finding
from contracts.findings import FINDINGS_MAX, shorten
from contracts.messages import Contract
from contracts.taxonomy import ASSET_TYPES, DETAILS
from handlers.decision import Accepted, Context, Decision, Document, Put, Reads, Rejected, View
from handlers.paging import after_of, cursor_of, foreign
from handlers.rules import finding, reject
from handlers.signature import reads
from handlers.spans import PAGE, Span

TYPES: Final = "asset_types"
SCHEMA_BYTES_MAX: Final = 32_768
_LIST: Final = "taxonomy.list"
_NAME: Final = r"^[a-z][a-z0-9_]*$"
_FORM: Final = Draft202012Validator(
    {
        "type": "object",
        "required": ["type", "properties", "additionalProperties"],
        "properties": {
            "type": {"const": "object"},
            "properties": {"propertyNames": {"pattern": _NAME}, "maxProperties": 100},
            "additionalProperties": {"const": False},
        },
        "not": {"required": ["$id"]},
    }
)
"""What a schema of details must be itself: closed, so that unknown fields are refused by name."""


def type_read(code: str) -> tuple[str, str]:
    """What a decision looks at that needs a type of asset."""
    return TYPES, code


def type_of(code: str, view: View) -> Document | None:
    """A type as it is defined, or as the backbone came with it; None where there is no such."""
    stored = view.get(TYPES, code)
    if stored is not None or code not in ASSET_TYPES:
        return stored
    return {"_id": code, "revision": 0, "words": ASSET_TYPES[code], "details": DETAILS.get(code)}


def _define_reads(command: DefineType, context: Context) -> Reads:
    yield type_read(command.id)


@reads(_define_reads)
def define_type(command: DefineType, view: View, context: Context) -> Decision:
    """Keep what a type is called and which details it has, and let everybody know.

    Rejects: taxonomy.schema
    Source: A1.
    """
    given = None if command.details is None else _written(command.details)
    if given is not None and (faults := tuple(_faults(command.details or {}, given))):
        return reject(*faults)
    was = type_of(command.id, view)
    changed = tuple(_changed(was, command.words, given))
    revision = was["revision"] if was is not None else 0
    if was is not None and not changed:
        state = TypeState(id=command.id, revision=revision)
        return Accepted(command.id, state, context.sender.user)
    document: dict[str, Any] = {
        "_id": command.id,
        "revision": revision + 1,
        "words": command.words,
        "details": given,
        "by": context.sender.user,
        "at": context.now,
    }
    event = TypeDefined(
        id=command.id,
        revision=document["revision"],
        by=context.sender.user,
        words=command.words,
        changed=changed,
    )
    return Accepted(
        subject=command.id,
        keyed_to=context.sender.user,
        reply=TypeState(id=command.id, revision=document["revision"]),
        writes=(Put(TYPES, document, view.get(TYPES, command.id)),),
        events=(event,),
    )


def _written(schema: Mapping[str, Any]) -> str:
    """A schema as text: what is the same is then the same bytes."""
    return json.dumps(schema, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _faults(schema: Mapping[str, Any], text: str) -> Iterator[Finding]:
    if len(text.encode()) > SCHEMA_BYTES_MAX:
        yield _fault("details", f"at most {SCHEMA_BYTES_MAX} bytes of JSON", len(text.encode()))
        return
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        path = ".".join(("details", *map(str, error.absolute_path)))
        yield _fault(path, f"JSON Schema 2020-12: {error.message}", error.instance)
        return
    for wrong in _FORM.iter_errors(schema):
        path = ".".join(("details", *map(str, wrong.absolute_path)))
        yield _fault(
            path,
            "a closed object: `type` object, `properties` named in small letters, digits and _, "
            "`additionalProperties` false, no `$id`",
            wrong.instance,
        )
    for reference in _references(schema):
        if not reference.startswith("#/$defs/"):
            yield _fault("details", "references to its own `$defs` only", reference)


def _references(schema: Any) -> Iterator[str]:
    inner: Iterable[Any] = ()
    if isinstance(schema, Mapping):
        named = (schema.get(name) for name in ("$ref", "$dynamicRef"))
        yield from (one for one in named if isinstance(one, str))
        inner = schema.values()
    elif isinstance(schema, list):
        inner = schema
    for one in inner:
        yield from _references(one)


def _fault(path: str, expected: str, got: Any) -> Finding:
    advice = "Correct the schema; `taxonomy.get.v1` shows those of other types."
    return finding("taxonomy.schema", path, expected=shorten(expected), got=got, advice=advice)


def _changed(was: Document | None, words: str, details: str | None) -> Iterator[str]:
    if was is None or was["words"] != words:
        yield "words"
    old, new = _properties((was or {}).get("details")), _properties(details)
    different = [name for name in old.keys() | new.keys() if old.get(name) != new.get(name)]
    yield from (f"details.{name}" for name in sorted(different))
    if not different and was is not None and was["details"] != details:
        yield "details"


def _properties(schema: str | None) -> Mapping[str, Any]:
    return dict(json.loads(schema)["properties"]) if schema is not None else {}


def unknown_type(code: str, field: str) -> Finding:
    """There is no such type of asset."""
    return finding(
        "asset-type.unknown",
        field,
        expected="a type of the list that `taxonomy.list.v1` gives",
        got=code,
        advice="Use three capital letters of that list; OTH where none fits.",
    )


def misfits(code: str, details: Mapping[str, Any], view: View) -> Iterator[Finding]:
    """What of an asset's details its type does not have, or not like this."""
    schema = (type_of(code, view) or {}).get("details")
    if schema is None:
        yield finding(
            "details.undefined",
            "details",
            expected=f"no details: the type {code} has none",
            got=sorted(details),
            advice="Leave them out; ask an operator to define them for the type.",
        )
        return
    errors = sorted(_judge(schema).iter_errors(details), key=lambda e: list(map(str, e.path)))
    for error in errors[:FINDINGS_MAX]:
        yield finding(
            "details.invalid",
            ".".join(("details", *map(str, error.absolute_path))),
            expected=_expected(error),
            got=error.instance,
            advice=f"Compare with the schema that `taxonomy.get.v1` gives for {code}.",
        )


@lru_cache(maxsize=256)
def _judge(schema: str) -> Draft202012Validator:
    """The judge of a schema; making one takes a hundred times as long as asking it."""
    return Draft202012Validator(json.loads(schema))


def _expected(error: ValidationError) -> str:
    """What the schema wants, in its own word: `maximum 100`."""
    if error.validator == "additionalProperties":
        allowed = error.schema.get("properties", ()) if isinstance(error.schema, Mapping) else ()
        return shorten("no fields but " + ", ".join(sorted(allowed)))
    return shorten(f"{error.validator} {json.dumps(error.validator_value)}")


def _get_reads(query: GetType, context: Context) -> Reads:
    yield type_read(query.id)


@reads(_get_reads)
def get_type(query: GetType, view: View, context: Context) -> Contract | Rejected:
    """Answer with a type and the schema of its details; types are public.

    Rejects: asset-type.unknown
    Source: A1.
    """
    found = type_of(query.id, view)
    if found is None:
        return reject(unknown_type(query.id, "id"))
    details = json.loads(found["details"]) if found["details"] is not None else None
    return TypeView(id=query.id, revision=found["revision"], words=found["words"], details=details)


def _list_reads(query: ListTypes, context: Context) -> Reads:
    yield TYPES, _page(query, context)


def _page(query: ListTypes, context: Context) -> Span:
    return Span.of_list("", (), after_of(query.cursor, _LIST, context))


@reads(_list_reads)
def list_types(query: ListTypes, view: View, context: Context) -> Contract | Rejected:
    """Answer with a page of the types, those of the backbone itself among them.

    Rejects: cursor.foreign
    Source: A1.
    """
    if findings := tuple(foreign(query.cursor, _LIST, context)):
        return reject(*findings)
    after = after_of(query.cursor, _LIST, context)
    stored, further = view.page(TYPES, _page(query, context))
    codes = {one["_id"] for one in stored}
    codes |= {code for code in ASSET_TYPES if after < code and (not further or code <= further)}
    listed = sorted(codes)[:PAGE]
    more = further or (listed[-1] if len(codes) > PAGE else "")
    defined = {one["_id"]: one for one in stored}
    return TypePage(
        types=tuple(_row(code, defined.get(code)) for code in listed),
        cursor=cursor_of(min(more, listed[-1]), _LIST, context) if more else None,
    )


def _row(code: str, stored: Document | None) -> TypeRow:
    if stored is None:
        words, has_details = ASSET_TYPES[code], code in DETAILS
        return TypeRow(id=code, revision=0, words=words, has_details=has_details)
    return TypeRow(
        id=code,
        revision=stored["revision"],
        words=stored["words"],
        has_details=stored["details"] is not None,
    )
