"""What evidence of users and of assets has in common."""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final

from contracts.envelope import Finding
from handlers.decision import Context, Document, View
from handlers.rules import finding
from handlers.spans import Span

SAID: Final = ("verdict", "source", "evidence_at", "subject")
"""What one verifier says; the rest of a row is about whom, and when it was kept."""


def on_record(collection: str, span_from: Callable[[str], Span], view: View) -> list[Document]:
    """All that verifiers have said, a page at a time; `span_from` says where one begins."""
    rows: list[Document] = []
    further = ""
    while True:
        page, further = view.page(collection, span_from(further))
        rows += page
        if not further:
            return rows


def is_said(was: Document | None, row: Document) -> bool:
    """Whether the same verifier has said the same already."""
    return was is not None and all(was[name] == row[name] for name in SAID)


def matched(rows: Iterable[Document]) -> frozenset[str]:
    """Schemes on which somebody says match and nobody mismatch."""
    said: dict[str, set[str]] = {}
    for row in rows:
        said.setdefault(row["scheme"], set()).add(row["verdict"])
    return frozenset(s for s, found in said.items() if "match" in found and "mismatch" not in found)


def unfounded(
    about: tuple[str, str], subject: str | None, evidence_at: datetime, context: Context
) -> Iterator[Finding]:
    """What speaks against evidence of this kind of record and scheme, whoever gives it."""
    kind, scheme = about
    if subject is None:
        yield finding(
            "evidence.no-value",
            "scheme",
            expected=f"a scheme on which the {kind} says something",
            got=scheme,
            advice="Nothing is to be attested; the value is given first.",
        )
    if evidence_at > context.now:
        yield finding(
            "evidence.from-future",
            "evidence_at",
            expected="a moment that is over",
            got=evidence_at.isoformat(),
            advice="Give the time at which the source said so.",
        )
