"""The taxonomy: which types of asset there are."""

from typing import Final

from tests.unit.operations.table import (
    CURSOR,
    EVERY_SENDER,
    NO_ID,
    OPERATOR,
    OPERATORS,
    PUBLIC,
    QUERY,
    Because,
    Operation,
    Otherwise,
)

OPEN: Final = {"type": "object", "properties": {}, "additionalProperties": True}

OPERATIONS: Final = (
    Operation(
        "taxonomy.define.v1",
        {"id": "EVB", "words": "electric bus"},
        {"taxonomy.schema": Otherwise({"details": OPEN})},
        sender=OPERATOR,
        unknown=Because("A type that there is not is a new one."),
        hidden=OPERATORS,
        may_not=OPERATORS,
        events=("taxonomy.defined.v1",),
    ),
    Operation(
        "taxonomy.get.v1",
        {"id": "BAT"},
        {"asset-type.unknown": Otherwise({"id": "QQQ"})},
        unknown="asset-type.unknown",
        hidden=PUBLIC,
        may_not=EVERY_SENDER,
        again=QUERY,
    ),
    Operation(
        "taxonomy.list.v1",
        {},
        CURSOR,
        unknown=NO_ID,
        hidden=NO_ID,
        may_not=EVERY_SENDER,
        again=QUERY,
    ),
)
