"""How a case is tried: on the documents that it names, through admission and fold, and dry."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

from contracts.messages import check_type
from handlers.admission import Limits
from handlers.case import Outcome
from handlers.decision import key_of
from tests.builders import command
from tests.decider import ENTRIES, RULEBOOK, Decider, events, reply, rules, said
from tests.unit.operations.table import ABSENT, SAME, Operation, Otherwise, Said, users

ENTITIES: Final = ("users", "assets", "agreements", "notices")
"""Collections of what data names by an id."""
REMEMBERED: Final = frozenset({"inbox"})
"""What is written of a command that changes nothing: its answer."""


WIDE: Final = Limits(body_bytes_max=16_000_000)
"""What is too much for an operation is not to be too much for a message."""
DIVIDED: Final = replace(RULEBOOK, shards_max=4)


@dataclass
class Counting(Decider):
    """A decider that counts what is read, round by round: so long an answer takes."""

    rounds: list[int] = field(default_factory=list)

    def _load(self, keys: frozenset[tuple[str, Any]], loaded: dict[str, dict[Any, Any]]) -> None:
        self.rounds.append(len(keys))
        super()._load(keys, loaded)


@dataclass
class Trial:
    """An operation on its documents, as it is right or otherwise."""

    operation: Operation
    otherwise: Otherwise = SAME
    decider: Counting = field(default_factory=lambda: Counting({}, rulebook=DIVIDED, limits=WIDE))
    sent: int = 0

    def __post_init__(self) -> None:
        """Put the documents there, and decide what comes before."""
        given = (*users(), *self.operation.given, *self.otherwise.given)
        self.decider.documents |= {(name, key_of(row)): row for name, row in given}
        for one in (*self.operation.first, *self.otherwise.first):
            kind, data, _ = self._decide(one)
            assert ".accepted." in kind, f"{one.type} was to be accepted before: {data}"

    @property
    def sender(self) -> str:
        """Who sends it."""
        return self.otherwise.sender or self.operation.sender

    @property
    def data(self) -> dict[str, Any]:
        """What is sent."""
        both = {**self.operation.data, **self.otherwise.data}
        return {name: value for name, value in both.items() if value is not ABSENT}

    def message(self, type_: str = "") -> Said:
        """What is sent, under its own type or another."""
        attributes = {**self.operation.attributes, **self.otherwise.attributes}
        said = {name: value for name, value in attributes.items() if value is not ABSENT}
        return Said(type_ or self.operation.type, self.data, self.sender, said)

    def send(self) -> tuple[str, Mapping[str, Any], Outcome | None]:
        """Type and data of the answer, and of a command what became of it."""
        if ENTRIES[self.operation.type].kind == "query":
            return (*self.ask(self.message()), None)
        return self._decide(self.message())

    def check(self) -> tuple[str, Mapping[str, Any]]:
        """Type and data of the answer to a dry run, which writes nothing."""
        return self.ask(self.message(check_type(self.operation.type)))

    def forget(self) -> bool:
        """Take away what the data names; whether there was anything."""
        named = {(name, key) for name in ENTITIES for key in _texts(self.data)}
        gone = named & self.decider.documents.keys() - {("users", self.sender)}
        for key in gone:
            del self.decider.documents[key]
        return bool(gone)

    def _decide(self, one: Said) -> tuple[str, Mapping[str, Any], Outcome]:
        (outcome,) = self.decider.decide(self._delivery(one))
        return (*reply(outcome), outcome)

    def ask(self, one: Said) -> tuple[str, Mapping[str, Any]]:
        """Type and data of the answer to a question or a dry run, which writes nothing."""
        before = dict(self.decider.documents)
        answer = said(self.decider.ask(self._delivery(one)))
        assert self.decider.documents == before
        return answer

    def _delivery(self, one: Said) -> Any:
        """Under an id that the front desk may use, too."""
        self.sent += 1
        attributes = {"id": str(UUID(int=self.sent)), **one.attributes}
        return command(one.type, one.data, sender=one.sender, **attributes)


def _texts(value: Any) -> Iterator[str]:
    """Every text in it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list | tuple):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(inner)


def codes(answer: Mapping[str, Any]) -> list[str]:
    """The codes of all findings, each once; none of an acceptance."""
    found: Iterable[str] = (rule for rule, _ in rules(answer)) if "findings" in answer else ()
    return list(dict.fromkeys(found))


def written(outcome: Outcome) -> set[str]:
    """Collections that are written."""
    return {write.collection for write in outcome.writes}


def told(outcome: Outcome) -> list[str]:
    """Types of the events."""
    return [kind for kind, _ in events(outcome)]
