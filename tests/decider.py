"""A register as plain documents: deliveries are folded on them, without a store or an engine."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import ModuleType
from typing import Any, Final

from contracts.findings import unstorable_findings
from contracts.taxonomy import BACKBONE
from handlers.admission import Delivery, Limits, admit
from handlers.asking import answer
from handlers.case import Asked, Outcome, Rounds, Rulebook
from handlers.decision import Document, Drop, NotLoadedError, Put, Secret, View, key_of
from handlers.edits import Edits
from handlers.facts import admit_fact
from handlers.fold import UnstorableError, fold
from handlers.foreseeing import Foreseen
from handlers.letters import Letter
from handlers.parking import Parked
from handlers.spans import Around, Span, Tally
from tests import registers
from tests.builders import MASTER, NOW, OWNER, PLATFORM, STRANGER, user_document
from topology.catalog import REGISTER_MODULES, build, commands_of, contracts_of
from topology.reactions import facts
from workers.store.codec import Unencodable, encode, secret_bytes
from workers.store.globe import behind, distance_m, placed
from workers.store.lists import counted_all_of
from workers.timers import letter_of
from workers.vault import Sealed, Vault

MODULES: Final[Sequence[ModuleType]] = (*REGISTER_MODULES, registers)
VAULT: Final = Vault(MASTER)
ENTRIES: Final = build(MODULES)
FACTS: Final = facts(ENTRIES)
RULEBOOK: Final = Rulebook(
    {e.name: e.handler for e in ENTRIES.values()} | dict(FACTS),
    VAULT,
    edits=Edits(Foreseen(commands_of(ENTRIES))),
)
ROUNDS_MAX: Final = 8


def parties() -> dict[tuple[str, Any], Document]:
    """The three users of the builders."""
    known = [
        user_document(PLATFORM),
        user_document(STRANGER, name="Stranger Ltd"),
        user_document(OWNER, roles=["owner"]),
    ]
    return {("users", document["_id"]): document for document in known}


@dataclass
class Decider:
    """Documents by collection and key, changed by what is decided."""

    documents: dict[tuple[str, Any], Document] = field(default_factory=parties)
    now: datetime = NOW
    rulebook: Rulebook = RULEBOOK
    limits: Limits = field(default_factory=Limits)

    def decide(self, *deliveries: Delivery) -> list[Outcome]:
        """Fold the deliveries as one batch and keep what they write."""
        outcomes = [outcome for outcome, _ in self.fold(deliveries)]
        for outcome in outcomes:
            for write in outcome.writes:
                if isinstance(write, Drop):
                    del self.documents[write.collection, key_of(write.was)]
                else:
                    self.documents[write.collection, key_of(write.document)] = write.document
        return outcomes

    def fold(self, deliveries: Sequence[Delivery]) -> Sequence[tuple[Outcome, None]]:
        """Fold, reading what is missing, as the engine does."""
        contracts = contracts_of(self.rulebook.handlers)
        arrivals = [
            (
                n,
                admit_fact(d, contracts)
                if d.account == BACKBONE
                else admit(d, contracts, self.limits),
            )
            for n, d in enumerate(deliveries)
        ]
        loaded: dict[str, dict[Any, Any]] = {}
        rounds = Rounds()
        for number in range(ROUNDS_MAX + 2):
            view = View(loaded, may_ask=number < ROUNDS_MAX)
            folded = fold(arrivals, view, self.rulebook, self.now, _storable, rounds=rounds)
            if not folded.missing:
                return folded.outcomes
            self._load(folded.missing, loaded)
        raise AssertionError("the fold asks for ever more")

    def ask(self, delivery: Delivery) -> Letter | None:
        """Answer a query or a check on the documents as they are."""
        arrival = admit(delivery, contracts_of(self.rulebook.handlers), self.limits)
        loaded: dict[str, dict[Any, Any]] = {}
        asked = Asked()
        for _ in range(ROUNDS_MAX):
            try:
                return answer(arrival, View(loaded), self.rulebook, self.now, asked)
            except NotLoadedError as wanted:
                self._load(wanted.keys, loaded)
        raise AssertionError("the question asks for ever more")

    def of(self, collection: str) -> list[Document]:
        """The collection's documents, in the order in which they came to be."""
        return [document for (name, _), document in self.documents.items() if name == collection]

    def _load(self, keys: frozenset[tuple[str, Any]], loaded: dict[str, dict[Any, Any]]) -> None:
        for collection, key in keys:
            if isinstance(key, Around):
                loaded.setdefault(collection, {})[key] = self._around(collection, key, loaded)
                continue
            if isinstance(key, Tally):
                rows = counted_all_of(key, self.of(collection))
                found = loaded.setdefault(collection, {})
                found.update({row["_id"]: row for row in rows} | {key: [r["_id"] for r in rows]})
                continue
            if isinstance(key, Span):
                loaded.setdefault(collection, {})[key] = self._page(collection, key, loaded)
                continue
            loaded.setdefault(collection, {})[key] = self.documents.get((collection, key))

    def _page(
        self, collection: str, span: Span, loaded: dict[str, dict[Any, Any]]
    ) -> Sequence[str]:
        found = [d for d in self.of(collection) if span.holds(d)]
        rows = sorted((d for d in found if d["_id"] > span.after), key=lambda d: str(d["_id"]))
        loaded.setdefault(collection, {}).update({row["_id"]: row for row in rows[: span.limit]})
        return [row["_id"] for row in rows[: span.limit]]

    def _around(
        self, collection: str, around: Around, loaded: dict[str, dict[Any, Any]]
    ) -> Sequence[str]:
        held = [d for d in self.of(collection) if around.value in d.get(around.held, ())]
        rows = [
            {**d, "distance_m": distance_m(around, d[around.field])}
            for d in held
            if around.field in d
        ]
        near = [r for r in rows if r["distance_m"] <= around.radius_m and behind(around, r)]
        page = sorted(near, key=placed)[: around.limit]
        loaded.setdefault(collection, {}).update({row["_id"]: row for row in page})
        return [row["_id"] for row in page]

    def consequences(self, outcomes: Sequence[Outcome]) -> list[Letter]:
        """What users are told of the facts among the outcomes, to the last page."""
        told: list[Letter] = []
        for fact in [o for outcome in outcomes for o in outcome.letters if o.kind == "domain"]:
            waiting = [Delivery(body=fact.body, type=fact.type, account=BACKBONE)]
            while waiting:
                done = self.decide(*waiting)
                told += [one for o in done for one in o.letters if one.kind == "personal"]
                waiting = [self._again(o) for o in done if o.kind == "continued"]
        return told

    def due(self) -> list[Outcome]:
        """What becomes of every timer whose time has come."""
        rows = [row for row in self.of("timers") if row["due"] <= self.now]
        letters = [letter_of(row, self.now) for row in rows]
        return self.decide(*(Delivery(one.body, one.type, BACKBONE) for one in letters))

    def _again(self, outcome: Outcome) -> Delivery:
        """A fact that is not done, as its lane brings it in again."""
        (row,) = [w for w in outcome.writes if w.collection == "parked"]
        assert isinstance(row, Put)
        return Parked.of(row.document).delivery


