"""The channels: a word from one user to another, told without passing through anybody else."""

from collections.abc import Iterator
from typing import Final

from contracts.channels import ADDRESSED, FIRST, ChannelReceived, ChannelState, SendOnChannel
from contracts.envelope import Finding
from contracts.users import ENDED_STATUSES
from handlers.decision import Accepted, Context, Decision, Put, Reads, View
from handlers.entry import sender_of
from handlers.post import Post
from handlers.rules import finding, reject
from handlers.senders import RESERVED
from handlers.signature import reads
from handlers.visibility import own

CHANNELS: Final = "channels"
"""Collection: a document where somebody has addressed somebody."""


def channel(first: str, addressed: str) -> str:
    """Id of the document that says who addressed whom."""
    return f"{first}/{addressed}"


def _send_reads(command: SendOnChannel, context: Context) -> Reads:
    user = context.sender.user
    yield CHANNELS, channel(user, command.to)
    yield CHANNELS, channel(command.to, user)
    yield "sequences", command.to
    if command.to not in RESERVED:
        yield "users", command.to


@reads(_send_reads)
def send_on_channel(command: SendOnChannel, view: View, context: Context) -> Decision:
    """Tell the recipient what the sender says, and nobody else.

    There is no domain event: operators read those. What is kept for telling it again is sealed.
    That the recipient is still there may be read stale.
    Rejects: channel.closed
    Source: U5a.
    """
    if findings := tuple(_closed(command, view, context)):
        return reject(*findings)
    user = context.sender.user
    answered = view.get(CHANNELS, channel(command.to, user)) is not None
    name = channel(command.to, user) if answered else channel(user, command.to)
    opened: tuple[Put, ...] = ()
    if view.get(CHANNELS, name) is None:
        row = {"_id": name, "revision": 1, "opened_at": context.now}
        opened = (Put(CHANNELS, row),)
    post = Post(view, context)
    received = ChannelReceived(id=command.to, by=user, text=command.text)
    post.send(own(command.to, received), ChannelReceived.message_type, command.to)
    return Accepted(
        subject=name,
        keyed_to=user,
        reply=ChannelState(id=name, to=command.to),
        writes=(*opened, *post.writes),
        told=tuple(post.told),
    )


def _closed(command: SendOnChannel, view: View, context: Context) -> Iterator[Finding]:
    """Whom one may not address is no answer to whether it exists; who has left reads nothing."""
    sender = context.sender
    recipient = sender_of(command.to, view)
    pair = (channel(sender.user, command.to), channel(command.to, sender.user))
    is_open = any(view.get(CHANNELS, name) is not None for name in pair)
    may_begin = bool(sender.roles & FIRST) and bool(recipient.roles & ADDRESSED)
    has_left = recipient.status in ENDED_STATUSES
    if command.to == sender.user or has_left or not (is_open or may_begin):
        yield finding(
            "channel.closed",
            "to",
            expected="a user who has addressed you, or whom your roles may address first",
            got=command.to,
            advice="An MO, SO, MPp or operator who takes part may be addressed; they answer and "
            "begin nothing.",
        )
