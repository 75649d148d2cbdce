"""The messages of the AsyncAPI document: their attributes, their data and what explains them."""

import inspect
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from contracts.envelope import BACKBONE_URN, CONTENT_TYPE, USER_URN, Header
from contracts.trace import TRACEPARENT, TRACEPARENT_FORM, TRACESTATE, TRACESTATE_LENGTH_MAX
from topology.catalog import Entry, events
from topology.render import deprecated, written

SCHEMAS: Final = "#/components/schemas/"
MESSAGES: Final = "#/components/messages/"
READ: Final[JsonSchemaMode] = "validation"
WRITTEN: Final[JsonSchemaMode] = "serialization"
REQUIRED: Final = tuple(name for name, f in Header.model_fields.items() if f.is_required())
BINDING: Final = {"bindingVersion": "0.3.0"}
"""Which version of AsyncAPI's AMQP bindings is spoken."""
TRACE_HEADERS: Final = {
    "type": "object",
    "description": "Optional AMQP headers: the trace context of the W3C.",
    "properties": {
        TRACEPARENT: {
            "type": "string",
            "description": "Which trace and span the message belongs to.",
            "pattern": f"^{TRACEPARENT_FORM}$",
        },
        TRACESTATE: {
            "type": "string",
            "description": "What tracing systems add to it.",
            "maxLength": TRACESTATE_LENGTH_MAX,
        },
    },
}
REQUEST_PROPERTIES: Final = {
    "user_id": "The account; the broker refuses any other.",
    "reply_to": "`<user>.replies`; without it the answer comes to `<user>.events`.",
    "delivery_mode": "2, persistent.",
    "content_type": CONTENT_TYPE,
}

Models = list[tuple[type[BaseModel], JsonSchemaMode]]


def components(entries: Mapping[str, Entry]) -> dict[str, Any]:
    """Messages by type, and the schemas that they share; JSON Schema in the older draft 7.

    AsyncAPI's own schemas are a superset of that draft, and the only ones that each tool reads.
    """
    sent = dict(written(entries))
    models: Models = [(Header, READ)]
    models += [(entry.contract, READ) for entry in entries.values()]
    models += [(model, WRITTEN) for model in sent.values()]
    places, whole = models_json_schema(
        list(dict.fromkeys(models)), ref_template=f"{SCHEMAS}{{model}}"
    )
    facts = {event.message_type for event in events(entries)}
    messages = {
        name: _request(entry, places[entry.contract, READ]) for name, entry in entries.items()
    }
    for name, model in sent.items():
        answers = name not in facts
        messages[name] = _sent(name, model, places[model, WRITTEN], answers=answers)
    for name, newer in deprecated(entries).items():
        _mark(messages[name], newer)
    schemas = {name: _draft_7(schema) for name, schema in sorted(whole["$defs"].items())}
    return {"messages": dict(sorted(messages.items())), "schemas": schemas}


def _mark(message: dict[str, Any], newer: str) -> None:
    """Say of a message that it is deprecated; AsyncAPI 3.0 has a place for that in schemas only."""
    message["payload"]["deprecated"] = True
    message["description"] = f"{superseded(newer)}\n\n{message['description']}"
    message["x-deprecated-by"] = newer
    message["tags"] = [*message.get("tags", ()), {"name": "deprecated"}]


def superseded(newer: str) -> str:
    """The sentence that a deprecated type is explained with."""
    return f"Deprecated: `{newer}` takes its place."


def doc(model: type[BaseModel]) -> str:
    """What a contract's author wrote for the counterparty."""
    return inspect.cleandoc(model.__doc__ or "")


def summary(entry: Entry) -> str:
    """One line on what a request is for."""
    first = doc(entry.contract).partition("\n")[0]
    return f"Dry run: {first}" if entry.kind == "check" else first


def about(entry: Entry) -> str:
    """What a counterparty has to know of a request."""
    text = doc(entry.contract)
    if entry.kind != "check":
        return text
    what = f"The dry run of `{entry.contract.message_type}`: all findings, and nothing changes."
    return f"{what}\n\n{text}"


def _request(entry: Entry, data: Mapping[str, Any]) -> dict[str, Any]:
    source = {"type": "string", "pattern": f"^{USER_URN}", "maxLength": 200}
    return {
        **_message(entry.name, about(entry), source, data),
        "summary": summary(entry),
        "correlationId": {
            "location": "$message.payload#/id",
            "description": "The sender's own id; the answer has it as `correlationid`.",
        },
        "tags": [{"name": entry.register}, {"name": entry.kind}],
        "x-amqp-properties": REQUEST_PROPERTIES,
    }


def _sent(
    name: str, model: type[BaseModel], data: Mapping[str, Any], *, answers: bool
) -> dict[str, Any]:
    message = _message(name, doc(model), {"const": BACKBONE_URN}, data)
    message["summary"] = doc(model).partition("\n")[0]
    message["payload"]["required"].insert(-1, "datacontenttype")
    if not answers:
        return message
    if ".accepted." in name:
        # Other answers lack it where the message's id could not be read.
        message["payload"]["required"].insert(-1, "correlationid")
    location = {
        "location": "$message.payload#/correlationid",
        "description": "The `id` of the request that it answers.",
    }
    return {**message, "correlationId": location}


def _message(
    name: str, description: str, source: Mapping[str, Any], data: Mapping[str, Any]
) -> dict[str, Any]:
    shared = {
        attribute: {"$ref": f"{SCHEMAS}Header/properties/{attribute}"}
        for attribute in Header.model_fields
    }
    return {
        "name": name,
        "title": name,
        "description": description,
        "contentType": CONTENT_TYPE,
        "headers": TRACE_HEADERS,
        "payload": {
            "type": "object",
            "additionalProperties": False,
            "required": [*REQUIRED, "data"],
            "properties": {
                **shared,
                "source": dict(source),
                "type": {"const": name},
                "data": dict(data),
            },
        },
        "bindings": {"amqp": {"messageType": name, **BINDING}},
    }


def _draft_7(schema: Any) -> Any:
    """The same in draft 7, where a reference hides whatever stands beside it."""
    if isinstance(schema, list):
        return [_draft_7(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    told = {name: _draft_7(value) for name, value in schema.items()}
    if "$ref" in told and len(told) > 1:
        return {"allOf": [{"$ref": told.pop("$ref")}], **told}
    return told
