"""Who gave which group of an asset when: kept on the asset, for conflicts and for its freshness.

A group without an entry was given by the registrant, with the registration.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from contracts.assets import AssetConflicted
from handlers.asset_groups import NESTED, PARTED, part_of
from handlers.decision import Context, Document
from handlers.documents import changed_fields, held_at
from handlers.senders import RESERVED
from handlers.visibility import Standing

CONFLICT_HOURS: Final[Mapping[str, int]] = {
    "name": 168,
    "owner": 168,
    "expected_on": 168,
    "commissioned_on": 168,
    "identity": 168,
    "connection": 168,
    "location": 168,
    "technologies": 168,
    "details": 168,
    "meters": 168,
    "signposts": 168,
    "capability": 24,
    "service": 24,
}
"""Group -> for how long a value that another one overwrites unseen is a conflict."""
MAX_AGE_DAYS: Final[Mapping[str, int]] = {
    "name": 1825,
    "owner": 1095,
    "expected_on": 182,
    "commissioned_on": 3650,
    "identity": 3650,
    "connection": 730,
    "location": 1095,
    "technologies": 730,
    "details": 730,
    "meters": 730,
    "signposts": 730,
    "capability": 365,
    "service": 182,
}
"""Group -> after how many days what was given is stale, if nobody gives it again."""
_WINDOW_MAX: Final = timedelta(hours=max(CONFLICT_HOURS.values()))
_SEPARATOR: Final = "/"


@dataclass(frozen=True, slots=True)
class Source:
    """Who gave a group, or a field of it, and when."""

    by: str
    at: datetime
    revision: int


def kept_as(part: str) -> str:
    """A part's name in the document, where a dot would be a path."""
    return part.replace(".", _SEPARATOR)


def part_name(kept: str) -> str:
    """A part's name, out of the one that it has in a document."""
    return kept.replace(_SEPARATOR, ".")


def source_of(asset: Document, part: str) -> Source:
    """Who gave a group last."""
    entry = asset.get("given", {}).get(kept_as(part))
    if entry is None:
        return Source(asset["registrant"], asset["registered_at"], 1)
    return Source(entry["by"], entry["at"], entry["revision"])


def _writer(asset: Document, part: str, field: str) -> tuple[str, datetime]:
    """Who wrote a field; of what was written longer ago than counts, its registration is said."""
    fields = asset.get("given", {}).get(kept_as(part), {}).get("fields", {})
    entry = fields.get(field)
    if entry is None:
        return asset["registrant"], asset["registered_at"]
    return entry["by"], entry["at"]


def differing(was: Document, now: Document) -> list[str]:
    """Paths of the fields that differ: of a group that comes or goes, each of its fields."""
    given = {group for group in CONFLICT_HOURS if group in was or group in now}
    sides = ({g: _filled(side, g) for g in given} for side in (was, now))
    old, new = sides
    for group in PARTED & given:
        for part in old[group].keys() | new[group].keys():
            old[group] = {part: {}, **old[group]}
            new[group] = {part: {}, **new[group]}
    return list(changed_fields(old, new))


def _filled(side: Document, group: str) -> Any:
    return side.get(group, {} if group in NESTED else None)


def given_after(
    was: Document, changed: Sequence[str], revision: int, context: Context
) -> dict[str, Any]:
    """Who gave which group, after the sender has given these fields."""
    given = dict(was.get("given", {}))
    made = {"by": context.sender.user, "at": context.now}
    for part in dict.fromkeys(map(part_of, changed)):
        fields = given.get(kept_as(part), {}).get("fields", {})
        recent = {n: f for n, f in fields.items() if context.now - f["at"] <= _WINDOW_MAX}
        new = {_field(path, part): made for path in changed if part_of(path) == part}
        given[kept_as(part)] = {**made, "revision": revision, "fields": {**recent, **new}}
    return given


def given_again(
    before: Mapping[str, Any], parts: Sequence[str], revision: int, context: Context
) -> dict[str, Any]:
    """Who gave which group, after the sender has said of these that they still are so."""
    given = dict(before)
    made = {"by": context.sender.user, "at": context.now, "revision": revision}
    for part in parts:
        given[kept_as(part)] = {"fields": {}, **given.get(kept_as(part), {}), **made}
    return given


def _field(path: str, part: str) -> str:
    """A field's name below its part; of a group that is one value, the group's own."""
    return path[len(part) + 1 :].partition(".")[0] or part


def conflicts(
    was: Document, changed: Sequence[str], revision: int, context: Context
) -> Iterator[AssetConflicted]:
    """One event for each user whose recent values the sender overwrites."""
    lost: dict[str, list[str]] = {}
    for path in changed:
        part = part_of(path)
        by, at = _writer(was, part, _field(path, part))
        window = timedelta(hours=CONFLICT_HOURS[part.partition(".")[0]])
        is_own = by == context.sender.user or by in RESERVED
        if not is_own and context.now - at <= window and held_at(was, path) is not None:
            lost.setdefault(by, []).append(path)
    for writer, paths in sorted(lost.items()):
        parts = dict.fromkeys(map(part_of, paths))
        yield AssetConflicted(
            id=was["_id"],
            revision=revision,
            by=context.sender.user,
            of=writer,
            changed=tuple(paths),
            given_in={part: source_of(was, part).revision for part in parts},
        )


def parts_of(asset: Document) -> Iterator[str]:
    """The groups that were given, and of those with parts each part."""
    for group in CONFLICT_HOURS:
        if group in PARTED:
            yield from (f"{group}.{name}" for name in asset.get(group, {}))
        elif group in asset:
            yield group


def is_stale(asset: Document, part: str, now: datetime) -> bool:
    """Whether a group was given longer ago than it keeps."""
    return _is_older(source_of(asset, part), part, now)


def _is_older(source: Source, part: str, now: datetime) -> bool:
    return now - source.at > timedelta(days=MAX_AGE_DAYS[part.partition(".")[0]])


def shown_sources(asset: Document, standing: Standing, now: datetime) -> dict[str, dict[str, Any]]:
    """When and by whom each group was last given, as `Given` says it; of those that may be read."""
    parts = (part for part in parts_of(asset) if standing.may("read", part))
    return {part: _given(asset, part, now) for part in parts}


def _given(asset: Document, part: str, now: datetime) -> dict[str, Any]:
    one = source_of(asset, part)
    stale = _is_older(one, part, now)
    return {"by": one.by, "at": one.at, "revision": one.revision, "stale": stale}
