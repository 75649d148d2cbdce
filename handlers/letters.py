"""Addressed messages, the only things that leave: of filtered data, or of thin domain events."""

import re
from base64 import b64decode
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final, Literal, Self

from contracts.envelope import HeldData, RejectedData, compose
from contracts.messages import Contract, Event, Outcome, reply_type
from contracts.trace import Trace
from handlers.admission import REPLY_DIRECT, Arrival, Refusal
from handlers.decision import Context, Rejected, Told
from handlers.kinds import concerns_nobody_else
from handlers.resent import TYPE as RESENT_TYPE
from handlers.resent import Resent
from handlers.senders import Issuer
from handlers.visibility import Visible, reply_to_sender

KEY_BYTES_MAX: Final = 255
"""AMQP's limit of a routing key."""
TYPE_LENGTH_MAX: Final = 200
"""A longer type cannot be answered under a key that begins with the recipient."""
_PID: Final = re.compile(rb"\x83X(v\x00.|w.)reply@[0-9]{1,12}.{12}", re.DOTALL)
_KEY_BYTES: Final = 16
HELD_RULE: Final = "message.held"
"""Code of the notice that a message is kept for an operator."""
UNREAD_TYPE: Final = "message.rejected.v1"
"""Type of the answer to what could not be read as any request."""
UNREAD_HELD_TYPE: Final = "message.held.v1"
"""Type of the notice that such a message is kept."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One message on its way out.

    `entity` orders it: letters of one entity leave in the order in which they were written.
    `reply_to` is the sender's own queue where one was named, else None.
    """

    kind: Literal["reply", "domain", "personal", "resent"]
    entity: str
    type: str
    body: bytes
    recipient: str | None = None
    reply_to: str | None = None
    trace: Trace = ()
    """The trace context of what led to it."""
    is_private: bool = False
    """Of a domain event: whether it concerns its actor alone, so that nobody is to be told."""
    noted: "tuple[Letter, ...]" = ()
    """Of an answer: facts that follow once it is confirmed."""

    @classmethod
    def answer(cls, arrival: Arrival, outcome: Outcome, visible: Visible, context: Context) -> Self:
        """The one durable answer to a request."""
        if visible.recipient != arrival.user:
            raise ValueError(
                f"expected data filtered for {arrival.user}, got {visible.recipient}'s"
            )
        kind = reply_type(arrival.type, outcome)
        body = compose(
            # With the digest, because an id that is used again with other bytes is answered anew.
            id=message_id(context.identity, arrival.user, arrival.id, kind, arrival.digest.hex()),
            type=kind,
            time=context.now,
            data=visible.data,
            subject=getattr(visible.data, "id", None),
            correlationid=arrival.id,
            causationid=arrival.id,
            sunset=context.sunset,
        )
        return cls.again(arrival, kind, body)

    @classmethod
    def again(cls, arrival: Arrival, kind: str, body: bytes) -> Self:
        """The answer that was given before, to wherever the sender wants it this time."""
        return cls(
            kind="reply",
            # Replies are found by their correlation: only those to one command keep an order.
            entity=f"{arrival.user}/{arrival.id}",
            type=kind,
            body=body,
            recipient=arrival.user,
            reply_to=own_reply_queue(arrival.user, arrival.delivery.reply_to),
            trace=arrival.delivery.trace,
        )

    @classmethod
    def refusal(cls, refusal: Refusal, identity: Issuer, now: datetime) -> Self | None:
        """What the sender of a refused message is told; None where there is none to trust."""
        if refusal.tell is None:
            return None
        outcome, data = _refused(refusal)
        kind = _refusal_type(refusal.delivery.type, outcome)
        visible = reply_to_sender(refusal.tell, data)
        origin = refusal.correlation or ""
        digest = sha256(refusal.delivery.body).hexdigest()
        body = compose(
            # Of the message alone: a refusal is not remembered, and may be made twice.
            id=message_id(identity, refusal.tell, origin, kind, digest),
            type=kind,
            time=now,
            data=visible.data,
            correlationid=origin or None,
        )
        return cls(
            kind="reply",
            # What the sender wrote as an id may be anything, and the outbox keeps this in clear.
            entity=f"{refusal.tell}/{digest[:16]}",
            type=kind,
            body=body,
            recipient=refusal.tell,
            # An event, since nothing in the message is to be trusted but who sent it; direct
            # reply-to reaches nobody else, and is all that the front desk has.
            reply_to=direct_reply(refusal.delivery.reply_to),
            trace=refusal.delivery.trace,
        )

    @classmethod
    def domain(cls, event: Event, number: int | str, arrival: Arrival, context: Context) -> Self:
        """A fact for the backbone's own workers and its operators: names of fields, no values.

        `number` is its place among those of one message.
        """
        entity = event.entity
        kind = event.message_type
        # Each portion of a fact says something of its own.
        portion = f"/{context.cursor}" if context.cursor is not None else ""
        origin = (arrival.user, arrival.id, f"{kind}/{number}{portion}")
        body = compose(
            id=message_id(context.identity, *origin),
            type=kind,
            time=context.now,
            data=event,
            subject=entity,
            causationid=arrival.id,
        )
        return cls(
            kind="domain",
            entity=entity,
            type=kind,
            body=body,
            trace=arrival.delivery.trace,
            is_private=concerns_nobody_else(event),
        )

    @classmethod
    def fact(cls, event: Event, id: str, time: datetime) -> Self:  # noqa: A002  the attribute's name
        """A fact that no command led to, such as that a time has come; `id` says it once."""
        kind = event.message_type
        body = compose(id=id, type=kind, time=time, data=event, subject=event.entity)
        return cls(kind="domain", entity=event.entity, type=kind, body=body)

    @classmethod
    def resent(cls, one: Resent) -> Self:
        """A dead letter for the hop that sends it again; all in the order in which they are due.

        By account they would leave by several partitions, and one that is not due would hold up
        others that are.
        """
        return cls(kind="resent", entity="resent", type=RESENT_TYPE, body=one.packed())

    @classmethod
    def personal(cls, told: Told, trace: Trace = ()) -> Self:
        """What one user is told; a user's events leave in the order of their sequence."""
        recipient = told.visible.recipient
        body = compose(
            id=told.id,
            type=told.type,
            time=told.at,
            data=told.visible.data,
            subject=told.subject,
            causationid=told.causation,
            sequence=told.sequence,
            replayed=told.is_replayed,
        )
        return cls(
            kind="personal",
            entity=recipient,
            type=told.type,
            body=body,
            recipient=recipient,
            trace=trace if told.is_traced else (),
        )


