"""Which records of a register share a token: its rows, brought along by every change of a record.

A newcomer is compared with those alone that share a token with it. A token that more than
`SHARED_MAX` records share says nothing, and is left empty.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from handlers.decision import Document, Drop, Put, View
from handlers.documents import changed_in
from handlers.matching.verdict import Comparison
from handlers.senders import Issuer

TOKENS: Final = "tokens"
SHARED_MAX: Final = 6
"""Of a token that more records share nobody is a candidate: a row is read and written as a whole.
"""
CASES_MAX: Final = 3
"""So many cases a registration opens at most."""
DIGITS: Final = 8
"""Of a digest in a row: so few say that two numbers differ, and not which they are."""
Kept = Mapping[str, Any]
_Rows = dict[str, tuple[Document | None, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Compared:
    """How the records of one register are found by newcomers."""

    register: str
    """The collection, and the field of a row that holds its records."""
    kept: Callable[[Document], Kept | None]
    """What is looked at of a record, None of one that nobody is compared with."""
    tokens: Callable[[Kept, Issuer], Sequence[str]]
    """Ids of the rows in which a record is, by that."""
    entry: Callable[[Kept, Issuer], Kept]
    """What a row holds of a record: a few digests and small numbers by name."""
    apart: Callable[[Kept, Kept], bool]
    """Whether their entries say that two records are two; asked of each that shares a row."""
    rank: Callable[[Kept, Kept, Sequence[str]], int]
    """How much two records have in common, by their entries and the rows that they share; 0 says
    that they need not be compared."""
    most: int
    """With so many a newcomer is compared, those first with whom it has most in common."""


def records_in(row: Document | None, register: str) -> Mapping[str, Kept]:
    """By id what a row holds of each record."""
    return row[register] if row is not None else {}


def candidates(
    of: Compared, keys: Sequence[str], own: Kept, view: View
) -> list[tuple[str, Document]]:
    """With whom a newcomer is compared, whose own entry is given; `keys` are rows to look into.

    By how much they have in common, then by id: the order of the store plays no part.
    """
    view.require((TOKENS, key) for key in keys)
    shared: dict[str, tuple[Kept, list[str]]] = {}
    for key in keys:
        for one, entry in records_in(view.get(TOKENS, key), of.register).items():
            if one in shared:
                shared[one][1].append(key)
            elif not of.apart(own, entry):
                shared[one] = entry, [key]
    ranks = {one: of.rank(own, entry, held) for one, (entry, held) in shared.items()}
    some = [one for one, rank in ranks.items() if rank]
    first = sorted(some, key=lambda one: (-ranks[one], one))[: of.most]
    view.require((of.register, one) for one in first)
    found = ((one, view.get(of.register, one)) for one in first)
    return [(one, document) for one, document in found if document is not None]


def likeliest(judged: Iterable[tuple[str, Comparison]]) -> list[tuple[str, Comparison]]:
    """The likeliest first, and the different left out."""
    found = [(one, found) for one, found in judged if found.verdict != "different"]
    return sorted(found, key=lambda each: (-each[1].score, each[0]))


def doubtful(found: Iterable[tuple[str, Comparison]]) -> list[tuple[str, Comparison]]:
    """Of whom a person decides: the likeliest few that may be one with the newcomer.

    Parts of one site are no duplicates, and open none.
    """
    unsure = [(one, judged) for one, judged in found if judged.verdict in {"same", "unsure"}]
    return unsure[:CASES_MAX]


def token_writes(
    writes: Sequence[Any], of: Compared, view: View, identity: Issuer, now: datetime
) -> Iterator[Put | Drop]:
    """The rows of the records that a decision makes or changes.

    A row's revisions begin with the moment: lanes share rows, and one that was deleted and made
    again must not look like the one that another lane has read.
    """
    rows: _Rows = {}
    for put in changed_in(of.register, writes).values():
        before = of.kept(put.was) if put.was is not None else None
        after = of.kept(put.document)
        if before != after:
            left = of.tokens(before, identity) if before is not None else ()
            new = of.tokens(after, identity) if after is not None else ()
            entry = of.entry(after, identity) if after is not None else None
            _moved(put.document["_id"], of.register, ((left, new), entry), (rows, view))
    for key, (was, entries) in rows.items():
        if was is not None and not entries and not was["full"]:
            yield Drop(TOKENS, was)
        elif entries != records_in(was, of.register):
            begin = int(now.timestamp() * 1000)
            revision = was["revision"] + 1 if was is not None else begin
            yield Put(TOKENS, _row(key, revision, of.register, entries), was)


def _moved(
    record: str,
    register: str,
    move: tuple[tuple[Sequence[str], Sequence[str]], Kept | None],
    known: tuple[_Rows, View],
) -> None:
    """Take a record out of the rows in which it was, and put it into those where it is."""
    ((left, new), entry), (rows, view) = move, known
    every = {*left, *new}
    view.require((TOKENS, key) for key in every - rows.keys())
    for key in sorted(every):
        if key not in rows:
            was = view.get(TOKENS, key)
            rows[key] = was, dict(records_in(was, register))
        if is_full(rows[key][0]):
            continue
        rows[key][1].pop(record, None)
        if key in new:
            rows[key][1][record] = entry


def is_full(row: Document | None) -> bool:
    """Whether too many records had the token once: it stays so, since who has it is not counted."""
    return row is not None and row["full"]


def _row(key: str, revision: int, register: str, entries: Mapping[str, Any]) -> dict[str, Any]:
    full = len(entries) > SHARED_MAX
    kept = {} if full else dict(sorted(entries.items()))
    return {"_id": key, "revision": revision, "full": full, register: kept}
