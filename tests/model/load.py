"""What senders send to the model: commands on marks, and what cannot be decided."""

from typing import Any

from handlers.admission import Delivery
from tests.builders import command, delivery, envelope
from tests.model.play import SENDERS, Item
from topology import names


def add(mark: str, name: str, *, queue: int = 0, at: float = 0.0, **more: Any) -> Item:
    """A command that writes its id into the log of a mark; more: note, sender, is_bulk."""
    return _item("mark.add.v1", {"id": mark, "note": more.pop("note", "")}, name, queue, at, **more)


def join(mark: str, into: str, name: str, *, queue: int = 0, at: float = 0.0) -> Item:
    """A command that puts a mark into another."""
    return _item("mark.join.v1", {"id": mark, "into": into}, name, queue, at)


def crash(mark: str, name: str, *, queue: int = 0, at: float = 0.0) -> Item:
    """A command whose handler has a bug."""
    return _item("mark.crash.v1", {"id": mark}, name, queue, at)


def nobody(*, queue: int = 0, at: float = 0.0) -> Item:
    """A message without a sender."""
    content = envelope("mark.add.v1", {"id": "nobody's"})
    return Item(queue, delivery(content, account=None, message_id=f"nobody-{queue}"), at)


def noise(*, queue: int = 0, at: float = 0.0) -> Item:
    """A message that is no JSON."""
    return Item(queue, Delivery(b"no JSON", "mark.add.v1", SENDERS[0], f"noise-{queue}"), at)


def _item(
    kind: str,
    data: dict[str, Any],
    name: str,
    queue: int,
    at: float,
    *,
    sender: int = 0,
    is_bulk: bool = False,
) -> Item:
    user = SENDERS[sender]
    body = command(kind, data, sender=user, id=name).body
    account = names.bulk_account(user) if is_bulk else user
    sent = Delivery(body, kind, account, f"transport-{user}", names.replies_queue(user))
    return Item(queue, sent, at, is_bulk)
