"""Data by reference: a command without data takes it from an object of its sender's own."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from contracts.envelope import Finding
from contracts.findings import findings_of, shorten
from contracts.messages import Contract
from contracts.objects import OBJECT_URN
from handlers.admission import Arrival
from handlers.decision import Context, Decision, Rejected, View
from handlers.objects import content_of
from handlers.references import OBJECTS, reference_of, refers
from handlers.rules import reject
from handlers.signature import Handler

DataT = TypeVar("DataT")


class Referred(Contract, Generic[DataT]):
    """What an object holds, in the place where the message would have it."""

    data: DataT


def decided(arrival: Arrival, handler: Handler, view: View, context: Context) -> Decision:
    """What the handler decides on the data, wherever that is.

    Rejects: object.missing, and what breaks the contract in the object.
    """
    if not refers(arrival):
        said: Decision = handler.function(arrival.message, view, context)
        return said
    message = _referred(arrival, handler, view)
    if isinstance(message, Rejected):
        return message
    view.require(handler.reads(message, context))
    of_reference: Decision = handler.function(message, view, context)
    return of_reference


def _referred(arrival: Arrival, handler: Handler, view: View) -> Any:
    head = view.get(OBJECTS, reference_of(arrival))
    if head is None or not head["complete"]:
        return reject(*_missing(arrival))
    body = content_of(head, view)
    contract: type[Contract] = handler.contract
    try:
        return _adapter(contract).validate_json(b'{"data":%b}' % body).data
    except ValidationError as error:
        return reject(*findings_of(error))
    except RecursionError:
        return reject(*_missing(arrival))


@lru_cache(maxsize=64)
def _adapter(contract: type[Contract]) -> TypeAdapter[Referred[Any]]:
    return TypeAdapter(Referred[contract])  # type: ignore[valid-type]  # a class of this moment


def _missing(arrival: Arrival) -> Iterator[Finding]:
    yield Finding(
        rule="object.missing",
        field="dataref",
        expected=f"{OBJECT_URN}<sha256> of an object of yours that is complete",
        got=shorten(arrival.header.dataref if arrival.header is not None else ""),
        advice="Put every chunk with object.put.v1 first; an object is deleted after a day.",
    )
