"""How an approval of an edit of a dead letter is rejected."""

from handlers.decision import Rejected
from handlers.rules import finding, reject


def own_edit(key: str) -> Rejected:
    """Say that nobody approves what it has proposed itself."""
    return reject(
        finding(
            "dead.approve-own",
            "id",
            expected="an edit of another operator",
            got=key,
            advice="Let a second operator look at it and approve it.",
        )
    )


def edit_not_found(key: str) -> Rejected:
    """Say that there is no such edit."""
    return reject(
        finding(
            "dead.not-found",
            "id",
            expected="the id of an edit",
            got=key,
            advice="Ask `dead.get.v1` of the letter which it is.",
        )
    )
