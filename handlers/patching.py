"""What a patch has to pass in any register: who may write its groups, and what it has seen."""

from collections.abc import Iterable, Iterator
from typing import Final

from contracts.envelope import Finding
from handlers.decision import Document, View
from handlers.documents import history_id
from handlers.rules import finding
from handlers.visibility import Standing

STALE_REVISIONS_MAX: Final = 20
"""How many revisions a stale sender is told the changes of."""


def not_yours(
    patch: Iterable[str], standing: Standing, *, rule: str, what: str
) -> Iterator[Finding]:
    """Each group has its writers; whoever may not write one is told so by the group's name."""
    for group in sorted(patch):
        if not standing.may("write", group):
            yield finding(
                rule,
                group,
                expected=f"a group that your relation to the {what} may write",
                advice="Leave the group out, or ask whoever may write it to change it.",
            )


def stale(
    expected: int | None, was: Document, standing: Standing, view: View, *, rule: str
) -> Iterator[Finding]:
    """Whether a sender has not seen the latest revision, and what has changed since its own."""
    if expected in {None, was["revision"]}:
        return
    first = max((expected or 0) + 1, was["revision"] - STALE_REVISIONS_MAX + 1)
    changed: set[str] = set()
    for revision in range(first, was["revision"] + 1):
        row = view.get("history", history_id(was["_id"], revision))
        if row is not None:
            changed.update(row["values"], row["removed"])
    told = standing.names(sorted(changed))
    what = f" (changed since yours: {', '.join(told)})" if told else ""
    yield finding(
        rule,
        "expected_revision",
        expected=f"the current revision, {was['revision']}{what}",
        got=expected,
        advice="Read it anew, look at what changed, and send this with the current revision.",
    )
