"""The language of the taxonomy: which types of asset there are, and what each has of its own."""

from typing import Annotated, Any

from pydantic import Field

from contracts.messages import EVERYBODY, Command, Contract, Event, Query
from contracts.values import AnyUserId, AssetType, Line

Schema = Annotated[
    dict[str, Any],
    Field(
        description="JSON Schema 2020-12 of an object: names in small letters, units behind them, "
        "`additionalProperties` false, no `$ref` but to its own `$defs`.",
        examples=[
            {
                "type": "object",
                "properties": {"usable_kwh": {"type": "number", "minimum": 0}},
                "additionalProperties": False,
            }
        ],
    ),
]


class TypeState(Contract):
    """What an accepted definition is answered with."""

    id: AssetType
    revision: int
    """0: as the backbone came with it."""


class DefineType(Command, type="taxonomy.define.v1", senders={"operator"}, accepted=TypeState):
    """Add a type of asset, or say anew what it is called and which details it has.

    From the answer on, assets of the type can be registered, and details that are given are judged
    by the schema; what is kept already stays as it is until its details are given anew.
    A type is never taken out: its code is part of ids.
    Every user with an account is told (`taxonomy.defined.v1`); a change that makes details invalid
    is better announced before (`interface.announce.v1`).
    The same definition again changes nothing.
    Errors: `taxonomy.schema`.
    Source: A1 of the requirement.
    """

    id: AssetType
    words: Line
    """What it is, such as `battery storage`."""
    details: Schema | None = None
    """Of its details; absent: it has none."""


class TypeView(TypeState):
    """One type of asset."""

    words: str
    details: Schema | None = None
    """Absent where assets of the type have no details."""


class GetType(
    Query,
    type="taxonomy.get.v1",
    senders=EVERYBODY | {"front-desk"},
    accepted=TypeView,
):
    """Read one type of asset, with the JSON Schema of its details.

    Errors: `asset-type.unknown`.
    Source: A1 of the requirement.
    """

    id: AssetType


class TypeRow(TypeState):
    """One type of asset in a list."""

    words: str
    has_details: bool


class TypePage(Contract):
    """Types in the order of their codes."""

    types: tuple[TypeRow, ...]
    cursor: str | None = None
    """Ask with it for the next page; absent on the last one."""


class ListTypes(
    Query, type="taxonomy.list.v1", senders=EVERYBODY | {"front-desk"}, accepted=TypePage
):
    """Read which types of asset there are, a page of up to 200 at a time.

    Errors: `cursor.foreign`.
    Source: A1 of the requirement.
    """

    cursor: Annotated[str, Field(max_length=100)] | None = None


class TypeDefined(Event, type="taxonomy.defined.v1", apart=True):
    """A type of asset is new, or is defined anew; told to every user with an account."""

    id: AssetType
    revision: int
    by: AnyUserId
    words: str
    changed: tuple[str, ...]
    """`words`, and names of details that are new, gone or otherwise, such as `details.head_m`."""
