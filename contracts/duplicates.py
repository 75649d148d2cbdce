"""The language of duplicate cases: what may be registered twice, and what was decided of it."""

from datetime import datetime
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StrictBool, StrictInt

from contracts.messages import Command, Contract, Event, Query
from contracts.values import AnyUserId, AssetId, RecordId, UserId

PAIRS_MAX: Final = 100
"""Pairs of one command at most."""
CASES_MAX: Final = 200
"""Cases of a page at most."""
REASONS_MAX: Final = 20
"""Fields that a comparison may speak of."""

CaseId = Annotated[
    str,
    Field(
        pattern=r"^CASE-[0-9a-f]{32}$",
        description="Id of a case: the same two records have the same one for ever, and it says "
        "nothing of them.",
    ),
]
Named = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,79}$")]
"""A name that a program gives: of a model, of a cluster."""
CaseVerdict = Literal["same", "part_of", "unsure"]
"""What a comparison says of two records; of those that are different there is no case."""
CaseKind = Literal["users", "assets"]
CaseStatus = Literal["open", "dismissed", "merged", "part-of"]
"""`merged`: one of the two is an alias of the other; `part-of`: they belong to one portfolio."""
FoundBy = Literal["registration", "analysis"]
"""By the comparison at a registration, or by one of the whole register."""
DismissalReason = Literal[
    "different-things", "same-place", "shared-connection", "separate-parts", "not-enough", "other"
]
"""Why two records are left as they are, in a word: a case holds no text about anybody."""
Score = Annotated[float, Field(ge=0, le=1)]
"""Calibrated probability that the two records are of one thing."""


class CaseReason(Contract):
    """What one field says about two records; it carries no value of either."""

    field: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{0,39}$")]
    agreement: Literal["same", "near", "differs", "unknown"]
    weight: Annotated[float, Field(ge=-1000, le=1000)]
    """Evidence in bits: how much likelier this is of one thing than of two; below 0 against it."""


class Pair(Contract):
    """Two records that were compared, and what the comparison says."""

    id: RecordId
    other: RecordId
    verdict: CaseVerdict
    score: Score
    reasons: Annotated[tuple[CaseReason, ...], Field(max_length=REASONS_MAX)] = ()
    """The strongest first."""
    cluster: Named | None = None
    """What the analysis calls the group of records that all may be one."""


class CasesOpened(Contract):
    """What became of each pair of a command."""

    opened: tuple[CaseId, ...]
    """Cases that are open by it, new or again."""
    unchanged: tuple[CaseId, ...]
    """Cases that there were already, and that stay as they are."""
    left: tuple[StrictInt, ...]
    """Positions of the pairs of which one record is not there any more, or is an alias by now."""


class OpenCases(Command, type="duplicates.open.v1", senders={"operator"}, accepted=CasesOpened):
    """Open a case for each of some pairs of records; what the analysis of a register sends.

    A pair has one case for ever: where it is open already nothing changes unless another model
    has scored it, and where it was dismissed or decided it stays so, unless `again` is said and
    another model has scored it.
    Those whose records they are learn that there is a case, and nothing of the other record.
    Errors: `duplicates.pair`.
    Source: the second level of duplicate checks, BUC.1 and BUC.2 of the requirement.
    """

    takes_aliases: ClassVar[bool] = True
    pairs: Annotated[tuple[Pair, ...], Field(min_length=1, max_length=PAIRS_MAX)]
    model: Named
    """Which model has scored them, with its version."""
    again: StrictBool = False
    """Whether what was dismissed is to be looked at once more, since this model sees it anew."""


class CaseState(Contract):
    """How a case stands after a command."""

    id: CaseId
    revision: int
    status: CaseStatus
    assignee: AnyUserId | None = None


class AssignCase(Command, type="duplicates.assign.v1", senders={"operator"}, accepted=CaseState):
    """Give an open case to an operator, or to nobody; who gets it finds it among its notices.

    Errors: `duplicates.not-found`, `duplicates.decided`, `duplicates.assignee`.
    Source: duplicates are decided by people, BUC.1 of the requirement.
    """

    id: CaseId
    to: AnyUserId | None = None
    """An operator; absent: nobody."""


