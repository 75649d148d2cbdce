"""Parts of one whole: a case is decided by the portfolio in which both of its assets are."""

from collections.abc import Iterator

from contracts.duplicates import CaseDecided
from contracts.merging import JoinParts
from handlers.belonging import MEMBERS, is_member
from handlers.decision import Context, Decision, Document, Put, Reads, View
from handlers.dismissing import accepted, case_not_found, closed, decided_already
from handlers.duplicates import CASES
from handlers.edges import edge
from handlers.rules import finding, reject
from handlers.signature import reads

PART_OF = "part-of"


def _reads(command: JoinParts, context: Context) -> Reads:
    yield CASES, command.case


@reads(_reads)
def join_parts(command: JoinParts, view: View, context: Context) -> Decision:
    """Decide that two assets are parts of one whole, which is a portfolio with both as members.

    Rejects: duplicates.not-found, duplicates.decided, duplicates.not-parts
    Source: duplicates are decided by people, BUC.2.
    """
    was = view.get(CASES, command.case)
    if was is None:
        return case_not_found(command.case, "case")
    if was["status"] == PART_OF and was["survivor"] == command.id:
        return accepted(was, context)
    if was["status"] != "open":
        return decided_already(was, "case")
    view.require(_members(command, was))
    if not all(is_member(view.get(*row)) for row in _members(command, was)):
        return reject(
            finding(
                "duplicates.not-parts",
                "id",
                expected="a portfolio of which both assets of the case are members",
                got=command.id,
                advice="Put both into it with `portfolio.add.v1`, then decide the case by it.",
            )
        )
    after = closed(was, PART_OF, context, survivor=command.id)
    event = CaseDecided(
        id=command.case,
        revision=after["revision"],
        by=context.sender.user,
        status="part-of",
        survivor=command.id,
        assignee=was.get("assignee"),
    )
    return accepted(after, context, (Put(CASES, after, was),), (event,))


def _members(command: JoinParts, case: Document) -> Iterator[tuple[str, str]]:
    return ((MEMBERS, edge(command.id, one)) for one in case["records"])
