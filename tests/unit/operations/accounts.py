"""Broker accounts."""

from typing import Any, Final

from tests.builders import PLATFORM, STRANGER
from tests.unit.operations.table import (
    NOBODY,
    OPERATOR,
    Because,
    Operation,
    Otherwise,
    Said,
    confirmed,
)

KEY: Final = "A" * 48
NIGHT: Final = f"{PLATFORM}/night"
OTHERS: Final = Because("Of another's it is `account.not-yours`, whether there is one or not.")
NOT_FOR_OTHERS: Final = Otherwise(sender=STRANGER)


def made(number: int) -> Said:
    """One of a user's accounts."""
    data: dict[str, Any] = {"account": f"{PLATFORM}/desk-{number}", "key_hash": KEY}
    return Said("account.set.v1", data)


OPERATIONS: Final = (
    Operation(
        "account.set.v1",
        {"account": NIGHT, "key_hash": KEY},
        {
            "account.not-yours": NOT_FOR_OTHERS,
            "user.not-found": Otherwise({"account": f"{NOBODY}/night"}, sender=OPERATOR),
            "user.not-active": Otherwise(
                given=[("users", confirmed(PLATFORM, status="retired"))], sender=OPERATOR
            ),
            "account.too-many": Otherwise(first=[made(number) for number in range(10)]),
        },
        unknown="user.not-found",
        hidden=OTHERS,
        may_not="account.not-yours",
        events=("account.changed.v1",),
    ),
    Operation(
        "account.end.v1",
        {"account": NIGHT},
        {
            "account.not-yours": NOT_FOR_OTHERS,
            "account.not-found": Otherwise({"account": f"{PLATFORM}/day"}),
        },
        first=[Said("account.set.v1", {"account": NIGHT, "key_hash": KEY})],
        unknown="account.not-found",
        hidden=OTHERS,
        may_not="account.not-yours",
        events=("account.ended.v1",),
        again=Because("An account that has ended is gone: `account.not-found`."),
    ),
)
