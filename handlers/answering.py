"""Interest, seen from both sides: what the addressed answer, and what each may list."""

from collections.abc import Iterator

from contracts.envelope import Finding
from contracts.interests import (
    AnswerInterest,
    InterestAnswered,
    InterestPage,
    InterestView,
    ListInterests,
)
from contracts.messages import Contract
from handlers.decision import (
    Accepted,
    Context,
    Decision,
    Document,
    Put,
    Reads,
    Rejected,
    Secret,
    View,
)
from handlers.edges import edge
from handlers.erasing import ERASURES
from handlers.interests import INTERESTS, interest_state, no_interest, plain_of
from handlers.paging import after_of, cursor_of, foreign
from handlers.rules import finding, reject
from handlers.signature import reads
from handlers.spans import Span


def _answer_reads(command: AnswerInterest, context: Context) -> Reads:
    yield INTERESTS, edge(command.id, context.sender.user)
    yield ERASURES, command.id


@reads(_answer_reads)
def answer_interest(command: AnswerInterest, view: View, context: Context) -> Decision:
    """Say what the sender thinks of an interest in its market.

    It is kept under the key of the one who is interested, with all that is kept of the interest.
    Rejects: interest.none, interest.withdrawn, interest.stale
    Source: U5, U7.
    """
    was = view.get(INTERESTS, edge(command.id, context.sender.user))
    # What was said to who is being erased would be kept under the key that outlasts the erasure.
    if was is None or view.get(ERASURES, command.id) is not None:
        return no_interest("id", command.id)
    if was["status"] == command.answer and plain_of(was, "text") == command.text:
        return Accepted(command.id, interest_state(was), command.id)
    if findings := tuple(_unanswerable(command, was)):
        return reject(*findings)
    answered = {"status": command.answer, "text": Secret(command.text), "answered_at": context.now}
    after = {**was, **answered, "revision": was["revision"] + 1}
    event = InterestAnswered(
        id=command.id, by=context.sender.user, revision=after["revision"], answer=command.answer
    )
    return Accepted(
        subject=command.id,
        keyed_to=command.id,
        reply=interest_state(after),
        writes=(Put(INTERESTS, after, was),),
        events=(event,),
    )


def _unanswerable(command: AnswerInterest, was: Document) -> Iterator[Finding]:
    if was["status"] == "withdrawn":
        yield finding(
            "interest.withdrawn",
            "id",
            expected="an interest that stands",
            got="withdrawn",
            advice="Nothing is to be answered; who is interested again says so anew.",
        )
    elif command.expected_revision not in {None, was["revision"]}:
        yield finding(
            "interest.stale",
            "expected_revision",
            expected=f"{was['revision']}, the revision of the interest by now",
            got=command.expected_revision,
            advice="Read it again with `interest.list.v1`, then answer with its revision.",
        )


def _list_reads(query: ListInterests, context: Context) -> Reads:
    yield INTERESTS, _page(query, context)


def _question(query: ListInterests) -> str:
    return f"interest.list/{query.side}/{query.status}"


def _page(query: ListInterests, context: Context) -> Span:
    after = after_of(query.cursor, _question(query), context)
    return Span("user" if query.side == "expressed" else "to", context.sender.user, after)


@reads(_list_reads)
def list_interests(query: ListInterests, view: View, context: Context) -> Contract | Rejected:
    """Answer with the asker's own interests, or those in its market, a page at a time.

    Rejects: cursor.foreign
    Source: U5, U7.
    """
    question = _question(query)
    if findings := tuple(foreign(query.cursor, question, context)):
        return reject(*findings)
    rows, further = view.page(INTERESTS, _page(query, context))
    shown = (_view(row) for row in rows if query.status in {None, row["status"]})
    return InterestPage(
        interests=tuple(shown),
        cursor=cursor_of(further, question, context) if further else None,
    )


def _view(document: Document) -> InterestView:
    names = InterestView.model_fields.keys() - {"id"}
    return InterestView(
        id=document["user"],
        **{n: plain_of(document, n) for n in names if document.get(n) is not None},
    )
