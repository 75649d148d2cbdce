"""Duplicates: cases, how they are decided, and what becomes of the records."""

from typing import Any, Final

from handlers.decision import Document
from handlers.duplicates import CASES, case_id, terms_of
from tests.builders import NOW, PLATFORM, issued
from tests.decider import RULEBOOK
from tests.unit.operations.assets import BATTERY, battery
from tests.unit.operations.table import (
    CURSOR,
    NO_ID,
    OPERATOR,
    OPERATORS,
    QUERY,
    Because,
    Operation,
    Otherwise,
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
OPERATIONS: Final = (OPEN, ASSIGN, DISMISS, LIST, GET)
