"""The language of erasure: a user's data is destroyed, and what stays is that there was a user."""

from datetime import datetime
from typing import ClassVar, Literal

from contracts.messages import EVERYBODY, Command, Contract, Event
from contracts.users import UserStatus
from contracts.values import AnyUserId, UserId


class ErasureState(Contract):
    """How far an erasure is."""

    id: UserId
    status: UserStatus
    revision: int
    erased_at: datetime
    """When the data became unreadable."""
    state: Literal["running", "done"]
    """`running` until what was kept in many rows is taken out of the last of them; then
    `user.erased.v1` is published."""


class EraseUser(
    Command,
    type="user.erase.v1",
    senders=EVERYBODY,
    accepted=ErasureState,
):  # fmt: skip
    """Destroy the data of a user who has left; sent by itself or by an operator. Irreversible.

    What is sealed under the user's data key is unreadable from the answer on, in the archive and in
    history too; name, address, claims and all other groups are taken out of the record, and its
    identifiers may be registered anew. The id, its status and who did what when remain. Its aliases
    are the same user, and are erased with it.
    Rows of which there may be many are gone through afterwards: the answer says `running`, and
    `user.erased.v1` is published at the end. Erasing again changes nothing; where the first one got
    stuck it goes on.
    The user itself sends it within a minute of `user.retire.v1`, and has a minute more to read the
    answer; after that its accounts are gone.
    Errors: `user.not-found`, `user.not-yours`, `user.confirm-id`, `user.not-retired`.
    Source: section 8 of the domain: a retired person's data is removed, the id remains.
    """

    after_retiring: ClassVar[bool] = True

    id: UserId
    confirm_id: UserId
    """The same id once more, since there is no way back."""


class UserEraseAsked(Event, type="user.erase-asked.v1", apart=True):
    """A user's data is unreadable; what remains of it in many rows is to be taken out."""

    id: UserId
    by: AnyUserId
    run: int
    """Number of this going-through; a later one ends those before it."""


class UserErased(Event, type="user.erased.v1"):
    """Nothing is left of a user's data."""

    id: UserId
    revision: int
    status: UserStatus
    by: AnyUserId
    erased_at: datetime
