"""What verifiers have said of a user, and whether it proves what the user's roles need."""

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from contracts.confirmation import Scheme, UserConfirmed
from contracts.requirements import EVIDENCE, missing
from handlers.claiming import folded_name
from handlers.decision import Context, Document, View
from handlers.spans import Span
from handlers.visibility import named
from handlers.vouching import matched, on_record

EVIDENCE_ROWS: Final = "evidence"
GROUP_OF: Final[Mapping[Scheme, str]] = {
    "company_number": "claims",
    "vat_number": "claims",
    "lei": "claims",
    "eic": "claims",
    "mpid": "claims",
    "address": "address",
    "identity": "name",
}
"""Scheme -> the group that must be readable to whoever attests it, and of which it tells."""
SIGNIFICANT: Final = frozenset({"name", "claims"})
"""Groups whose change opens the question anew whether a user is who it says."""


def evidence_id(user: str, scheme: str, verifier: str) -> str:
    """One verifier says one thing of a user on each scheme."""
    return f"{user}/{scheme}/{verifier}"


def evidence_span(user: str, after: str = "") -> Span:
    """What is on record of a user, a page of it."""
    return Span("user", user, after)


def evidence_of(user: str, view: View) -> list[Document]:
    """All that verifiers have said of a user."""
    return on_record(EVIDENCE_ROWS, partial(evidence_span, user), view)


def subject_of(user: Document, scheme: Scheme, context: Context) -> str | None:
    """A fingerprint of what is attested, of an opened record; None where there is nothing.

    An identifier is attested as that of the name: who changes the name has to prove it anew.
    """
    value = user.get(GROUP_OF[scheme])
    if GROUP_OF[scheme] == "claims":
        value = (value or {}).get(scheme)
    if not value:
        return None
    about = value if scheme == "address" else [user["kind"], folded_name(user["name"])]
    said = [about, value if GROUP_OF[scheme] == "claims" else None]
    return context.identity.fingerprint(f"evidence/{scheme}", json.dumps(said, sort_keys=True))


def proven(user: Document, rows: Iterable[Document], context: Context) -> frozenset[str]:
    """Schemes on which somebody says match and nobody mismatch, for what the record says now."""
    return matched(r for r in rows if r["subject"] == subject_of(user, r["scheme"], context))


def is_proven(user: Document, rows: Sequence[Document], context: Context) -> bool:
    """Whether the record is complete, and evidence proves every role that the user has."""
    roles = user["roles"]
    if not roles or any(missing(user, role) for role in roles):
        return False
    schemes = proven(user, rows, context)
    return all(any(enough <= schemes for enough in EVIDENCE[role]) for role in roles)


def settled(
    user: dict[str, Any], rows: Sequence[Document], context: Context, *, reopened: bool = False
) -> dict[str, Any]:
    """The record with the status that evidence gives it.

    A confirmed user stays so unless the question is `reopened`.
    """
    before = user["status"]
    if before == "confirmed" and not reopened:
        return user
    after = "confirmed" if is_proven(user, rows, context) else "provisional"
    return user if after == before else user | {"status": after, "status_at": context.now}


def confirmed_by_evidence(
    was: Document, user: Document, context: Context
) -> tuple[UserConfirmed, ...]:
    """The event of a user whom evidence has just confirmed."""
    if was["status"] == user["status"] or user["status"] != "confirmed":
        return ()
    return (
        UserConfirmed(
            id=user["_id"],
            revision=user["revision"],
            status="confirmed",
            by=context.sender.user,
            parties=named(user) or None,
            grounds="evidence",
        ),
    )