class DismissCase(Command, type="duplicates.dismiss.v1", senders={"operator"}, accepted=CaseState):
    """Say that two records are to stay two; the case stays dismissed.

    Errors: `duplicates.not-found`, `duplicates.decided`.
    Source: duplicates are decided by people, BUC.1 of the requirement.
    """

    id: CaseId
    reason: DismissalReason


class CaseRow(CaseState):
    """One case in a list."""

    kind: CaseKind
    records: tuple[RecordId, RecordId]
    verdict: CaseVerdict
    score: Score
    model: str | None = None
    cluster: str | None = None
    opened_at: datetime


class CaseView(CaseRow):
    """A case with what speaks for it and against it."""

    reasons: tuple[CaseReason, ...]
    found_by: FoundBy
    reason: str | None = None
    """Why it was dismissed."""
    survivor: RecordId | None = None
    """Which of the two records the other is an alias of, or the portfolio that both belong to."""
    decided_by: AnyUserId | None = None
    decided_at: datetime | None = None


class CasePage(Contract):
    """Cases in the order of their ids, which has no meaning."""

    cases: tuple[CaseRow, ...]
    cursor: str | None = None
    """Ask with it for the next page; absent on the last one."""


class ListCases(Query, type="duplicates.list.v1", senders={"operator"}, accepted=CasePage):
    """Go through the cases, a page at a time, filtered by any of the fields.

    Errors: `cursor.foreign`.
    Source: duplicates are decided by people, BUC.1 of the requirement.
    """

    kind: CaseKind | None = None
    status: CaseStatus | None = None
    score_min: Score | None = None
    assignee: AnyUserId | None = None
    limit: Annotated[StrictInt, Field(ge=1, le=CASES_MAX)] = 50
    cursor: Annotated[str, Field(max_length=100)] | None = None


class GetCase(Query, type="duplicates.get.v1", senders={"operator"}, accepted=CaseView):
    """Read one case; the records themselves are read like any others.

    Errors: `duplicates.not-found`.
    Source: duplicates are decided by people, BUC.1 of the requirement.
    """

    id: CaseId


class AssetDuplicateSuspected(Event, type="asset.duplicate-suspected.v1"):
    """There is a case that this asset may be in the register twice."""

    id: AssetId
    case: CaseId
    by: AnyUserId | None = None


class UserDuplicateSuspected(Event, type="user.duplicate-suspected.v1"):
    """There is a case that this user may be in the register twice."""

    id: UserId
    case: CaseId
    by: AnyUserId | None = None


class AssetDuplicateDismissed(Event, type="asset.duplicate-dismissed.v1"):
    """An operator has found that this asset is not the other one of the case."""

    id: AssetId
    case: CaseId
    by: AnyUserId | None = None


class UserDuplicateDismissed(Event, type="user.duplicate-dismissed.v1"):
    """An operator has found that this user is not the other one of the case."""

    id: UserId
    case: CaseId
    by: AnyUserId | None = None


class CaseAssigned(Event, type="duplicates.assigned.v1"):
    """A case is somebody's to decide, or nobody's any more."""

    id: CaseId
    revision: int
    by: AnyUserId
    assignee: AnyUserId | None = None
    former: AnyUserId | None = None
    """Whose it was before."""


class CaseDismissed(Event, type="duplicates.dismissed.v1"):
    """A case is dismissed: two records stay two."""

    id: CaseId
    revision: int
    by: AnyUserId
    reason: DismissalReason
    assignee: AnyUserId | None = None
    """Whose it was to decide."""


class CaseDecided(Event, type="duplicates.decided.v1"):
    """The records of a case are one by now, or parts of one whole; or it is open again."""

    id: CaseId
    revision: int
    by: AnyUserId
    status: CaseStatus
    survivor: RecordId | None = None
    """Which of the two the other is an alias of, or the portfolio that both belong to."""
    assignee: AnyUserId | None = None
    """Whose it was to decide."""
