"""What follows when a user has left: its interests, and those in its market, are withdrawn."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from contracts.confirmation import UserRejected
from contracts.interests import InterestWithdrawn
from contracts.users import UserRetired
from handlers.decision import Context, Document, Handled, Put, Reads, View
from handlers.edges import RELATIONS, edge
from handlers.interests import INTERESTS, withdrawal
from handlers.senders import Sender
from handlers.spans import PAGE, Span
from handlers.telling import tell, tell_reads

Parting = UserRetired | UserRejected
_SEPARATOR: Final = "|"
_SIDES: Final = {"expressed": ("user", PAGE), "received": ("to", 1)}
"""Side of the interests -> the field that names who has left, and how many make a page.

Each interest is kept under the key of the one who is interested, and a decision seals under one.
"""


@dataclass(frozen=True, slots=True)
class _Place:
    """How far it is: on which side, and behind which interest."""

    side: str
    after: str = ""

    @classmethod
    def of(cls, cursor: str | None) -> "_Place | None":
        """Read it from a cursor; None while the event itself is still being told."""
        side, separator, after = (cursor or "").partition(_SEPARATOR)
        return cls(side, after) if separator and side in _SIDES else None

    @property
    def cursor(self) -> str:
        return f"{self.side}{_SEPARATOR}{self.after}"

    def span(self, user: str) -> Span:
        field, limit = _SIDES[self.side]
        return Span(field, user, self.after, limit)

    def next(self, further: str) -> "_Place | None":
        """The next page, or the other side; None behind the last one."""
        if further:
            return _Place(self.side, further)
        return _Place("received") if self.side == "expressed" else None


def part_reads(fact: Parting, context: Context) -> Reads:
    """Whom it is told, or a page of the interests that stand."""
    place = _Place.of(context.cursor)
    if place is None:
        yield from tell_reads(fact, context)
    else:
        yield INTERESTS, place.span(fact.id)


def part(fact: Parting, view: View, context: Context) -> Handled:
    """Tell that a user has left; then withdraw its interests and those in its market.

    Source: U5, U7.
    """
    place = _Place.of(context.cursor)
    if place is None:
        done = tell(fact, view, context)
        return done if done.cursor is not None else replace(done, cursor=_Place("expressed").cursor)
    rows, further = view.page(INTERESTS, place.span(fact.id))
    following = place.next(further)
    asker = replace(context, sender=Sender(fact.by, frozenset(), "confirmed"))
    writes, events = list[Put](), list[InterestWithdrawn]()
    for done_with, event in _withdrawn(rows, view, asker):
        writes += done_with
        events.append(event)
    return Handled(
        rows[0]["user"] if rows else fact.id,
        tuple(writes),
        events=tuple(events),
        cursor=following.cursor if following is not None else None,
    )


def _withdrawn(
    rows: Iterable[Document], view: View, context: Context
) -> Iterator[tuple[tuple[Put, ...], InterestWithdrawn]]:
    standing = [row for row in rows if row["status"] != "withdrawn"]
    view.require((RELATIONS, edge(row["user"], row["to"])) for row in standing)
    for was in standing:
        _, writes, event = withdrawal(was, view, context)
        yield writes, event
