"""What must hold of a user's record, whether it is being registered or changed."""

from collections.abc import Iterable, Iterator

from contracts.envelope import Finding
from contracts.taxonomy import FRONT_DESK
from contracts.users import UserDuplicateAttempted
from handlers.claiming import holders, taken
from handlers.decision import Context, Document, Rejected, View
from handlers.rules import attempted, finding, reject


def unclaimed(
    user: Document, roles: Iterable[str], view: View, context: Context
) -> Rejected | None:
    """A record that claims what is another's; its holder is told.

    Asked only where nothing else is wrong: told beside other faults, it would be an oracle that
    costs nothing.
    """
    findings = tuple(taken(user, view, context))
    if not findings:
        return None
    held = [claimed for _, claimed in holders(user, view, context)]
    return attempted(reject(*findings), held, UserDuplicateAttempted, roles, context)


def unreachable(user: Document) -> Iterator[Finding]:
    """A contact whom nobody can reach is none."""
    for position, contact in enumerate(user.get("contacts") or ()):
        if contact.get("email") is None and contact.get("phone") is None:
            yield finding(
                "user.unreachable",
                f"contacts.{position}",
                expected="an email or a phone number",
                advice="Give at least one way to reach this contact.",
            )


def unnamed(user: Document) -> Iterator[Finding]:
    """Bank details without the account's name, which a patch of some of them may leave."""
    bank = user.get("bank")
    if bank and not bank.get("account_name"):
        yield finding(
            "field.missing",
            "bank.account_name",
            expected="a value",
            advice="Give it with the first of the bank details; null for `bank` clears them all.",
        )


def reserved(roles: Iterable[str], field: str) -> Iterator[Finding]:
    """The backbone's own role is nobody's to ask for, or to grant."""
    if FRONT_DESK in roles:
        yield finding(
            "user.role-reserved",
            field,
            expected="roles of the market",
            got=FRONT_DESK,
            advice="Leave `front-desk` out; it is the backbone's own account.",
        )


def user_not_found(user: str, field: str = "id") -> Rejected:
    """The answer for a user whom the sender may not see, and for one that there is not."""
    return reject(
        finding(
            "user.not-found",
            field,
            expected="the id of a user that you may see",
            got=user,
            advice="Check the id; ask its platform or an operator for access.",
        )
    )


def user_not_yours(user: str) -> Rejected:
    """The answer to who may see a user and may not do to it what it alone or an operator may."""
    return reject(
        finding(
            "user.not-yours",
            "id",
            expected="your own id",
            got=user,
            advice="Let the user itself or an operator send this.",
        )
    )


def not_active(user: Document, expected: str = "provisional or confirmed") -> Rejected:
    """The answer where a user takes no part, or takes none at the moment."""
    return reject(
        finding(
            "user.not-active",
            "id",
            expected=f"a user who is {expected}",
            got=user["status"],
            advice="End its suspension first; who was rejected or is retired registers anew.",
        )
    )
