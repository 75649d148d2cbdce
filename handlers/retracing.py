"""An asset's history: what it was by two times, for those who could see it then."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from contracts.asset_history import AssetChange, AssetHistory, AssetPast, ReadAssetHistory
from contracts.history import CHANGES_MAX
from contracts.messages import Contract
from handlers.asset_rules import asset_not_found
from handlers.decision import Context, Document, Reads, Rejected, View
from handlers.documents import history_id
from handlers.edges import RELATIONS, edge
from handlers.history import REVISIONS_MAX, laid_over
from handlers.paging import after_of, cursor_of, foreign
from handlers.rights import SCOPED
from handlers.rules import finding, reject
from handlers.signature import reads
from handlers.tying import ties_of
from handlers.visibility import Standing, mandate_read, standing_reads, standing_to

OPEN: Final = frozenset(
    {
        "asset_type", "status", "status_at", "lifecycle",
        "replaces", "replaced_by", "retired_at", "retirement",
    }
)  # fmt: skip
"""What whoever is related to an asset may see of it, beside the groups."""


@dataclass(frozen=True, slots=True)
class Eyes:
    """What the asker could see of an asset at any moment, and may see now."""

    asset: Document
    view: View
    context: Context

    @property
    def now(self) -> Standing:
        return self.at(self.context.now)

    @property
    def until(self) -> datetime | None:
        """Of who is nothing to the asset any more: until when it was something; else None."""
        if self.now.may_see:
            return None
        # A tie that is still to come, or never held, has shown nothing.
        held = [t for t in self._ties() if t["from"] <= self.context.now and _has_held(t)]
        return max((t["until"] for t in held), default=None)

    @property
    def are_open(self) -> bool:
        """Whether the asker may know of the asset at all."""
        return self.now.may_see or self.until is not None

    def at(self, moment: datetime) -> Standing:
        """What the asker was to the asset: of former owners and registrants the ties tell it."""
        since = self.asset.get("owned_since", self.asset["registered_at"])
        then = self.asset if moment >= since else {**self.asset, "owner": None}
        key, sender = ("assets", self.asset["_id"]), self.context.sender
        return standing_to(key, then, sender, self.view, moment)

    def shown(self, values: Document, *moments: datetime) -> dict[str, Any]:
        """Of some values those that the asker could see at each of the moments, and may now."""
        seen = [self.at(moment) for moment in moments]
        if self.now.may_see:
            seen.append(self.now)
        if not all(standing.may_see for standing in seen):
            return {}
        shown = dict(values)
        for standing in seen:
            shown = standing.shown(shown)
        return shown | {name: values[name] for name in OPEN if name in values}

    def names(self, names: Sequence[str], moment: datetime) -> tuple[str, ...]:
        """Of some groups those that the asker could see at a moment, and may now."""
        then, now = self.at(moment), self.now
        if not then.may_see:
            return ()
        readable = set(then.names(names)) & set(now.names(names) if now.may_see else names)
        return tuple(name for name in names if name in readable or name in OPEN)

    def _ties(self) -> list[Mapping[str, Any]]:
        viewer = self.context.sender.user
        own = self.view.get(RELATIONS, edge(self.asset["_id"], viewer))
        return [*ties_of(own), *ties_of(self.view.get(*mandate_read(self.asset, viewer)))]


def _has_held(tie: Mapping[str, Any]) -> bool:
    return bool(tie["until"] is not None and tie["until"] > tie["from"])


def _reads(query: ReadAssetHistory, context: Context) -> Reads:
    yield from standing_reads("assets", query.id, context.sender.user)


@reads(_reads)
def read_asset_history(
    query: ReadAssetHistory, view: View, context: Context
) -> Contract | Rejected:
    """Answer with what the asker could see then, of the asset as it was and of each change.

    Rejects: asset.not-found, cursor.foreign, asset.history-too-long
    Source: A6, A7.
    """
    asset = view.get("assets", query.id)
    # As much is read for what is hidden as for what is not there.
    view.require([mandate_read(asset, context.sender.user)])
    if asset is None or not (eyes := Eyes(asset, view, context)).are_open:
        return asset_not_found(query.id)
    question = _question(query)
    if findings := tuple(foreign(query.cursor, question, context)):
        return reject(*findings)
    is_first, has_moment = query.cursor is None, _moments(query) != ()
    if is_first and has_moment and asset["revision"] > REVISIONS_MAX:
        return _too_long(asset)
    after = int(after_of(query.cursor, question, context) or 0)
    upto = min(asset["revision"], after + CHANGES_MAX) if query.changes else 0
    whole = range(1, asset["revision"] + 1) if is_first and has_moment else ()
    wanted = sorted({*whole, *range(after + 1, upto + 1)})
    view.require(("history", history_id(query.id, revision)) for revision in wanted)
    rows = _rows(query, wanted, eyes)
    further = query.changes and upto < asset["revision"]
    return AssetHistory(
        id=query.id,
        was=_was(query, rows, eyes) if is_first else None,
        changes=tuple(_changes([r for r in rows if after < r["revision"] <= upto], eyes)),
        cursor=cursor_of(str(upto), question, context) if further else None,
    )


def _question(query: ReadAssetHistory) -> str:
    times = (moment.isoformat() if moment else "" for moment in (query.as_of, query.known_at))
    return f"asset.history/{query.id}/{'/'.join(times)}"


def _moments(query: ReadAssetHistory) -> tuple[datetime, ...]:
    return tuple(moment for moment in (query.as_of, query.known_at) if moment is not None)


def _rows(query: ReadAssetHistory, wanted: Sequence[int], eyes: Eyes) -> list[Document]:
    """The rows as far as they were known then; to who is gone, what came later never was."""
    found = (eyes.view.get("history", history_id(query.id, revision)) for revision in wanted)
    until = eyes.until
    return [
        row
        for row in found
        if row is not None
        and (query.known_at is None or row["at"] <= query.known_at)
        and (until is None or row["at"] < until)
    ]


def _was(query: ReadAssetHistory, rows: Sequence[Document], eyes: Eyes) -> AssetPast | None:
    """The asset as of a moment: now by what is stored, before by its changes laid over another."""
    moments = [min(moment, eyes.context.now) for moment in _moments(query)]
    state = laid_over(rows, query.as_of) if moments else eyes.asset
    shown = eyes.shown(state, *(moments or [eyes.context.now])) if state else {}
    return AssetPast(**shown) if shown else None


def _changes(rows: Sequence[Document], eyes: Eyes) -> Iterator[AssetChange]:
    """The changes of which something could be seen.

    What is kept by service changes as a whole: where the asker's own services stay as they were
    shown on this page before, it is another's change.
    """
    before: dict[str, Any] = dict.fromkeys(SCOPED)
    for row in rows:
        shown = eyes.shown(row["values"], row["at"])
        names = eyes.names(sorted({*row["values"], *row["removed"]}), row["at"])
        same = {name for name in SCOPED & set(names) if shown.get(name) == before[name]}
        before |= {name: shown.get(name) for name in SCOPED & set(names)}
        if changed := tuple(name for name in names if name not in same):
            values = {name: value for name, value in shown.items() if name not in same}
            yield AssetChange(
                revision=row["revision"],
                recorded_at=row["at"],
                valid_from=row["valid_from"],
                by=row["by"],
                changed=changed,
                values=AssetPast(**values),
            )


def _too_long(asset: Document) -> Rejected:
    return reject(
        finding(
            "asset.history-too-long",
            "as_of",
            expected=f"an asset with at most {REVISIONS_MAX} changes",
            got=asset["revision"],
            advice="Read the changes, without a moment, and put the asset together from them.",
        )
    )
