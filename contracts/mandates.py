"""The language of mandates: who may act for whom, and for which time."""

from datetime import datetime
from typing import Self

from pydantic import StrictBool, model_validator

from contracts.messages import MARKET, Command, Contract, Event
from contracts.values import AnyUserId, Timestamp, UserId


class Mandate(Contract):
    """One time for which a user may act for another; the time is half-open."""

    from_time: Timestamp
    until: Timestamp | None = None
    """When it ends; absent where no end is known."""
    provisional: StrictBool = False
    """Made by a registration on behalf, and not confirmed by the user yet."""


class MandateState(Contract):
    """What a delegate may do for a user from now on."""

    id: UserId
    """The user for whom is acted."""
    delegate: UserId
    revision: int
    """Of what is recorded between the two."""
    mandates: tuple[Mandate, ...]
    """All that are not over."""


class GiveMandate(Command, type="mandate.give.v1", senders=MARKET, accepted=MandateState):
    """Let another user act for you: for your own record and for the assets that you own.

    It confirms what a platform has provisionally since it registered you.
    A delegate cannot pass the mandate on. The time is half-open and begins now at the earliest.
    The same mandate again is accepted and changes nothing.
    Errors: `mandate.party-unknown`, `tie.period`, `tie.too-many`.
    Source: U1, A1a of the requirement.
    """

    delegate: UserId
    from_time: Timestamp | None = None
    """When it begins; absent or in the past: now."""
    until: Timestamp | None = None
    """The moment from which it holds no more; absent: until it is ended."""


class EndMandate(Command, type="mandate.end.v1", senders=MARKET, accepted=MandateState):
    """End a mandate that you gave (`delegate`), or give back one that you have (`user`).

    A provisional one ends like any other. What was stays on record with its time.
    A mandate that is over already is accepted and changes nothing.
    Errors: `mandate.none`.
    Source: U1, A1a of the requirement.
    """

    delegate: UserId | None = None
    """Who acts for you."""
    user: UserId | None = None
    """For whom you act."""
    until: Timestamp | None = None
    """The moment from which it holds no more; absent or in the past: now."""

    @model_validator(mode="after")
    def _one_side(self) -> Self:
        if (self.delegate is None) == (self.user is None):
            raise ValueError("either delegate or user")
        return self


class MandateGiven(Event, type="mandate.given.v1"):
    """A user lets another act for it."""

    id: UserId
    """The user for whom is acted."""
    by: AnyUserId
    delegate: UserId
    from_time: datetime
    until: datetime | None = None
    changed: tuple[str, ...] = ("relations",)
    """The group of which this tells: only parties who may read it are told, and the delegate."""


class MandateEnded(Event, type="mandate.ended.v1"):
    """A user lets another act for it no more, or only until a time."""

    id: UserId
    """The user for whom was acted."""
    by: AnyUserId
    delegate: UserId
    until: datetime
    changed: tuple[str, ...] = ("relations",)
    """The group of which this tells: only parties who may read it are told, and the delegate."""
