"""Looking through the cases of duplicates, and reading one."""

from collections.abc import Iterator
from math import floor

from contracts.duplicates import CasePage, CaseRow, CaseView, GetCase, ListCases
from contracts.messages import Contract
from handlers.decision import Context, Document, Reads, Rejected, View
from handlers.dismissing import case_not_found
from handlers.duplicates import BANDS, CASES
from handlers.paging import after_of, cursor_of, foreign
from handlers.rules import reject
from handlers.signature import reads
from handlers.spans import Span


def _question(query: ListCases) -> str:
    asked = query.model_dump(exclude={"cursor", "limit"})
    return "duplicates.list/" + "\x1f".join(f"{name}={value}" for name, value in asked.items())


def _terms(query: ListCases) -> Iterator[str]:
    """What is held by few stands first."""
    if query.assignee is not None:
        yield f"assignee/{query.assignee}"
    if query.score_min is not None and (band := floor(query.score_min * BANDS)):
        yield f"score/{band}"
    if query.status is not None:
        yield f"status/{query.status}"
    if query.kind is not None:
        yield f"kind/{query.kind}"


def _span(query: ListCases, context: Context) -> Span:
    after = after_of(query.cursor, _question(query), context)
    return Span.of_list("terms", _terms(query), after)


def _list_reads(query: ListCases, context: Context) -> Reads:
    yield CASES, _span(query, context)


@reads(_list_reads)
def list_cases(query: ListCases, view: View, context: Context) -> Contract | Rejected:
    """Answer with a page of the cases that fit.

    Rejects: cursor.foreign
    Source: duplicates are decided by people, BUC.1.
    """
    question = _question(query)
    if findings := tuple(foreign(query.cursor, question, context)):
        return reject(*findings)
    found, upto = view.page(CASES, _span(query, context))
    fit = [case for case in found if case["score"] >= (query.score_min or 0)]
    if len(fit) > query.limit:
        fit, upto = fit[: query.limit], fit[query.limit - 1]["_id"]
    return CasePage(
        cases=tuple(CaseRow(id=case["_id"], **_shown(case, CaseRow)) for case in fit),
        cursor=cursor_of(upto, question, context) if upto else None,
    )


def _get_reads(query: GetCase, context: Context) -> Reads:
    yield CASES, query.id


@reads(_get_reads)
def get_case(query: GetCase, view: View, context: Context) -> Contract | Rejected:
    """Answer with all that is known of a case.

    Rejects: duplicates.not-found
    Source: duplicates are decided by people, BUC.1.
    """
    case = view.get(CASES, query.id)
    if case is None:
        return case_not_found(query.id)
    return CaseView(id=case["_id"], **_shown(case, CaseView))


def _shown(case: Document, kind: type[CaseRow]) -> Document:
    return {name: case[name] for name in kind.model_fields if case.get(name) is not None}
