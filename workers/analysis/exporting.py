"""The register as a table: a page at a time, each written with the mark of where it ends."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from workers.analysis.registers import Register
from workers.analysis.table import Table
from workers.store.protocol import ReadStore

PAGE: Final = 1_000

Told = Callable[[int], None]


async def export(table: Table, register: Register, store: ReadStore, told: Told) -> None:
    """Read the records by their ids, from behind the last page that was written.

    Of a person, and of an asset of one, nothing is taken: what is sealed stays where it is, and is
    compared with nobody. Aliases, portfolios, and whoever or whatever is no longer there, are left
    out as well.
    """
    table.hold(register.columns)
    while not table.marked("exported"):
        after = table.marked("after") or ""
        page = await store.holding_all(register.name, "", [], PAGE, after)
        kept = [row for row in page if register.is_compared(row)]
        first = table.count("records")
        with table.at_once():
            table.add_records([_row(register, first + nth, one) for nth, one in enumerate(kept)])
            table.mark("left_out", table.number("left_out") + len(page) - len(kept))
            table.mark("after", str(page[-1]["_id"]) if page else after)
            table.mark("exported", len(page) < PAGE)
        told(first + len(kept))


def _row(register: Register, number: int, record: Mapping[str, Any]) -> dict[str, Any]:
    exported = {name: record[name] for name in register.exported if name in record}
    written = json.dumps(exported, default=str, sort_keys=True)
    # From what is written, so that whoever reads it again compares the very same.
    row = register.row(register.profile(json.loads(written)))
    return {"number": number, "id": str(record["_id"]), "document": written, **row}
