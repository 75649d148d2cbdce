"""The published interface as an AsyncAPI 3.0 document, derived from catalog and contracts.

Written from the platform's side: it sends requests, and receives replies and events.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from contracts.envelope import CONTENT_TYPE
from contracts.messages import reply_type
from handlers.letters import UNREAD_HELD_TYPE, UNREAD_TYPE
from topology import names
from topology.catalog import Entry, events
from topology.payloads import BINDING, MESSAGES, about, components, doc, summary, superseded
from topology.render import OUTCOMES

VERSION: Final = "3.0.0"
COMMANDS, BULK, REPLIES, EVENTS, DOMAIN = "commands", "bulk", "replies", "events", "domain"
PERSISTENT: Final = 2
ABOUT: Final = (
    "The common registers of users and assets. Written from the side of a platform: it sends "
    "requests to `flex.commands` and receives replies and events from its own queues. The roles "
    "that may send a request are in `x-senders`."
)


def document(entries: Mapping[str, Entry], version: str) -> dict[str, Any]:
    """The whole document; `version` is that of the program whose interface this is."""
    return {
        "asyncapi": VERSION,
        "id": "urn:flexspine:interface",
        "info": {
            "title": "Flexspine",
            "version": version,
            "description": ABOUT,
            "license": {"name": "Apache-2.0"},
            "contact": {"name": "The operator of the backbone"},
            "tags": [{"name": name} for name in sorted({e.register for e in entries.values()})],
        },
        "defaultContentType": CONTENT_TYPE,
        "servers": {"broker": _server()},
        "channels": _channels(entries),
        "operations": dict(_operations(entries)),
        "components": {
            "securitySchemes": {
                "account": {
                    "type": "userPassword",
                    "description": "The user's id and the key whose hash was registered.",
                }
            },
            **components(entries),
        },
    }


def _server() -> dict[str, Any]:
    return {
        "host": "{host}:{port}",
        "pathname": "/{vhost}",
        "protocol": "amqp",
        "protocolVersion": "0.9.1",
        "description": "The broker; the operator says where it is.",
        "variables": {
            "host": {"default": "localhost"},
            "port": {"default": "5672"},
            "vhost": {"default": "", "description": "Nothing is the virtual host `/`."},
        },
        "security": [{"$ref": "#/components/securitySchemes/account"}],
    }


def _channels(entries: Mapping[str, Entry]) -> dict[str, Any]:
    answers = _replies(entries)
    user = {"user": {"description": "The id of the user, which is the account's name."}}
    replies = _queue(names.replies_queue("{user}"), "Answers to what named it as `reply_to`.")
    heard = _queue(names.events_queue("{user}"), "What concerns the user, and all other answers.")
    domain = _queue(names.domain_queue(names.OPERATOR), "Every change, for operators only.")
    return {
        COMMANDS: _topic(
            names.COMMANDS, "Where every request is published, its type as routing key.", entries
        ),
        BULK: _topic(
            names.BULK,
            "The same for the account `<user>/bulk`, whose loads delay nobody else.",
            entries,
        ),
        REPLIES: {**replies, "parameters": user, "messages": _refs(answers)},
        EVENTS: {
            **heard,
            "parameters": user,
            "messages": _refs([*answers, UNREAD_TYPE, UNREAD_HELD_TYPE]),
        },
        DOMAIN: {**domain, "messages": _refs(_facts(entries))},
    }


def _topic(exchange: str, description: str, types: Iterable[str]) -> dict[str, Any]:
    given = {"name": exchange, "type": "topic", "durable": True, "autoDelete": False}
    return {
        "address": "{type}",
        "description": description,
        "parameters": {"type": {"description": "The type of the message.", "enum": list(types)}},
        "messages": _refs(types),
        "bindings": {"amqp": {"is": "routingKey", "exchange": given, **BINDING}},
    }


def _queue(name: str, description: str) -> dict[str, Any]:
    queue = {"name": name, "durable": True, "exclusive": False, "autoDelete": False}
    return {
        "address": name,
        "description": description,
        "bindings": {"amqp": {"is": "queue", "queue": queue, **BINDING}},
    }


def _replies(entries: Iterable[str]) -> list[str]:
    return [reply_type(name, outcome) for name in entries for outcome in OUTCOMES]


def _facts(entries: Mapping[str, Entry]) -> list[str]:
    return [event.message_type for event in events(entries)]


def _refs(types: Iterable[str]) -> dict[str, Any]:
    return {name: {"$ref": f"{MESSAGES}{name}"} for name in types}


def _of_channel(channel: str, types: Iterable[str]) -> list[dict[str, str]]:
    # A slash or tilde would need quoting in a pointer; a type has neither.
    return [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in types]


def _operations(entries: Mapping[str, Entry]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, entry in entries.items():
        yield f"send.{name}", _sent(entry, COMMANDS)
        yield f"bulk.{name}", _sent(entry, BULK)
    answers = _replies(entries)
    yield _received("replies", REPLIES, answers, "Answers to the user's own requests.")
    heard = [*answers, UNREAD_TYPE, UNREAD_HELD_TYPE]
    yield _received("events", EVENTS, heard, "Answers that named no queue of the user's.")
    for event in events(entries):
        one = [event.message_type]
        yield _received(event.message_type, DOMAIN, one, doc(event).partition("\n")[0])


def _sent(entry: Entry, channel: str) -> dict[str, Any]:
    tags = [{"name": entry.register}, {"name": entry.kind}]
    explained = about(entry)
    if entry.newer is not None:
        tags.append({"name": "deprecated"})
        explained = f"{superseded(entry.newer)}\n\n{explained}"
    return {
        "action": "send",
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary(entry),
        "description": explained,
        "tags": tags,
        "messages": _of_channel(channel, [entry.name]),
        "reply": {
            "channel": {"$ref": f"#/channels/{REPLIES}"},
            "messages": _of_channel(REPLIES, _replies([entry.name])),
        },
        "bindings": {"amqp": {"deliveryMode": PERSISTENT, **BINDING}},
        "x-senders": list(entry.senders),
    }


def _received(
    name: str, channel: str, types: Iterable[str], summary: str
) -> tuple[str, dict[str, Any]]:
    return f"receive.{name}", {
        "action": "receive",
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "messages": _of_channel(channel, types),
        "bindings": {"amqp": {"ack": True, **BINDING}},
    }
