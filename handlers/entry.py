"""What every request must pass before its handler is asked: who, when, and may it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from contracts.envelope import Finding
from contracts.findings import shorten
from contracts.messages import MARKET
from contracts.taxonomy import FRONT_DESK
from contracts.users import ENDED_STATUSES
from handlers.admission import Arrival
from handlers.decision import Rejected, View
from handlers.rules import reject
from handlers.senders import RESERVED, Sender
from handlers.signature import Handler

OUT: Final = ENDED_STATUSES | {"suspended"}
"""Statuses of users who take no part: whatever they send is refused, by whichever way they got in.

The broker lets such a user in no more, but an open connection, a certificate or a token may
outlast that; so it is asked here, on every message.
"""
CLOCK_SKEW_MAX: Final = timedelta(minutes=5)
"""How far a sender's clock may be ahead of ours."""
INBOX_AGE_MAX: Final = timedelta(days=400)
"""How long an answer is remembered; an older command could be decided twice, so it never is."""


def sender_of(user: str, view: View) -> Sender:
    """The user behind an account, with its roles; one that is not registered has none."""
    if (roles := RESERVED.get(user)) is not None:
        return Sender(user, roles, "confirmed")
    document = view.get("users", user)
    if document is None:
        return Sender(user, frozenset(), "unknown")
    return Sender(user, frozenset(document["roles"]), document["status"])


def pass_entry(
    arrival: Arrival, sender: Sender, handler: Handler, now: datetime
) -> Rejected | None:
    """Reject what no handler needs to see, with all findings; None lets the request pass."""
    may_still = sender.status == "retired" and handler.contract.after_retiring
    if sender.status in OUT and not may_still:
        return reject(
            Finding(
                rule="sender.suspended",
                field="source",
                expected="a user who takes part in the market",
                got=sender.status,
                advice="Ask an operator; who was rejected or is retired does not come back.",
            )
        )
    findings = (*arrival.findings, *_header_findings(arrival, handler, now))
    if findings:
        return reject(*findings)
    allowed = handler.contract.senders
    if sender.roles & allowed or _waits_for_a_role(sender, allowed):
        return _switched_off(handler) or _not_confirmed(sender, handler)
    if sender.status == "unknown":
        return reject(
            Finding(
                rule="sender.unknown",
                field="source",
                expected="a registered user",
                got=sender.user,
                advice="Register first, at the front desk or through a platform.",
            )
        )
    return reject(
        Finding(
            rule="sender.role",
            field="type",
            expected=f"a sender with one of the roles {', '.join(sorted(allowed))}",
            got=", ".join(sorted(sender.roles)),
            advice="Ask an operator for the role, or let a user who has it send this.",
        )
    )


def _waits_for_a_role(sender: Sender, allowed: frozenset[str]) -> bool:
    """Whether a user without a role may send what every role of the market may.

    Who is to be an SO or a verifier has none before an operator grants it, and must be able to
    complete its record, to change its key and to leave meanwhile. The backbone's own account waits
    for nothing.
    """
    is_a_user = sender.status != "unknown" and sender.user not in RESERVED
    return is_a_user and not sender.roles and allowed >= MARKET


def _switched_off(handler: Handler) -> Rejected | None:
    """What only some backbones allow is refused by the others, whoever sends it."""
    if not handler.off_by:
        return None
    return reject(
        Finding(
            rule="message.switched-off",
            field="type",
            expected="a type that this backbone is set to take",
            got=handler.contract.message_type,
            advice=f"Whoever runs it can switch it on by {handler.off_by}.",
        )
    )


def _not_confirmed(sender: Sender, handler: Handler) -> Rejected | None:
    """A provisional user is believed when it speaks of itself, and not of others."""
    if sender.status != "provisional" or handler.for_provisional:
        return None
    return reject(
        Finding(
            rule="sender.provisional",
            field="source",
            expected="a user who is confirmed",
            got=sender.status,
            advice="Complete what your roles require (user.requirements.v1), or ask an operator.",
        )
    )


def over_quota(per_minute: int, other_account: str | None) -> Finding:
    """Say that an account has sent more than its quota, and which one has none, if any has."""
    what = "commands" if other_account else "queries and checks"
    instead = f" or with {other_account}, which is for bulk loads" if other_account else ""
    return Finding(
        rule="message.quota",
        field="",
        expected=f"at most {per_minute} {what} made within a minute by this account",
        got="",
        advice=f"Send it under a new id, later{instead}.",
    )


def _header_findings(arrival: Arrival, handler: Handler, now: datetime) -> Iterator[Finding]:
    header = arrival.header
    if header is None:
        return
    if header.time > now + CLOCK_SKEW_MAX:
        yield _finding("message.from-future", "time", "a time not ahead of ours", header.time)
    if header.time < now - INBOX_AGE_MAX:
        yield _finding("message.expired", "time", "a time of the last 400 days", header.time)
    if header.expirytime is not None and header.expirytime < now:
        yield _finding("message.expired", "expirytime", "a moment to come", header.expirytime)
    if header.dataref is not None and arrival.message is not None:
        yield _finding("envelope.unsupported", "dataref", "data in the message", header.dataref)
    if header.onbehalfof is not None and not handler.contract.for_another:
        yield _finding("envelope.unsupported", "onbehalfof", "none on this type", header.onbehalfof)
    elif header.onbehalfof is not None and arrival.user == FRONT_DESK:
        expected = "none at the front desk, which acts for nobody"
        yield _finding("envelope.unsupported", "onbehalfof", expected, header.onbehalfof)
    if arrival.user == FRONT_DESK and not _is_uuid(arrival.id):
        yield _finding("message.id-format", "id", "a UUID, since the account is shared", arrival.id)


_ADVICE: Final = {
    "message.from-future": "Set your clock; give the time in RFC 3339 with its offset.",
    "message.expired": "Look whether the wish still stands and send it anew with a new id.",
    "envelope.unsupported": "Leave the attribute out.",
    "message.id-format": "Give every command of the front desk a random UUID as its id.",
}


def _finding(rule: str, field: str, expected: str, got: object) -> Finding:
    text = got.isoformat() if isinstance(got, datetime) else shorten(got)
    return Finding(rule=rule, field=field, expected=expected, got=text, advice=_ADVICE[rule])


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
