"""Broker accounts as documents: who may have which, and with which key; the broker follows."""

from collections.abc import Iterator
from typing import Final

from contracts.accounts import AccountChanged, AccountEnded, AccountState, EndAccount, SetAccount
from contracts.envelope import Finding
from contracts.users import ENDED_STATUSES
from contracts.values import user_of
from handlers.decision import Accepted, Context, Decision, Document, Drop, Put, Reads, Secret, View
from handlers.rules import Rule, check, finding, reject
from handlers.signature import reads
from handlers.spans import Span

ACCOUNTS_MAX: Final = 10
"""How many accounts a user may have."""
COLLECTION: Final = "accounts"
BULK: Final = "bulk"
"""The own name of the account that publishes bulk loads and nothing else."""


def accounts_of(user: str) -> Span:
    """All accounts of a user; they are fewer than a page."""
    return Span("user", user)


def first_accounts(user: str, key_hash: str) -> list[Document]:
    """What a registration makes: the user's own account and that for bulk loads, with one key."""
    return [_document(name, key_hash, None) for name in (user, f"{user}/{BULK}")]


def _document(account: str, key_hash: str, was: Document | None) -> Document:
    return {
        "_id": account,
        "revision": was["revision"] + 1 if was is not None else 1,
        "user": user_of(account),
        "key_hash": Secret(key_hash),
        "state": "active",
    }


def _account_reads(command: SetAccount | EndAccount, context: Context) -> Reads:
    user = user_of(command.account)
    yield "users", user
    yield COLLECTION, command.account
    yield COLLECTION, accounts_of(user)


@reads(_account_reads)
def set_account(command: SetAccount, view: View, context: Context) -> Decision:
    """Keep the hash of the account's key; the reconciler brings it to the broker.

    Rejects: account.not-yours, user.not-found, user.not-active, account.too-many
    Source: U1, ADR 0006.
    """
    if (rejected := check(SET_RULES, command, view, context)) is not None:
        return rejected
    was = view.get(COLLECTION, command.account)
    user = user_of(command.account)
    if was is not None and was["key_hash"].value == command.key_hash:
        return _accepted(command.account, was["revision"], "active")
    document = _document(command.account, command.key_hash, was)
    changed = AccountChanged(
        id=user, account=command.account, revision=document["revision"], by=context.sender.user
    )
    return _accepted(
        command.account, document["revision"], "active", Put(COLLECTION, document, was), changed
    )


@reads(_account_reads)
def end_account(command: EndAccount, view: View, context: Context) -> Decision:
    """Forget the account; the reconciler takes it from the broker.

    Rejects: account.not-yours, account.not-found
    Source: ADR 0006.
    """
    if findings := tuple(_is_ones_own(command, view, context)):
        return reject(*findings)
    was = view.get(COLLECTION, command.account)
    if was is None:
        return reject(
            finding(
                "account.not-found",
                "account",
                expected="an account that there is",
                got=command.account,
                advice="Check the name; one that was ended is gone.",
            )
        )
    revision = was["revision"] + 1
    ended = AccountEnded(
        id=user_of(command.account),
        account=command.account,
        revision=revision,
        by=context.sender.user,
    )
    return _accepted(command.account, revision, "ended", Drop(COLLECTION, was), ended)


def _accepted(
    account: str,
    revision: int,
    state: str,
    write: Put | Drop | None = None,
    event: AccountChanged | AccountEnded | None = None,
) -> Accepted:
    user = user_of(account)
    return Accepted(
        subject=user,
        keyed_to=user,
        reply=AccountState.model_validate(
            {"id": user, "account": account, "state": state, "revision": revision}
        ),
        writes=(write,) if write is not None else (),
        events=(event,) if event is not None else (),
    )


def _is_ones_own(
    command: SetAccount | EndAccount, view: View, context: Context
) -> Iterator[Finding]:
    """Nobody acts for another here, not even with a mandate: a key is who one is."""
    if context.sender.user != user_of(command.account) and not context.sender.is_operator:
        yield finding(
            "account.not-yours",
            "account",
            expected=f"{context.sender.user}, alone or with a slash and a name behind it",
            got=command.account,
            advice="Name an account of your own; of others' only operators may.",
        )


def _is_of_a_user(command: SetAccount, view: View, context: Context) -> Iterator[Finding]:
    user = view.get("users", user_of(command.account))
    if not context.sender.is_operator:
        return
    if user is None:
        yield finding(
            "user.not-found",
            "account",
            expected="an account of a registered user",
            got=user_of(command.account),
            advice="Check the id.",
        )
    elif user["status"] in ENDED_STATUSES:
        yield finding(
            "user.not-active",
            "account",
            expected="a user who is neither rejected nor retired",
            got=user["status"],
            advice="Who comes back registers anew.",
        )


def _is_one_of_few(command: SetAccount, view: View, context: Context) -> Iterator[Finding]:
    if context.sender.user != user_of(command.account) and not context.sender.is_operator:
        return
    held, _ = view.page(COLLECTION, accounts_of(user_of(command.account)))
    names = {row["_id"] for row in held}
    if command.account not in names and len(names) >= ACCOUNTS_MAX:
        yield finding(
            "account.too-many",
            "account",
            expected=f"at most {ACCOUNTS_MAX} accounts of a user",
            got=len(names),
            advice="End one that is not used any more.",
        )


SET_RULES: Final[tuple[Rule[SetAccount], ...]] = (_is_ones_own, _is_of_a_user, _is_one_of_few)
