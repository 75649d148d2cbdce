"""The register as a table: a page at a time, each written with the mark of where it ends."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from handlers.matching.columns import columns_of
from handlers.matching.reading import of_asset
from handlers.suspecting import is_compared
from workers.analysis.table import Table
from workers.store.protocol import ReadStore

PAGE: Final = 1_000
REGISTER: Final = "assets"
COMPARED: Final = (
    *("asset_type", "name", "identity", "connection", "location", "capability", "technologies"),
    *("owner", "commissioned_on", "registrant"),
)
"""What of an asset is exported: all that the scorer looks at."""

Told = Callable[[int], None]


async def export(table: Table, store: ReadStore, told: Told) -> None:
    """Read the assets by their ids, from behind the last page that was written.

    Of an asset of a person nothing is taken: what is sealed stays where it is, and is compared with
    nobody. Retired assets, aliases and portfolios are left out as well.
    """
    while not table.marked("exported"):
        after = table.marked("after") or ""
        page = await store.holding_all(REGISTER, "", [], PAGE, after)
        kept = [(str(row["_id"]), _compared(row)) for row in page if is_compared(row)]
        first = table.count("records")
        with table.at_once():
            table.add_records([_row(first + nth, *one) for nth, one in enumerate(kept)])
            table.mark("left_out", table.number("left_out") + len(page) - len(kept))
            table.mark("after", str(page[-1]["_id"]) if page else after)
            table.mark("exported", len(page) < PAGE)
        told(first + len(kept))


def _compared(asset: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: asset[name] for name in COMPARED if name in asset}


def _row(number: int, record: str, kept: Mapping[str, Any]) -> dict[str, Any]:
    written = json.dumps(kept, default=str, sort_keys=True)
    # From what is written, so that whoever reads it again compares the very same.
    columns = columns_of(of_asset(json.loads(written)))
    return {"number": number, "id": record, "document": written, **columns}
