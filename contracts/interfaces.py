"""How the interface itself changes: what is announced to everybody before it happens."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contracts.agreements import MessageType
from contracts.messages import Command, Contract, Event
from contracts.values import AnyUserId, Line, Timestamp

Change = Literal["deprecated", "enum-extended", "withdrawn"]
Value = Annotated[str, Field(min_length=1, max_length=100)]


class InterfaceState(Contract):
    """What is announced of a type."""

    id: str
    """The type of message."""
    change: Change
    effective: Timestamp
    sunset: Timestamp | None = None
    """Until when the type is taken, where that is announced; replies to it say so."""


class AnnounceInterface(
    Command, type="interface.announce.v1", senders={"operator"}, accepted=InterfaceState
):
    """Tell every user with an account how a type of message is going to change.

    `deprecated`: another type takes its place, and it is taken until `effective` at least.
    `withdrawn`: it is taken until `effective` and not longer. In both cases every reply to it says
    so in the attribute `sunset`. The announcement takes nothing away; a release does.
    `enum-extended`: from `effective` on, `field` may hold further `values`.
    The same announcement again tells nobody again; a later one about the same type and change
    takes its place and is told.
    Errors: `interface.type-unknown`, `interface.past`.
    Source: API governance, in the requirement's appendix.
    """

    id: MessageType
    """The type of message, with its major: a command, a query or an event."""
    change: Change
    effective: Timestamp
    text: Annotated[str, Field(min_length=1, max_length=2000)]
    """What changes and what to do, for people to read."""
    field: Line | None = None
    """Of `enum-extended`: path of the field from the envelope's root."""
    values: tuple[Value, ...] = Field(default=(), max_length=100)
    """Of `enum-extended`: what it may hold besides."""

    @model_validator(mode="after")
    def _values_of_a_field(self) -> Self:
        is_enum = self.change == "enum-extended"
        if is_enum != (self.field is not None) or is_enum != bool(self.values):
            raise ValueError("field and values with `enum-extended`, and with nothing else")
        return self


class InterfaceAnnounced(Event, type="interface.announced.v1", apart=True):
    """A type of message is going to change; told to every user with an account."""

    id: str
    """The type of message."""
    by: AnyUserId
    change: Change
    effective: Timestamp
    text: str
    field: str | None = None
    values: tuple[str, ...] = ()
