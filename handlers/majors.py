"""Two majors of one contract side by side: one handler decides, each is answered in its own."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from contracts.messages import Contract, Request
from handlers.decision import Accepted, Answer, Context, Reads, Rejected, View
from handlers.rules import reject
from handlers.signature import Handler


def majors(handler: Handler) -> Iterator[Handler]:
    """A handler as it was written, and as it takes each older major of its contract."""
    yield handler
    older = handler.contract.older
    if older is not None:
        yield from majors(_step(older, handler))


def _step(older: type[Request], handler: Handler) -> Handler:
    """The handler of the major before: the message goes up, and what is said comes down."""

    def function(message: Request, view: View, context: Context) -> Any:
        return _down(older, handler.function(message.upgrade(), view, context))

    def reads(message: Request, context: Context) -> Reads:
        return handler.reads(message.upgrade(), context)

    return Handler(older, function, reads, handler.for_provisional, newer=handler.contract)


def _down(older: type[Request], said: Any) -> Any:
    if isinstance(said, Rejected):
        here = (f.model_copy(update={"field": older.field_here(f.field)}) for f in said.findings)
        return replace(reject(*here), events=said.events)
    if isinstance(said, Accepted):
        return replace(said, reply=older.answered(said.reply))
    if isinstance(said, Answer):
        return replace(said, data=older.answered(said.data))
    data: Contract = said
    return older.answered(data)
