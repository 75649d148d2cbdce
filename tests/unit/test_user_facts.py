"""What the asset register reads of the users' register: its page says so of every operation."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from contracts.messages import register_of_entity
from handlers.conditions import CONDITIONS
from handlers.edges import RELATIONS
from handlers.visibility import UNOWNED
from tests.decider import ENTRIES
from tests.given import ROOT
from tests.unit.operations.every import every
from tests.unit.operations.trial import DIVIDED, WIDE, Counting, Trial

PAGE: Final = ROOT / "docs" / "registers" / "assets.md"
TABLE: Final = re.compile(r"<!-- facts: .*? -->\n\n(.*?)\n\n", re.DOTALL)
ROW: Final = re.compile(r"^\| `([a-z-]+\.[a-z-]+\.v\d)` \| ([a-z, ]+) \|$", re.MULTILINE)
MANDATES: Final = "mandates"
OTHERS: Final = "another user"
OF_EVERY_MESSAGE: Final = {"its sender", "its conditions"}


@dataclass
class Noting(Counting):
    """A decider that notes what is read."""

    noted: set[tuple[str, Any]] = field(default_factory=set)

    def _load(self, keys: frozenset[tuple[str, Any]], loaded: dict[str, dict[Any, Any]]) -> None:
        self.noted |= keys
        super()._load(keys, loaded)


def read_by(name: str) -> set[str]:
    """What an operation of the asset register reads that the users' register has written."""
    operation = every()[name]
    trial = Trial(operation, decider=Noting({}, rulebook=DIVIDED, limits=WIDE))
    assert isinstance(trial.decider, Noting)
    trial.decider.noted.clear()
    trial.send()
    return set(_kinds(trial.decider.noted, trial.sender))


def _kinds(keys: set[tuple[str, Any]], sender: str) -> Iterator[str]:
    for collection, key in keys:
        if collection == CONDITIONS:
            yield "its conditions"
        elif collection == "users":
            yield "its sender" if key == sender else OTHERS
        elif collection == RELATIONS and isinstance(key, str):
            entity = key.partition("/")[0]
            if entity == UNOWNED or register_of_entity(entity) == "users":
                yield MANDATES


def names() -> list[str]:
    """Every type of the asset register, but for checks, and for what compares users as well."""
    queues = {"mailbox.assets.0", "query.assets"}
    return [n for n in every() if ENTRIES[n].queue in queues and not n.startswith("duplicates.")]


def test_the_page_says_what_each_operation_reads_of_users() -> None:
    found = TABLE.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None
    said = {name: set(facts.split(", ")) for name, facts in ROW.findall(found[1])}
    read = {name: read_by(name) for name in names()}
    # Operators have no document of their own.
    assert all("its conditions" in facts for facts in read.values())
    besides = {name: facts - OF_EVERY_MESSAGE for name, facts in read.items()}
    wanted = {name: facts for name, facts in besides.items() if facts}
    assert said == wanted, "\n".join(
        f"| `{name}` | {', '.join(sorted(facts))} |" for name, facts in wanted.items()
    )
