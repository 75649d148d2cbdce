"""Cases of duplicates: how they are opened, given to somebody, and dismissed."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from contracts.duplicates import (
    AssetDuplicateSuspected,
    CasesOpened,
    FoundBy,
    OpenCases,
    Pair,
    UserDuplicateSuspected,
)
from contracts.envelope import Finding
from contracts.messages import Event, register_of_entity
from handlers.decision import Accepted, Context, Decision, Document, Put, Reads, View
from handlers.matching.verdict import Comparison
from handlers.rules import finding, reject
from handlers.senders import Issuer
from handlers.signature import reads
from handlers.visibility import named

CASES: Final = "cases"
"""Collection: of two records that may be of one thing what speaks for it, and what was decided."""
BANDS: Final = 10
"""In so many steps the score is among what a case is found by."""
FIRST_LEVEL: Final = "registration-1"
"""The model by which registrations are compared; another number where it scores otherwise."""
_LENGTH: Final = 32
SUSPECTED: Final[Mapping[str, Any]] = {
    "assets": AssetDuplicateSuspected,
    "users": UserDuplicateSuspected,
}


@dataclass(frozen=True, slots=True)
class Found:
    """What was found of two records, and by what."""

    pair: tuple[str, str]
    judged: Mapping[str, Any]
    """`verdict`, `score` and `reasons`, as they are kept."""
    model: str = FIRST_LEVEL
    cluster: str | None = None
    found_by: FoundBy = "registration"


def case_id(one: str, other: str, identity: Issuer) -> str:
    """Id of the case of two records: keyed, since who knows both ids need not know of the case."""
    pair = "|".join(sorted((one, other)))
    return f"CASE-{identity.fingerprint('case', pair)[:_LENGTH]}"


def terms_of(case: Document) -> list[str]:
    """What a case is found by, filtered in any way."""
    assignee = case.get("assignee")
    own = (f"kind/{case['kind']}", f"status/{case['status']}")
    bands = (f"score/{band}" for band in range(1, int(case["score"] * BANDS) + 1))
    return [*own, *bands, *([f"assignee/{assignee}"] if assignee is not None else [])]


def changed(was: Document, **fields: Any) -> dict[str, Any]:
    """A case with its next revision."""
    after = {**was, **fields, "revision": was["revision"] + 1}
    return {**after, "terms": terms_of(after)}


def suspect(
    newcomer: Document, incumbent: str, judged: Comparison, view: View, context: Context
) -> tuple[Put, tuple[Event, ...]]:
    """Open the case of a registration: what is written, and what it is to those whose records.

    Called within the decision on the newcomer, whose id is of this moment: so there is no case yet.
    """
    pair = (newcomer["_id"], incumbent)
    kept = {
        "verdict": judged.verdict,
        "score": judged.score,
        "reasons": [asdict(reason) for reason in judged.reasons],
    }
    case = _document(Found(pair, kept), None, context)
    holder = view.get(register_of_entity(incumbent), incumbent)
    return Put(CASES, case), tuple(told_of(case["_id"], SUSPECTED, (newcomer, holder), context))


def _document(found: Found, was: Document | None, context: Context) -> dict[str, Any]:
    case = {
        "_id": case_id(*found.pair, context.identity),
        "revision": was["revision"] + 1 if was is not None else 1,
        "kind": register_of_entity(found.pair[0]),
        "records": sorted(found.pair),
        "status": "open",
        **found.judged,
        "model": found.model,
        "cluster": found.cluster,
        "found_by": found.found_by,
        "opened_at": context.now,
        "assignee": (was or {}).get("assignee"),
    }
    return {**case, "terms": terms_of(case)}


def told_of(
    case: str, of: Mapping[str, Any], records: Iterable[Document | None], context: Context
) -> Iterator[Event]:
    """What a case is to those whose records they are: each learns of its own, and no more."""
    for record in records:
        if record is not None:
            kind = of[register_of_entity(record["_id"])]
            parties = named(record) or None
            yield kind(id=record["_id"], case=case, by=context.sender.user, parties=parties)


def is_there(record: Document | None) -> bool:
    """Whether a record can be one of two: an alias stands for another already."""
    return record is not None and "merged_into" not in record


def _open_reads(command: OpenCases, context: Context) -> Reads:
    for pair in command.pairs:
        yield CASES, case_id(pair.id, pair.other, context.identity)
        for record in (pair.id, pair.other):
            yield register_of_entity(record), record


@reads(_open_reads)
def open_cases(command: OpenCases, view: View, context: Context) -> Decision:
    """Open a case for each pair that has none, or that another model has scored.

    Rejects: duplicates.pair
    Source: the second level of duplicate checks, BUC.1 and BUC.2.
    """
    if findings := tuple(_unfit(command.pairs)):
        return reject(*findings)
    opened: dict[str, Put] = {}
    events: list[Event] = []
    unchanged: list[str] = []
    left: list[int] = []
    for position, pair in enumerate(command.pairs):
        records = [view.get(register_of_entity(one), one) for one in (pair.id, pair.other)]
        key = case_id(pair.id, pair.other, context.identity)
        was = view.get(CASES, key)
        if not all(map(is_there, records)):
            left.append(position)
        elif key in opened or not _is_news(command, was):
            unchanged.append(key)
        else:
            opened[key] = Put(CASES, _document(_found(pair, command), was, context), was)
            if was is None or was["status"] != "open":
                events += told_of(key, SUSPECTED, records, context)
    return Accepted(
        subject=command.pairs[0].id,
        keyed_to=context.sender.user,
        reply=CasesOpened(opened=tuple(opened), unchanged=tuple(unchanged), left=tuple(left)),
        writes=tuple(opened.values()),
        events=tuple(events),
    )


def _unfit(pairs: Iterable[Pair]) -> Iterator[Finding]:
    for position, pair in enumerate(pairs):
        kinds = {register_of_entity(one) for one in (pair.id, pair.other)}
        if pair.id == pair.other or len(kinds) > 1:
            yield finding(
                "duplicates.pair",
                f"pairs.{position}.other",
                expected="another record of the same register",
                got=pair.other,
                advice="Compare users with users and assets with assets, each with another one.",
            )


def _is_news(command: OpenCases, was: Document | None) -> bool:
    """Whether a pair is to be looked at: the same model says the same again."""
    if was is None:
        return True
    may_open = was["status"] == "open" or (was["status"] == "dismissed" and command.again)
    return may_open and was["model"] != command.model


def _found(pair: Pair, command: OpenCases) -> Found:
    judged = pair.model_dump(include={"verdict", "score", "reasons"})
    return Found(
        (pair.id, pair.other),
        {**judged, "reasons": list(judged["reasons"])},
        command.model,
        pair.cluster,
        "analysis",
    )
