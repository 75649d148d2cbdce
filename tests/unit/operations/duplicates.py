"""Duplicates: cases, how they are decided, and what becomes of the records."""

from typing import Any, Final

from handlers.decision import Document
from handlers.duplicates import CASES, case_id, terms_of
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, issued
from tests.decider import RULEBOOK
from tests.portfolios import portfolio_id
from tests.unit.operations.assets import BATTERY, battery
from tests.unit.operations.portfolios import TOP, portfolio
from tests.unit.operations.table import (
    ABSENT,
    CURSOR,
    EVERY_SENDER,
    NO_ID,
    NOTHING,
    OPERATOR,
    OPERATORS,
    QUERY,
    Because,
    Operation,
    Otherwise,
    Said,
    tied,
)

TWIN: Final = issued("BAT", 5000)
OTHER_DEVICE: Final = {"make": "Acme", "serial": "SN-4712"}
TWINS: Final = [battery(), battery(TWIN, identity=OTHER_DEVICE)]


def case(one: str = BATTERY, other: str = TWIN, **changes: Any) -> tuple[str, Document]:
    """An open case of two records."""
    document = {
        "_id": case_id(one, other, RULEBOOK.identity),
        "revision": 1,
        "kind": "assets",
        "records": sorted((one, other)),
        "status": "open",
        "verdict": "unsure",
        "score": 0.7,
        "reasons": [],
        "model": "analysis-1",
        "cluster": None,
        "found_by": "analysis",
        "opened_at": NOW,
        "assignee": None,
        **changes,
    }
    return CASES, {**document, "terms": terms_of(document)}


CASE: Final = case()[1]["_id"]
UNKNOWN: Final = Otherwise({"id": f"CASE-{'0' * 32}"})
DISMISSED: Final = Otherwise(given=[case(status="dismissed", reason="other")])
PAIR: Final = {"id": BATTERY, "other": TWIN, "verdict": "unsure", "score": 0.7}

OPEN: Final = Operation(
    "duplicates.open.v1",
    {"pairs": [PAIR], "model": "analysis-1"},
    {
        "duplicates.pair": Otherwise({"pairs": [PAIR | {"other": PLATFORM}]}),
    },
    sender=OPERATOR,
    given=TWINS,
    unknown=Because("A pair of which one is not there is left out, and the answer says which."),
    hidden=OPERATORS,
    may_not=OPERATORS,
    events=("asset.duplicate-suspected.v1",) * 2,
)
ASSIGN: Final = Operation(
    "duplicates.assign.v1",
    {"id": CASE, "to": OPERATOR},
    {
        "duplicates.not-found": UNKNOWN,
        "duplicates.decided": DISMISSED,
        "duplicates.assignee": Otherwise({"to": PLATFORM}),
    },
    sender=OPERATOR,
    given=[*TWINS, case()],
    unknown="duplicates.not-found",
    hidden=OPERATORS,
    may_not=OPERATORS,
    events=("duplicates.assigned.v1",),
)
DISMISS: Final = Operation(
    "duplicates.dismiss.v1",
    {"id": CASE, "reason": "same-place"},
    {"duplicates.not-found": UNKNOWN, "duplicates.decided": DISMISSED},
    sender=OPERATOR,
    given=[*TWINS, case()],
    unknown="duplicates.not-found",
    hidden=OPERATORS,
    may_not=OPERATORS,
    events=("duplicates.dismissed.v1", *("asset.duplicate-dismissed.v1",) * 2),
)
LIST: Final = Operation(
    "duplicates.list.v1",
    {"status": "open", "score_min": 0.6},
    {**CURSOR},
    sender=OPERATOR,
    given=[*TWINS, case()],
    unknown=NO_ID,
    hidden=OPERATORS,
    may_not=OPERATORS,
    again=QUERY,
)
GET: Final = Operation(
    "duplicates.get.v1",
    {"id": CASE},
    {"duplicates.not-found": UNKNOWN},
    sender=OPERATOR,
    given=[*TWINS, case()],
    unknown="duplicates.not-found",
    hidden=OPERATORS,
    may_not=OPERATORS,
    again=QUERY,
)
PAIRED: Final = {"id": BATTERY, "other": TWIN}
MERGED: Final = Said("duplicates.merge.v1", PAIRED, OPERATOR)
OWNERLESS: Final = [battery(owner=None), battery(TWIN, owner=None, identity=OTHER_DEVICE)]
CROWD: Final = [tied(TWIN, issued("USR", 20_000 + 50 * n), "fsp") for n in range(200)]

MERGE: Final = Operation(
    "duplicates.merge.v1",
    PAIRED,
    {
        "asset.not-found": Otherwise({"other": NOTHING}),
        "merge.same": Otherwise({"other": BATTERY}),
        "merge.unfit": Otherwise(
            given=[battery(TWIN, identity=OTHER_DEVICE, lifecycle="retired")], at="other"
        ),
        "merge.owner": Otherwise(
            given=[battery(TWIN, identity=OTHER_DEVICE, owner=STRANGER)], at="other"
        ),
        "merge.too-many": Otherwise(given=CROWD, at="other"),
    },
    sender=OPERATOR,
    given=TWINS,
    unknown="asset.not-found",
    hidden=OPERATORS,
    may_not=OPERATORS,
    events=("asset.merged.v1", "asset.absorbed.v1"),
)
SPLIT: Final = Operation(
    "duplicates.split.v1",
    PAIRED,
    {
        "asset.not-found": Otherwise({"other": NOTHING}),
        "merge.none": Otherwise({"id": TWIN, "other": BATTERY}, at="other"),
    },
    sender=OPERATOR,
    given=TWINS,
    first=[MERGED],
    unknown="asset.not-found",
    hidden=OPERATORS,
    may_not=OPERATORS,
    events=("asset.restored.v1", "asset.divided.v1"),
    again=Because("What is split already has no alias to be split: `merge.none`."),
)
JOIN: Final = Operation(
    "duplicates.part-of.v1",
    {"id": TOP, "case": CASE},
    {
        "duplicates.not-found": Otherwise({"case": UNKNOWN.data["id"]}),
        "duplicates.decided": Otherwise(given=[case(status="dismissed")], at="case"),
        "duplicates.not-parts": Otherwise({"id": portfolio_id(2)}),
    },
    sender=OPERATOR,
    given=[*TWINS, portfolio(), case()],
    first=[Said("portfolio.add.v1", {"id": TOP, "members": [BATTERY, TWIN]}, OPERATOR)],
    unknown="duplicates.not-found",
    hidden=OPERATORS,
    may_not=OPERATORS,
    events=("duplicates.decided.v1",),
)
ALLOCATION: Final = Operation(
    "allocation.check.v1",
    {"id": BATTERY, "service": "DC"},
    {
        "allocation.what": Otherwise({"owner": OWNER}, at="id"),
        "tie.period": Otherwise({"until": "2026-01-01T00:00:00Z"}),
        "asset.not-found": Otherwise({"id": NOTHING}),
        "user.not-found": Otherwise({"id": ABSENT, "owner": STRANGER}),
        **CURSOR,
    },
    given=TWINS,
    unknown="asset.not-found",
    hidden=Otherwise(sender=STRANGER),
    may_not=EVERY_SENDER,
    again=QUERY,
)
OPERATIONS: Final = (ALLOCATION, OPEN, ASSIGN, DISMISS, LIST, GET, MERGE, SPLIT, JOIN)
