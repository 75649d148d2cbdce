"""What goes with a user who ends: its aliases are the same user, and have accounts and claims."""

from collections.abc import Iterator, Sequence

from contracts.accounts import AccountEnded
from handlers.accounts import COLLECTION, accounts_of
from handlers.decision import Context, Document, Drop, Put, View
from handlers.leaving import ended_accounts
from handlers.merging import MERGES


def aliases_of(user: Document) -> Sequence[str]:
    """The ids that stand for a user besides its own."""
    aliases: Sequence[str] = user.get("aliases", ())
    return aliases


def released_by_aliases(user: Document, view: View) -> Iterator[Drop]:
    """Give back what a user holds by its aliases, and is none of its own record."""
    aliases = aliases_of(user)
    view.require((MERGES, one) for one in aliases)
    records = [row for one in aliases if (row := view.get(MERGES, one)) is not None]
    names = [name for record in records for name in record["claims"]]
    view.require(("claims", name) for name in names)
    for name in names:
        held = view.get("claims", name)
        if held is not None and held["holder"] == user["_id"]:
            yield Drop("claims", held)


def aliases_out(
    user: Document, view: View, context: Context
) -> tuple[tuple[Put, ...], tuple[AccountEnded, ...]]:
    """End the accounts of the aliases of a user who leaves; there is nothing new to read in them.

    The broker follows by what is told of each.
    """
    aliases = aliases_of(user)
    view.require((COLLECTION, accounts_of(one)) for one in aliases)
    writes = tuple(put for one in aliases for put in ended_accounts(one, view))
    events = tuple(
        AccountEnded(
            id=put.document["user"],
            account=put.document["_id"],
            revision=put.document["revision"],
            by=context.sender.user,
        )
        for put in writes
        if put.was is not None and put.was["state"] != "ended"
    )
    return writes, events
