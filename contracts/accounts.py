"""The language of broker accounts: how a user makes, rotates and ends its own."""

from typing import ClassVar, Literal

from contracts.messages import EVERYBODY, Command, Contract, Event
from contracts.users import KeyHash
from contracts.values import AccountName, AnyUserId, UserId


class AccountState(Contract):
    """What an account is by now."""

    id: UserId
    """The user whose account it is."""
    account: AccountName
    state: Literal["active", "ended"]
    revision: int


class SetAccount(Command, type="account.set.v1", senders=EVERYBODY, accepted=AccountState):
    """Make a broker account of yours, or give one a new key; an operator may for any user.

    `<user>/bulk` publishes to the exchange for bulk loads, every other account to that for
    ordinary commands; what else they may do is the same. The broker takes the new key some
    moments after the answer; connections that the old one has opened stay open.
    With the hash that the account has already nothing changes.
    Errors: `account.not-yours`, `account.too-many`, `user.not-active`, `user.not-found`, the rules
    of a name.
    Source: U1 of the requirement; ADR 0006.
    """

    account: AccountName
    key_hash: KeyHash


class EndAccount(Command, type="account.end.v1", senders=EVERYBODY, accepted=AccountState):
    """End a broker account of yours: its connections are closed and its key is no longer taken.

    The user's queues and its other accounts stay. An operator may for any user, and for an alias.
    Errors: `account.not-yours`, `account.not-found`, the rules of a name.
    Source: ADR 0006.
    """

    takes_aliases: ClassVar[bool] = True
    account: AccountName


class AccountChanged(Event, type="account.changed.v1"):
    """A user has a new account, or one has a new key."""

    id: UserId
    """The user whose account it is."""
    account: AccountName
    revision: int
    """Of the account; 1 is a new one."""
    by: AnyUserId


class AccountEnded(Event, type="account.ended.v1"):
    """A user has an account less."""

    id: UserId
    """The user whose account it was."""
    account: AccountName
    revision: int
    by: AnyUserId
