"""Shards: which of them decides what."""

from collections.abc import Mapping
from typing import Any, Final

from handlers.shards import ALL_FIRST, COLLECTION
from tests.unit.operations.table import (
    EVERY_SENDER,
    OPERATOR,
    OPERATORS,
    QUERY,
    Because,
    Operation,
    Otherwise,
)

REGISTER: Final = {"id": "assets"}
ELSEWHERE: Final = Otherwise({"id": "users"})
MOVING: Final = (
    COLLECTION,
    {
        "_id": "assets",
        "revision": 1,
        "placed": list(ALL_FIRST),
        "becoming": [{"cells": "*.*.*", "shard": 1}],
        "move": 1,
        "phase": "bulk",
        "drained": [],
    },
)
"""A move of everything that is under way."""


def change(
    verb: str, data: Mapping[str, Any], far: Mapping[str, Any], **more: Otherwise
) -> Operation:
    """What operators change; `far` names a shard that the broker does not have."""
    return Operation(
        f"shard.{verb}.v1",
        {**REGISTER, **data},
        {
            "shard.register-unknown": ELSEWHERE,
            "shard.undeclared": Otherwise(far),
            "shard.under-way": Otherwise(given=[MOVING]),
            **{f"shard.{code}": otherwise for code, otherwise in more.items()},
        },
        sender=OPERATOR,
        unknown="shard.register-unknown",
        hidden=OPERATORS,
        may_not=OPERATORS,
        again=Because("The same while it is under way sets the move going again."),
        events=("shard.moving.v1",),
    )


OPERATIONS: Final = (
    change(
        "split",
        {"shard": 0, "into": [0, 1]},
        {"into": [0, 9]},
        empty=Otherwise({"shard": 1}),
    ),
    change(
        "merge",
        {"shards": [0], "into": 1},
        {"into": 9},
        empty=Otherwise({"shards": [1], "into": 0}),
    ),
    change("move", {"cells": "_A.*.7", "to": 1}, {"to": 9}),
    Operation(
        "shard.list.v1",
        REGISTER,
        {"shard.register-unknown": ELSEWHERE},
        sender=OPERATOR,
        unknown="shard.register-unknown",
        hidden=OPERATORS,
        may_not=EVERY_SENDER,
        again=QUERY,
    ),
)
