"""How ties begin and end: what was recorded between an entity and a party is never deleted."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from contracts.envelope import Finding
from handlers.decision import Context, Document
from handlers.rules import finding

Tie = Mapping[str, Any]
TIES_MAX: Final = 1000
"""How many ties of one party to one entity are kept, over or not."""


def ties_of(row: Document | None) -> list[Tie]:
    """All that is on record between an entity and a party."""
    return list((row or {}).get("ties", ()))


def tie(
    relation: str, asked: tuple[datetime | None, datetime | None], context: Context, **more: Any
) -> Tie:
    """A new tie of the sender's making; it begins now at the earliest, so that no past changes."""
    begin, until = asked
    first = max(begin or context.now, context.now)
    made = {"by": context.sender.user, "at": context.now}
    return {"as": relation, "from": first, "until": until, **more, **made}


def is_over(one: Tie, now: datetime) -> bool:
    """Whether a tie holds no more, and will not again."""
    return one["until"] is not None and bool(one["until"] <= now or one["until"] <= one["from"])


def is_known(new: Tie, before: Sequence[Tie]) -> bool:
    """Whether one of the like holds from then, or before, until the same end."""
    return any(one["from"] <= new["from"] and one["until"] == new["until"] for one in before)


def unfit(new: Tie, like: Sequence[Tie], kept: Sequence[Tie]) -> Iterator[Finding]:
    """What speaks against a tie beside those that are `like` it, and all that are kept."""
    if new["until"] is not None and new["until"] <= new["from"]:
        yield finding(
            "tie.period",
            "until",
            expected=f"a moment after the beginning, {_text(new['from'])}",
            got=new["until"].isoformat(),
            advice="Give an end that is still to come, after `from_time`.",
        )
    elif crossed := [one for one in like if _cross(one, new)]:
        yield finding(
            "tie.period",
            "from_time",
            expected=f"a time that none of the like holds, as from {_span(crossed[0])}",
            got=_span(new),
            advice="End that one first, or let the new one begin at its end.",
        )
    yield from too_many(kept)


def too_many(kept: Sequence[Tie]) -> Iterator[Finding]:
    """Whether there is no room for one more tie, over or not."""
    if len(kept) >= TIES_MAX:
        yield finding(
            "tie.too-many",
            "",
            expected=f"at most {TIES_MAX} ties on record between the two, over or not",
            got=len(kept),
            advice="Leave the tie that holds as it is, instead of ending it and beginning anew.",
        )


def _cross(one: Tie, other: Tie) -> bool:
    """Whether two half-open times have a moment in common."""
    if any(t["until"] is not None and t["until"] <= t["from"] for t in (one, other)):
        return False
    starts_in_time = other["until"] is None or one["from"] < other["until"]
    return starts_in_time and (one["until"] is None or bool(other["from"] < one["until"]))


def ended(
    kept: Sequence[Tie],
    meant: Callable[[Tie], bool],
    until: datetime | None,
    context: Context,
) -> tuple[list[Tie], datetime]:
    """All ties, those that are meant with their end at `until`, and that moment.

    An end that comes sooner stays; a tie that has not begun ends where it would have begun.
    """
    moment = max(until or context.now, context.now)
    made = {"ended_by": context.sender.user, "ended_at": context.now}

    def after(one: Tie) -> Tie:
        end = max(moment, one["from"])
        if not meant(one) or (one["until"] is not None and one["until"] <= end):
            return one
        return {**one, "until": end, **made}

    return [after(one) for one in kept], moment


def _text(moment: datetime | None) -> str:
    return "no end" if moment is None else moment.isoformat(timespec="milliseconds")


def _span(one: Tie) -> str:
    return f"{_text(one['from'])} until {_text(one['until'])}"
