"""The directory: searching it, and making it anew."""

from typing import Final

from tests.unit.operations.table import CURSOR, NO_ID, OPERATOR, Because, Operation, Otherwise

LISTED: Final = Because("Who may not be known is not listed.")

SEARCH: Final = Operation(
    "directory.search.v1",
    {"text": "example"},
    {**CURSOR, "directory.no-word": Otherwise({"text": "&"})},
    unknown=Because("Where nobody fits, nobody is listed."),
    hidden=LISTED,
    may_not=LISTED,
)
REBUILD: Final = Operation(
    "directory.rebuild.v1", {}, {}, sender=OPERATOR, unknown=NO_ID, hidden=NO_ID, may_not=NO_ID
)
OPERATIONS: Final = (SEARCH, REBUILD)