def _refusal_type(given: str, outcome: Outcome) -> str:
    """The type of the answer to a type that may be anything."""
    try:
        kind = reply_type(given, outcome)
    except ValueError:
        kind = ""
    if kind and len(kind) <= TYPE_LENGTH_MAX:
        return kind
    return UNREAD_HELD_TYPE if outcome == "held" else UNREAD_TYPE


def _refused(refusal: Refusal) -> tuple[Outcome, Contract]:
    finding = refusal.finding
    sentence = f"{finding.rule}: expected {finding.expected}, got {finding.got or 'nothing'}."
    if refusal.is_held:
        return "held", HeldData(code=finding.rule, message=f"{sentence} {finding.advice}")
    return "rejected", RejectedData(code=finding.rule, message=sentence, findings=(finding,))


def rejected(arrival: Arrival, decision: Rejected, context: Context) -> Letter:
    """The answer to a request that was not accepted."""
    data = RejectedData(code=decision.code, message=decision.message, findings=decision.findings)
    return Letter.answer(arrival, "rejected", reply_to_sender(arrival.user, data), context)


def held(arrival: Arrival, context: Context) -> Letter:
    """The notice that a command is kept for an operator; its outcome follows."""
    data = HeldData(
        code=HELD_RULE,
        message="The backbone failed on this command and keeps it; its outcome follows. "
        "Sending it again does no harm.",
    )
    return Letter.answer(arrival, "held", reply_to_sender(arrival.user, data), context)


def direct_reply(reply_to: str | None) -> str | None:
    """`reply_to` where it is direct reply-to, which only the asking channel receives.

    The broker takes the rest for an address of its own making and fails over any other text, so
    its shape is checked first: two parts in base64, an external Erlang pid and a key.
    """
    if not reply_to or not reply_to.startswith(REPLY_DIRECT):
        return None
    parts = reply_to.removeprefix(REPLY_DIRECT).split(".")
    try:
        pid, key = (b64decode(part, validate=True) for part in parts)
    except ValueError:
        return None
    return reply_to if len(key) == _KEY_BYTES and _PID.fullmatch(pid) else None


def own_reply_queue(user: str, reply_to: str | None) -> str | None:
    """`reply_to` where it is the sender's own queue or direct reply-to, else None."""
    if not reply_to or len(reply_to.encode()) > KEY_BYTES_MAX:
        return None
    return reply_to if reply_to.startswith(f"{user}.") else direct_reply(reply_to)


def message_id(identity: Issuer, *parts: str) -> str:
    """The id of an outgoing message: the same for the same cause, unguessable for others."""
    return identity.fingerprint("message", "\x1f".join(parts))[:32]
