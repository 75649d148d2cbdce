"""What the backbone says to itself of users' own queues: no user sends or hears it."""

from typing import Literal

from contracts.messages import Event
from contracts.values import AnyUserId


class PersonalLost(Event, type="personal.lost.v1"):
    """A message has left a user's queue unread: its sequence, where it has one, says which."""

    id: AnyUserId
    """The user."""
    queue: Literal["events", "replies"]
    reason: Literal["dropped", "expired", "rejected", "unknown"]
    sequence: int | None = None
