"""The channels' language: what two users say to each other, read by nobody else."""

from typing import Annotated

from pydantic import Field

from contracts.messages import Command, Contract, Event
from contracts.values import AnyUserId

FIRST = frozenset({"owner", "aggregator", "fsp", "mpp"})
"""Roles that may address somebody first."""
ADDRESSED = frozenset({"mo", "so", "mpp", "operator"})
"""Roles that may be addressed by them; they answer, and begin nothing."""


class ChannelState(Contract):
    """What was said is on its way."""

    id: str
    """The channel: who addressed whom."""
    to: AnyUserId


class SendOnChannel(
    Command, type="channel.send.v1", senders=set(FIRST | ADDRESSED), accepted=ChannelState
):
    """Say something to one user, which nobody else reads: no operator, no subscriber.

    An owner, aggregator, FSP or MPp may address an MO, SO, MPp or operator; whoever was addressed
    may answer, and so may both from then on.
    It arrives as the personal event `channel.received.v1`.
    Errors: `channel.closed`.
    Source: U5a of the requirement.
    """

    to: AnyUserId
    text: Annotated[str, Field(min_length=1, max_length=4000)]


class ChannelReceived(Event, type="channel.received.v1"):
    """Another user says something to you; the only event that carries a text."""

    id: AnyUserId
    """The recipient."""
    by: AnyUserId
    """Who says it; answer with `channel.send.v1`."""
    text: str
