"""What each user may see, reckoned a second time: by the rows written by hand, without handlers."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from handlers.letters import Letter
from tests.golden.cells import GROUP_COLUMNS, GROUP_ROWS

STALE: Final = "changed since yours: "
NAMES_ITS_READER: Final = {
    "asset.related.v1": "party",
    "asset.unrelated.v1": "party",
    "mandate.given.v1": "delegate",
    "mandate.ended.v1": "delegate",
    "sharing.granted.v1": "party",
    "sharing.revoked.v1": "party",
    "sharing.expired.v1": "party",
}


class Leak(AssertionError):
    """A letter tells its reader what it may not see."""


@dataclass
class Tie:
    """What a party is to an entity, from a moment on, and at its end no more."""

    entity: str
    party: str
    relation: str
    begin: datetime
    end: datetime | None
    service: str | None = None
    group: str | None = None
    """Which one a reader may read."""

    def holds(self, at: datetime) -> bool:
        return self.begin <= at and (self.end is None or at < self.end)


@dataclass
class Oracle:
    """What there is, and who is what to it."""

    operators: set[str] = field(default_factory=set)
    confirmed: set[str] = field(default_factory=set)
    registrants: dict[str, str] = field(default_factory=dict)
    owners: dict[str, str] = field(default_factory=dict)
    persons: set[str] = field(default_factory=set)
    ties: list[Tie] = field(default_factory=list)
    tokens: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Text that is in the values of one group of one entity, and nowhere else."""
    seen: Counter[str] = field(default_factory=Counter)

    def relations(self, viewer: str, entity: str, at: datetime) -> set[str]:
        """All that a viewer is to a user or an asset at a moment."""
        held = {t.relation for t in self.ties if (t.entity, t.party) == (entity, viewer)
                and t.holds(at) and (t.group is None or viewer in self.confirmed)}  # fmt: skip
        held |= {"self"} if viewer == entity else set()
        held |= {"registrant"} if self.registrants.get(entity) == viewer else set()
        held |= {"operator"} if viewer in self.operators else set()
        if (owner := self.owners.get(entity)) is not None:
            held |= {"owner"} if owner == viewer else set()
            held |= {"delegate"} & self.relations(viewer, owner, at)
        return held

    def may_read(self, viewer: str, entity: str, group: str, at: datetime) -> bool:
        collection = "users" if entity.startswith("USR") else "assets"
        row, columns = GROUP_ROWS[collection].get(group, ""), GROUP_COLUMNS[collection]
        held = self.relations(viewer, entity, at)
        granted = (t for t in self.ties if (t.entity, t.party, t.group) == (entity, viewer, group))
        if not any(t.holds(at) for t in granted):
            held -= {"reader"}
        return any(right in "rw" for right, one in zip(row, columns, strict=False) if one in held)

    def look(self, letter: Letter, at: datetime, sent: str = "", about: str = "") -> None:
        """Search a letter for what its reader may not see; what it said itself it may see.

        `about` is the entity that the answered message was about.
        """
        reader = letter.recipient or ""
        text = letter.body.decode()
        content = json.loads(text)
        data = content["data"]
        self.seen[letter.kind] += 1
        for token, (entity, group) in self.tokens.items():
            if token in text and token not in sent:
                self.seen["values shown"] += 1
                is_public = self._is_public(content["type"], entity, group)
                if not is_public and not self.may_read(reader, entity, group, at):
                    raise Leak(f"{letter.type} shows {reader} {entity}.{group}: {text}")
            elif not self.may_read(reader, entity, group, at):
                self.seen["values withheld"] += 1
        for entity, group in self._named(content, reader, about):
            self.seen["names shown"] += 1
            if not self.may_read(reader, entity, group, at):
                raise Leak(f"{letter.type} names {group} of {entity} to {reader}: {text}")
        self._look_who_is_named(letter, content, at, sent)
        subject = data.get("id")
        if ".get.accepted." in letter.type and not self.relations(reader, subject, at):
            raise Leak(f"{letter.type} answers {reader}, who is nothing to {subject}")

    def _look_who_is_named(
        self, letter: Letter, content: dict[str, Any], at: datetime, sent: str
    ) -> None:
        reader = letter.recipient or ""
        for entity in self._known(content):
            if entity not in sent and not self.relations(reader, entity, at):
                raise Leak(f"{letter.type} tells {reader} of {entity}: {letter.body!r}")
        for person in self._listed(content):
            if not self.may_read(reader, person, "name", at):
                raise Leak(f"{letter.type} lists {person} to {reader}")

    def _is_public(self, message_type: str, entity: str, group: str) -> bool:
        """Whether the directory tells it to everybody: an organisation's name."""
        is_name = group == "name" and entity.startswith("USR") and entity not in self.persons
        return message_type == "directory.search.accepted.v1" and is_name

    def _listed(self, content: dict[str, Any]) -> list[str]:
        """The persons that a page of the directory lists."""
        ids = [entry["id"] for entry in content["data"].get("entries", ())]
        persons = [one for one in ids if one in self.persons]
        self.seen.update({"entries": len(ids), "persons listed": len(persons)})
        return persons

    def _named(self, content: dict[str, Any], reader: str, about: str) -> Iterator[tuple[str, str]]:
        """Entity and group of each name of a field that a message tells."""
        data = content["data"]
        if data.get(NAMES_ITS_READER.get(content["type"], "")) != reader:
            for name in data.get("changed", ()):
                yield data["id"], name.partition(".")[0]
        for group in ("owner", "registrant"):
            if group in data:
                yield data["id"], group
        if content["type"].startswith("asset.") and data.get("area") is not None:
            yield data["id"], "connection"
        for finding in data.get("findings", ()):
            _, is_stale, names = finding["expected"].partition(STALE)
            if is_stale:
                for name in names.rstrip(")").split(", "):
                    yield about, name.partition(".")[0]

    def _known(self, content: dict[str, Any]) -> Iterator[str]:
        """Entities that a message lets its reader know of by its findings or as its subject."""
        text = json.dumps(content["data"].get("findings", ()))
        yield from (entity for entity in self.registrants if entity in text)
        if content.get("sequence") and content["type"] not in NAMES_ITS_READER:
            yield from (entity for entity in self.registrants if entity == content["subject"])
