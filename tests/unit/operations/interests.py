"""Interest: expressing, withdrawing, answering, listing."""

from typing import Any, Final

from tests.builders import PLATFORM, issued
from tests.unit.operations.table import (
    CURSOR,
    NOBODY,
    OWN,
    PARTY,
    Because,
    Operation,
    Otherwise,
    Said,
    confirmed,
    crowded,
)

MARKET: Final = issued("USR", 5000)
OTHER_MARKET: Final = issued("USR", 5100)
MARKETS: Final = [("users", confirmed(one, roles=["mo"])) for one in (MARKET, OTHER_MARKET)]
WISH: Final[dict[str, Any]] = {"to": [MARKET], "groups": ["contacts"]}
EXPRESSED: Final = Said("interest.express.v1", WISH)
WITHDRAWN: Final = Said("interest.withdraw.v1", {"to": MARKET})
OWN_ONE: Final = Because("Everybody speaks of its own interest alone.")

EXPRESS: Final = Operation(
    "interest.express.v1",
    WISH,
    {
        "interest.not-addressable": Otherwise({"to": [NOBODY]}),
        "sharing.group-unknown": Otherwise({"groups": ["relations"]}),
        "tie.period": Otherwise({"until": "2026-01-01T00:00:00Z"}),
        "tie.too-many": Otherwise(
            given=[crowded(PLATFORM, MARKET, "reader", group="bank", via="interest")]
        ),
    },
    given=MARKETS,
    unknown="interest.not-addressable",
    hidden=PARTY,
    may_not=OWN_ONE,
    events=("interest.expressed.v1",),
)
WITHDRAW: Final = Operation(
    "interest.withdraw.v1",
    {"to": MARKET},
    {"interest.none": Otherwise({"to": NOBODY})},
    given=MARKETS,
    first=[EXPRESSED],
    unknown="interest.none",
    hidden=OWN_ONE,
    may_not=OWN_ONE,
    events=("interest.withdrawn.v1",),
)
ANSWER: Final = Operation(
    "interest.answer.v1",
    {"id": PLATFORM, "answer": "accepted"},
    {
        "interest.none": Otherwise({"id": NOBODY}),
        "interest.withdrawn": Otherwise(first=[WITHDRAWN]),
        "interest.stale": Otherwise({"expected_revision": 9}),
    },
    sender=MARKET,
    given=MARKETS,
    first=[EXPRESSED],
    unknown="interest.none",
    hidden=Otherwise(sender=OTHER_MARKET),
    may_not=Because("Whoever is addressed may answer, and nobody else knows of it."),
    events=("interest.answered.v1",),
)
LIST: Final = Operation(
    "interest.list.v1", {"side": "expressed"}, CURSOR, unknown=OWN, hidden=OWN, may_not=OWN
)
OPERATIONS: Final = (EXPRESS, WITHDRAW, ANSWER, LIST)