def _storable(outcome: Outcome) -> None:
    """Refuse what no store can hold, as the rows of a commit do."""
    for write in outcome.writes:
        if isinstance(write, Put):
            try:
                encode(write.document, _boxed)
            except Unencodable as error:
                raise UnstorableError(unstorable_findings(error.fields)) from error


def _boxed(secret: Secret) -> Sealed:
    return Sealed("anybody", secret_bytes(secret))


def said(letter: Letter | None) -> tuple[str, Mapping[str, Any]]:
    """Type and data of a letter."""
    assert letter is not None
    content: dict[str, Any] = json.loads(letter.body)
    assert content["type"] == letter.type
    return letter.type, content["data"]


def reply(outcome: Outcome) -> tuple[str, Mapping[str, Any]]:
    """Type and data of the one reply of an outcome."""
    replies = [letter for letter in outcome.letters if letter.kind == "reply"]
    assert len(replies) == 1, f"expected one reply, got {[letter.type for letter in replies]}"
    return said(replies[0])


def events(outcome: Outcome) -> list[tuple[str, Mapping[str, Any]]]:
    """Types and data of what the backbone is told."""
    return [said(letter) for letter in outcome.letters if letter.kind == "domain"]


def rules(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Rule and field of each finding of a rejection."""
    return [(finding["rule"], finding["field"]) for finding in data["findings"]]
