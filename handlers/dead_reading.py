"""What operators ask of dead letters: which there are, how many of a kind, what is in one."""

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, TypeVar

from contracts.dead_reading import (
    GROUPS_MAX,
    PART_BYTES,
    DeadChange,
    DeadDetail,
    DeadEdit,
    DeadGroup,
    DeadGroups,
    DeadLetter,
    DeadNote,
    DeadPage,
    DeadRunProgress,
    GetDead,
    GroupDead,
    ListDead,
)
from contracts.messages import Contract
from handlers.dead import (
    NOTES,
    RUNS,
    behind,
    count_of,
    letter_not_found,
    note_id,
    tally_for,
    terms_for,
)
from handlers.dead_editing import EDITS
from handlers.dead_letters import CONTENTS, LETTERS, readable
from handlers.decision import Context, Document, Reads, Rejected, View
from handlers.paging import after_of, cursor_of, foreign
from handlers.rules import reject
from handlers.signature import reads
from handlers.spans import Span, Tally

Name = TypeVar("Name", bound=str)

NOTES_TOLD: Final = 100
ROWS_MAX: Final = 10 * GROUPS_MAX
"""Of groups by states and outcomes: few groups have more than half of them."""


def _page_span(query: ListDead, context: Context) -> Span:
    after = after_of(query.cursor, _question(query), context) or behind(query.which.since)
    return Span.of_list("terms", terms_for(query.which), after, query.limit)


def _question(query: ListDead) -> str:
    return f"dead.list/{query.which.model_dump_json(exclude_none=True)}"


def _list_reads(query: ListDead, context: Context) -> Reads:
    if query.which.id is not None:
        yield LETTERS, query.which.id
    else:
        yield LETTERS, _page_span(query, context)


@reads(_list_reads)
def list_dead(query: ListDead, view: View, context: Context) -> Contract | Rejected:
    """Answer with a page of letters, the oldest first.

    Rejects: cursor.foreign
    Source: promise 1 of the architecture.
    """
    question = _question(query)
    if findings := tuple(foreign(query.cursor, question, context)):
        return reject(*findings)
    if query.which.id is not None:
        found = view.get(LETTERS, query.which.id)
        return DeadPage(letters=() if found is None else (shown(found),))
    rows, further = view.page(LETTERS, _page_span(query, context))
    until = query.which.until
    within = [row for row in rows if until is None or row["first_at"] < until]
    goes_on = further and len(within) == len(rows)
    return DeadPage(
        letters=tuple(map(shown, within)),
        cursor=cursor_of(further, question, context) if goes_on else None,
    )


def shown(letter: Document) -> DeadLetter:
    """A letter as an operator sees it."""
    names = DeadLetter.model_fields.keys() - {"id", "history"}
    past = tuple(DeadChange(**change) for change in letter["history"])
    return DeadLetter(id=letter["_id"], history=past, **{n: letter.get(n) for n in names})


def _group_reads(query: GroupDead, context: Context) -> Reads:
    yield LETTERS, _tally(query)
    if query.which.run is not None:
        yield RUNS, query.which.run


def _tally(query: GroupDead) -> Tally:
    """How many there are in each group and state, the resolved ones by what became of them."""
    tally = tally_for(query.which)
    return replace(tally, by=(*tally.by, "outcome"), limit=ROWS_MAX)


@reads(_group_reads)
def group_dead(query: GroupDead, view: View, context: Context) -> Contract:
    """Answer with how many letters there are, by what they failed by.

    Source: promise 1 of the architecture.
    """
    groups: dict[str, list[Document]] = {}
    for row in view.around(LETTERS, _tally(query)):
        groups.setdefault(row["fingerprint"], []).append(row)
    most = sorted(groups.values(), key=lambda rows: (-count_of(rows), rows[0]["fingerprint"]))
    told = tuple(_group(rows) for rows in most[:GROUPS_MAX])
    return DeadGroups(
        groups=told,
        counts=_summed(group.counts for group in told),
        outcomes=_summed(group.outcomes for group in told),
        run=_progress(query, view),
    )


def _summed(counts: Iterable[Mapping[Name, int]]) -> dict[Name, int]:
    """How many there are by each name, over all that are given."""
    total: Counter[Name] = Counter()
    for one in counts:
        total.update(one)
    return dict(total)


def _progress(query: GroupDead, view: View) -> DeadRunProgress | None:
    run = None if query.which.run is None else view.get(RUNS, query.which.run)
    if run is None:
        return None
    return DeadRunProgress(**{name: run[name] for name in DeadRunProgress.model_fields})


def _group(rows: list[Document]) -> DeadGroup:
    one = rows[0]
    # One that has died again after its end is open, and remembers how it had ended.
    resolved = [row for row in rows if row["state"] == "resolved"]
    return DeadGroup(
        fingerprint=one["fingerprint"],
        reason=one["reason"],
        exception=one["exception"],
        top=one["top"],
        type=one["type"],
        counts=_summed({row["state"]: row["count"]} for row in rows),
        outcomes=_summed({row["outcome"]: row["count"]} for row in resolved),
        oldest=min(row["first"] for row in rows),
        newest=max(row["last"] for row in rows),
    )


def _get_reads(query: GetDead, context: Context) -> Reads:
    yield LETTERS, query.id
    yield CONTENTS, query.id


@reads(_get_reads)
def get_dead(query: GetDead, view: View, context: Context) -> Contract | Rejected:
    """Answer with one letter, and what of its contents can still be read.

    Rejects: dead.not-found
    Source: promise 1 of the architecture.
    """
    letter = view.get(LETTERS, query.id)
    if letter is None:
        return letter_not_found("id", query.id)
    notes = tuple(sorted(_notes(letter, view), key=lambda note: note.at))
    edit = _edit(letter, view)
    contents = readable(view, CONTENTS, query.id)
    body = contents["body"].value if contents is not None else None
    if contents is None or body is None:
        return DeadDetail(letter=shown(letter), notes=notes, edit=edit)
    end = query.offset + PART_BYTES
    return DeadDetail(
        letter=shown(letter),
        fault={name: str(value) for name, value in contents["fault"].value.items()},
        properties=dict(_said(contents["properties"].value)),
        body=b64encode(body[query.offset : end]).decode(),
        next=end if end < len(body) else None,
        notes=notes,
        edit=edit,
    )


def _said(properties: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    for name in ("account", "type", "message_id", "reply_to", "content_encoding"):
        yield name, properties[name]
    for name, text in properties["headers"]:
        yield f"header {name}", text


def _notes(letter: Document, view: View) -> Iterator[DeadNote]:
    """Why it was gone through last, and what was noted."""
    count = letter["notes"]
    numbers = range(max(1, count - NOTES_TOLD + 1), count + 1)
    ids = [note_id(letter["_id"], number) for number in numbers]
    if letter["run"] is not None:
        ids.insert(0, letter["run"])
    view.require((NOTES, one) for one in ids)
    for one in ids:
        note = readable(view, NOTES, one)
        if note is not None:
            yield DeadNote(at=note["at"], by=note["by"], note=note["note"].value)


def _edit(letter: Document, view: View) -> DeadEdit | None:
    """What is to be sent in its place, or was; as far as it can be read."""
    key = letter.get("edit")
    found = readable(view, EDITS, key) if key is not None else None
    if found is None:
        return None
    data = found["data"].value
    names = ("state", "by", "at", "approved_by", "message", "type")
    return DeadEdit(
        id=found["_id"],
        data=json.loads(data) if data is not None else None,
        why=found["why"].value,
        **{name: found[name] for name in names},
    )
