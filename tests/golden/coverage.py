"""Which test covers which cell of the rights: `python -m tests.golden.coverage`.

The cells are those of the tables and the catalog, the tests those that pytest collects.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from io import StringIO
from typing import Any, Final

import pytest

from handlers.rights import GROUPS
from topology.catalog import Entry, build
from topology.rights import ROLES

TESTS: Final = "tests/golden/test_cells.py"
Tables = Mapping[str, Mapping[str, Mapping[Any, Any]]]


def cells(entries: Mapping[str, Entry], groups: Tables) -> Iterator[str]:
    """Every cell that must have a test, under the name that its test has as its parameter."""
    for message_type in entries:
        for role in ROLES:
            yield role_cell(message_type, role)
    for collection, table in groups.items():
        held = dict.fromkeys(relation for row in table.values() for relation in row)
        for group in table:
            for relation in (*held, "others"):
                yield group_cell(collection, group, relation)


def role_cell(message_type: str, role: str) -> str:
    """Name of the cell that says whether a role may send a type."""
    return f"{message_type}*{role}"


def group_cell(collection: str, group: str, relation: str) -> str:
    """Name of the cell that says what a relation may do with a group."""
    return f"{collection}.{group}*{relation}"


class _Collected:
    """What pytest would run: cell -> the tests whose parameter it is."""

    def __init__(self) -> None:
        self.tests: dict[str, list[str]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
                self.tests.setdefault(item.callspec.id, []).append(item.nodeid)


def main() -> int:
    """Print each cell with its tests; say which cells have none, and how many there are."""
    found = _Collected()
    with redirect_stdout(StringIO()):
        pytest.main(["--collect-only", "-qq", TESTS], plugins=[found])
    wanted = list(cells(build(), GROUPS))
    for cell in wanted:
        sys.stdout.write(f"{cell:55}{', '.join(found.tests.get(cell, ['NO TEST']))}\n")
    missing = [cell for cell in wanted if cell not in found.tests]
    surplus = sorted(found.tests.keys() - set(wanted))
    sys.stdout.write(f"{len(wanted)} cells, {len(missing)} without a test {missing}\n")
    sys.stdout.write(f"{len(surplus)} tests of no cell {surplus}\n")
    return 1 if missing or surplus else 0


if __name__ == "__main__":
    sys.exit(main())
