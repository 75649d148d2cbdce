"""Small pure checks with stable codes; a handler lists them and gets all findings at once."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from contracts.envelope import Finding
from contracts.findings import shorten
from contracts.messages import Event
from contracts.values import compose_id
from handlers.decision import Context, Document, Put, Rejected, View
from handlers.visibility import named, parties

RequestT = TypeVar("RequestT")
Rule = Callable[[RequestT, View, Context], Iterable[Finding]]

ID_ATTEMPTS_MAX = 64
"""Draws for one id; each fails with probability 5/37 (check character) or is taken (2^-60)."""


def finding(rule: str, field: str, *, expected: str, got: Any = "", advice: str) -> Finding:
    """Make a finding on a field of the data."""
    path = f"data.{field}" if field else ""
    return Finding(rule=rule, field=path, expected=expected, got=shorten(got), advice=advice)


def check(
    rules: Iterable[Rule[RequestT]], request: RequestT, view: View, context: Context
) -> Rejected | None:
    """Run every rule and reject with all findings, or say nothing."""
    findings = tuple(f for rule in rules for f in rule(request, view, context))
    return reject(*findings) if findings else None


def reject(*findings: Finding) -> Rejected:
    """Reject with findings; the first gives the code and the sentence."""
    first = findings[0]
    where = f" in {first.field}" if first.field else ""
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    message = f"{first.rule}{where}: expected {first.expected}, got {first.got or 'nothing'}{more}."
    return Rejected(message, findings)


def candidate_ids(prefix: str, context: Context) -> Iterator[str]:
    """Ids that this command would get, in the order in which they are tried."""
    for attempt in range(ID_ATTEMPTS_MAX):
        number = context.identity.id_number(
            context.sender.user, context.command_id, prefix, str(attempt)
        )
        if (candidate := compose_id(prefix, number)) is not None:
            yield candidate


def issue_id(prefix: str, collection: str, view: View, context: Context) -> str:
    """The first candidate that is not taken."""
    for candidate in candidate_ids(prefix, context):
        if view.get(collection, candidate) is None:
            return candidate
    raise LookupError(f"expected a free id of {ID_ATTEMPTS_MAX} draws for {prefix}, got none")


def claim(scheme: str, value: str, document: Document, context: Context) -> Put:
    """The right of a document to a value, as a document whose id is the value's fingerprint."""
    return Put(
        "claims",
        {
            "_id": context.identity.fingerprint(scheme, value),
            "revision": 1,
            "scheme": scheme,
            "holder": document["_id"],
            "parties": parties(document),
            "named": dict(named(document)),
        },
    )


def holder_of(scheme: str, value: str, view: View, context: Context) -> Document | None:
    """The claim document of a value, None where it is free."""
    return view.get("claims", context.identity.fingerprint(scheme, value))


def attempted(
    rejected: Rejected,
    held: Iterable[Document | None],
    of: Callable[..., Event],
    roles: Iterable[str],
    context: Context,
) -> Rejected:
    """A refused duplicate, with the fact that it is to each holder of what it claims."""
    holders = {claimed["holder"]: claimed for claimed in held if claimed is not None}
    facts = tuple(
        of(
            id=holder,
            roles=tuple(sorted(roles)),
            by=context.sender.user,
            parties=claimed.get("named") or None,
        )
        for holder, claimed in sorted(holders.items())
    )
    return replace(rejected, events=facts)
