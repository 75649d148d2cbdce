"""The row of each operation: what it can be rejected with, by its handler and by its fields."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType

from contracts.messages import Request, known, operation_of
from handlers.signature import Handler
from tests.codes.fields import Field, fields, paths
from tests.codes.reach import CODE, codes_of
from topology.catalog import REGISTER_MODULES, Entry, build


@dataclass(frozen=True, slots=True)
class Row:
    """One operation as its handler and its contract write it down."""

    name: str
    """The type, such as `asset.register.v1`."""
    contract: type[Request]
    decided_by: Handler
    """The handler that was written; of an older major that of the newest one."""
    fields: tuple[Field, ...]

    @property
    def own(self) -> tuple[str, ...]:
        """Codes that the handler's docstring names, in its order."""
        return named(self.decided_by.function.__doc__, "Rejects:")

    @property
    def errors(self) -> tuple[str, ...]:
        """Codes that the contract's docstring names, for whoever sends it."""
        return named(self.decided_by.contract.__doc__, "Errors:")

    @property
    def found(self) -> frozenset[str]:
        """Codes that the handler's source leads to."""
        contract = self.decided_by.contract
        no_codes = paths(contract) | {operation_of(name) for name in known(Request)}
        found = codes_of(self.decided_by.function) - no_codes
        # A place in the data is no code either.
        return frozenset(one for one in found if not one.startswith("data."))

    @property
    def of_values(self) -> Mapping[str, tuple[Field, ...]]:
        """Codes of values, and the fields that can give each."""
        codes = sorted({code for field in self.fields for code in field.codes})
        return {code: tuple(f for f in self.fields if code in f.codes) for code in codes}


def named(docstring: str | None, head: str) -> tuple[str, ...]:
    """The codes of a paragraph of a docstring: behind its head, before the source."""
    said = (docstring or "").partition(head)[2].partition("Source:")[0]
    return tuple(dict.fromkeys(match[0] for match in re.finditer(CODE, said)))


@cache
def rows(modules: tuple[ModuleType, ...] = (*REGISTER_MODULES,)) -> Mapping[str, Row]:
    """By type, every command and query that the registers take."""
    entries = build(modules)
    return {e.name: _row(e, entries) for e in entries.values() if e.kind != "check"}


def _row(entry: Entry, entries: Mapping[str, Entry]) -> Row:
    newest = list(_newer(entry, entries))[-1]
    return Row(entry.name, entry.contract, newest.handler, fields(entry.contract))


def _newer(entry: Entry, entries: Mapping[str, Entry]) -> Iterator[Entry]:
    yield entry
    if entry.newer is not None:
        yield from _newer(entries[entry.newer], entries)
