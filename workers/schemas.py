"""The published form of a type: JSON Schema 2020-12 of its envelope."""

from typing import Any, Final

from pydantic import TypeAdapter

from contracts.envelope import Envelope
from topology.catalog import Entry

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def schema_of(entry: Entry) -> dict[str, Any]:
    """What a sender may write; `type` of the envelope is fixed to the entry's."""
    adapter: TypeAdapter[Any] = TypeAdapter(Envelope[entry.contract])  # type: ignore[name-defined]
    schema = adapter.json_schema(mode="validation")
    properties = {**schema["properties"], "type": {"const": entry.name}}
    head = {"$schema": DIALECT, "$id": f"urn:flexspine:schema:{entry.name}"}
    return {**head, **schema, "title": entry.name, "properties": properties}
