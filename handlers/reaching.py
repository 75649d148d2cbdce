"""Telling a broadcast: whom it reaches, page by page of the cells of its area, each once."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Self

from contracts.broadcasts import BroadcastAsked, BroadcastDone, BroadcastReceived
from handlers.bookkeeping import unattributed
from handlers.decision import Context, Document, Handled, Reads, View
from handlers.edges import RELATIONS, ties
from handlers.geography import is_inside
from handlers.polygons import Corners, cells, place_of
from handlers.post import Post
from handlers.senders import RESERVED
from handlers.spans import Span
from handlers.visibility import named, own

BROADCASTS: Final = "broadcasts"
REACHED: Final = "reached"
"""Collection: whom a broadcast has reached, so that nobody is told twice."""
REACHED_BY: Final = frozenset({"aggregator", "fsp"})
"""Recorded relations to an asset by which a broadcast reaches a user, beside owner and
registrant."""
CELLS_AT_ONCE: Final = 16
ASSETS_AT_ONCE: Final = 200
USERS_AT_ONCE: Final = 400
PAUSE: Final = timedelta(milliseconds=100)
"""Between two portions: a broadcast takes no more than a part of the lane."""
STEPS: Final = (1, 2, 5)
"""Of each power of ten: what a count is rounded down to, from `FEW` on."""
FEW: Final = 5
"""Fewer are counted as none, so that counting finds nobody."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far the work is: in which cell, behind which asset, behind which of its parties."""

    cell: str = ""
    asset: str = ""
    party: str = ""

    @classmethod
    def of(cls, cursor: str | None) -> Self:
        """Read it from a cursor; without one it is the beginning."""
        return cls(*(cursor or "||").split("|"))

    @property
    def cursor(self) -> str:
        return f"{self.cell}|{self.asset}|{self.party}"


def ring_of(broadcast: Document) -> Corners:
    """The corners of its polygon."""
    return tuple((x, y) for x, y in broadcast["ring"])


def is_meant(asset: Document, broadcast: Document, ring: Corners) -> bool:
    """Whether an asset is of the types and sizes, and stands inside."""
    types, least, most = broadcast["types"], broadcast["min_kw"], broadcast["max_kw"]
    if (types and asset["asset_type"] not in types) or asset["lifecycle"] == "retired":
        return False
    power = (asset.get("capability") or {}).get("power_kw")
    if (least is not None or most is not None) and power is None:
        return False
    if (least is not None and power < least) or (most is not None and power > most):
        return False
    place = place_of(asset)
    return place is not None and is_inside(ring, *place)


def parties_of(asset: Document, edges: Iterable[Document], at: datetime) -> Iterator[str]:
    """Whom a broadcast reaches by one asset, if they have opted in."""
    yield from named(asset).values()
    yield from (row["party"] for row in edges if ties(row, at) & REACHED_BY)


def opted_in(users: Iterable[str], sender: str, view: View) -> list[str]:
    """Those who want broadcasts, in order; the sender knows what it says."""
    wanted = sorted(set(users) - {sender, *RESERVED})
    view.require(("subscriptions", user) for user in wanted)
    chosen = ((user, view.get("subscriptions", user) or {}) for user in wanted)
    return [user for user, said in chosen if said.get("broadcasts", False)]


def counted(count: int) -> int:
    """A count that tells of nobody: the difference of two areas is not who stands between them."""
    power = 10 ** (len(str(count)) - 1)
    step = max((step * power for step in STEPS if step * power <= count), default=0)
    return step if step >= FEW else 0


def reach_reads(fact: BroadcastAsked, context: Context) -> Reads:
    """The broadcast itself; the rest follows from it."""
    yield BROADCASTS, fact.id
    yield "sequences", fact.by


def reach(fact: BroadcastAsked, view: View, context: Context) -> Handled:
    """Tell one portion of the audience; the last one tells the sender how many there were.

    Source: U5.
    """
    broadcast = view.get(BROADCASTS, fact.id)
    if broadcast is None or broadcast["text"].value is None:
        return Handled(unattributed(context.now))
    portion, further = _portion(broadcast, Place.of(context.cursor), view)
    users, further = _audience(portion, further, view, context)
    wanted = opted_in(users, fact.by, view)
    view.require(key for user in wanted for key in _reads_of(user, fact))
    new = [user for user in wanted if view.get(REACHED, f"{fact.id}/{user}") is None]
    post = Post(view, context)
    for user in new:
        said = BroadcastReceived(
            id=user, by=fact.by, broadcast=fact.id, text=broadcast["text"].value
        )
        post.send(own(user, said), said.message_type, user)
        post.add(REACHED, f"{fact.id}/{user}", {"broadcast": fact.id})
    told = broadcast["told"] + len(new)
    state = "running" if further is not None else "done"
    post.put(BROADCASTS, fact.id, {**broadcast, "told": told, "state": state})
    if further is None:
        done = BroadcastDone(id=fact.by, broadcast=fact.id, audience=counted(told))
        post.send(own(fact.by, done), done.message_type, fact.by)
    cursor = further.cursor if further is not None else None
    # Under the sender's key: what it said ends with it.
    return Handled(fact.by, post.writes, tuple(post.told), cursor, PAUSE)


def _reads_of(user: str, fact: BroadcastAsked) -> Iterator[tuple[str, Any]]:
    yield "sequences", user
    yield REACHED, f"{fact.id}/{user}"


Portion = Sequence[tuple[str, Document, Span]]
"""Assets that are meant, each with its cell and the page of its parties that comes next."""


def _portion(broadcast: Document, place: Place, view: View) -> tuple[Portion, Place | None]:
    """The next assets, and where the ones after them begin; None where there are none."""
    ring = ring_of(broadcast)
    left = [cell for cell in cells(ring) if cell >= place.cell]
    spans = [
        Span("cell", cell, place.asset if cell == place.cell else "")
        for cell in left[:CELLS_AT_ONCE]
    ]
    view.require(("assets", span) for span in spans)
    found: list[tuple[str, Document, Span]] = []
    looked_at = 0
    for span in spans:
        rows, further = view.page("assets", span)
        looked_at += len(rows)
        if looked_at > ASSETS_AT_ONCE and span != spans[0]:
            return found, Place(span.value)
        meant = (row for row in rows if is_meant(row, broadcast, ring))
        found += [(span.value, row, _edges(row["_id"], place)) for row in meant]
        if further:
            return found, Place(span.value, further)
    behind = left[CELLS_AT_ONCE : CELLS_AT_ONCE + 1]
    return found, Place(behind[0]) if behind else None


def _edges(asset: str, place: Place) -> Span:
    """The next page of an asset's parties, whose ids begin with its own."""
    return Span("entity", asset, place.party if place.party.startswith(f"{asset}/") else "")


def _audience(
    portion: Portion, further: Place | None, view: View, context: Context
) -> tuple[set[str], Place | None]:
    """The parties of the assets, as many as go into one portion, and where the next one begins."""
    view.require((RELATIONS, span) for _, _, span in portion)
    users: set[str] = set()
    for cell, asset, span in portion:
        if len(users) >= USERS_AT_ONCE:
            return users, Place(cell, _before(asset["_id"]), "")
        edges, more = view.page(RELATIONS, span)
        users.update(parties_of(asset, edges, context.now))
        if more:
            return users, Place(cell, _before(asset["_id"]), more)
    return users, further


def _before(asset: str) -> str:
    """What sorts behind every id that comes before this one, and before it: it comes again."""
    return asset[:-1]
