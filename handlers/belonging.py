"""What is kept of who is in which portfolio, and how what belongs together is called."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from handlers.decision import Context, Document
from handlers.documents import said_by
from handlers.edges import edge

MEMBERS: Final = "members"
"""Collection: for a portfolio and an asset since when, and until when, the one is in the other."""
PLACEMENTS: Final = "placements"
"""Collection: of an asset in which portfolios it is, and as what it is counted in those above."""
TALLIES: Final = "tallies"
"""Collection: of a portfolio how many changes of its members were accepted."""
PORTFOLIOS: Final = "portfolios"
"""Collection: of a portfolio the sums, and how many changes of its members are in them."""
FLAGS: Final = "flags"
"""Collection: of a portfolio what it may hold twice."""
MEMBER: Final = "member"
METER: Final = "meter"
WAYS: Final = "ways"


def member_row(portfolio: str, asset: str, ties: Iterable[Any], was: Document | None) -> Document:
    """Since when an asset is in a portfolio, as it is kept; pages find it while it is a member."""
    kept = list(ties)
    return {
        "_id": edge(portfolio, asset),
        "revision": was["revision"] + 1 if was is not None else 1,
        "portfolio": portfolio,
        "asset": asset,
        "ties": kept,
        **({"within": portfolio} if any(one["until"] is None for one in kept) else {}),
    }


def is_member(row: Document | None) -> bool:
    """Whether the asset of a row is in its portfolio now."""
    return row is not None and "within" in row


def placed_in(placement: Document | None) -> list[str]:
    """The portfolios that an asset is a direct member of."""
    return list((placement or {}).get("in", ()))


def placement_row(asset: str, portfolios: Iterable[str], was: Document | None) -> Document:
    """In which portfolios an asset is; as what it is counted stays as it was."""
    revision = was["revision"] + 1 if was is not None else 1
    return {**(was or {}), "_id": asset, "revision": revision, "in": sorted(portfolios)}


def meter_keys(asset: Document, context: Context) -> tuple[str, ...]:
    """What says behind which MPANs an asset is, with its type: fingerprints, since it is personal.

    Of a connection that was erased there is nothing.
    """
    connection: Mapping[str, Any] = said_by(asset.get("connection")) or {}
    said = (connection.get("mpan_import"), connection.get("mpan_export"))
    mpans, kind = {mpan for mpan in said if mpan is not None}, asset["asset_type"]
    return tuple(context.identity.fingerprint(METER, f"{kind}|{mpan}") for mpan in sorted(mpans))


def flag_id(portfolio: str, what: str) -> str:
    """Id of what says that a portfolio may hold something twice: an asset, or a meter's key."""
    return f"{portfolio}/{what}"


def tally_row(portfolio: str, changes: int, was: Document | None) -> dict[str, Any]:
    """How many changes of a portfolio's members there were, with some more."""
    before = was or {"revision": 0, "asked": 0}
    asked = before["asked"] + changes
    return {"_id": portfolio, "revision": before["revision"] + 1, "asked": asked}


def pending(tally: Document | None, sums: Document | None) -> int:
    """How many changes of a portfolio's own members its sums lack."""
    return int((tally or {}).get("asked", 0) - (sums or {}).get("settled", 0))


def meters_of(assets: Iterable[Document], context: Context) -> Iterator[tuple[str, str]]:
    """Each asset's id with each of its meters' keys."""
    for asset in assets:
        for key in meter_keys(asset, context):
            yield asset["_id"], key
