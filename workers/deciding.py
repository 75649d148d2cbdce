"""Deciding a batch on what is stored: fold, read what was missing, and fold again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from handlers.admission import Arrival, Refusal
from handlers.bookkeeping import own_bytes, unattributed
from handlers.case import Rounds, Rulebook
from handlers.decision import View
from handlers.fold import Folded, fold
from handlers.parking import Parking, Waiting
from workers.loading import Loaded, Loader
from workers.rows import Made, RowMaker, Rows

ROUNDS_MAX: Final = 8
"""Look-ups for one batch: its reads, what they lead to, data keys, and some to spare."""
FAULT_ROUNDS: Final = 3
"""Look-ups to write down that a handler asked for ever more: its dead letter, and the key."""

Arrived = Sequence[tuple[int, Arrival | Refusal]]
Faults = Mapping[int, Exception]


@dataclass(frozen=True, slots=True)
class Grounds:
    """What a batch is decided with, at one place in the order of its lane."""

    rulebook: Rulebook
    loader: Loader
    waiting: Waiting
    place: str
    """Lane and number of the batch."""
    now: datetime


async def decide(
    arrivals: Arrived, faults: Faults, grounds: Grounds, loaded: Loaded | None = None
) -> tuple[Folded[Rows], RowMaker]:
    """Fold until nothing is missing, or the rounds are used up.

    One command alone is not asked for ever: after its rounds it may ask no more, and fails.
    `loaded` takes what is read, for whoever wants to know it afterwards.
    """
    loaded, now = Loaded() if loaded is None else loaded, grounds.now
    for _, arrival in arrivals:
        if isinstance(arrival, Arrival) and not arrival.is_fact:
            made = partial(grounds.loader.vault.key_of_bytes, arrival.delivery.body)
            loaded.keyring.offer(own_bytes(arrival.digest), made)
    rounds, rows = Rounds(), Made()
    for round_number in range(ROUNDS_MAX + FAULT_ROUNDS):
        maker = loaded.maker(grounds.loader.vault, grounds.place, now, rows)
        parking = Parking(grounds.place, grounds.waiting)
        last = round_number >= ROUNDS_MAX
        view = View(loaded.documents, may_ask=not last or len(arrivals) > 1)
        folded = fold(
            arrivals, view, grounds.rulebook, now, maker,
            parking=parking, faults=faults, rounds=rounds,
        )  # fmt: skip
        if not folded.missing or (last and len(arrivals) > 1):
            return folded, maker
        subjects = {("keys", unattributed(now)), *_senders(arrivals)}
        await grounds.loader.read(folded.missing | subjects, loaded)
    raise AssertionError("a fold that may not ask does not ask")


def _senders(arrivals: Arrived) -> set[tuple[str, str]]:
    """Data keys that are needed for nearly every batch, so that they come in the first round."""
    return {("keys", a.user) for _, a in arrivals if isinstance(a, Arrival)}
