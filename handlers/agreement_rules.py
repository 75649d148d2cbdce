"""What may be published: by whom, with which hash, and needed for what."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Final

from contracts.agreements import PublishAgreement
from contracts.envelope import Finding
from contracts.messages import Request, known, operation_of, split_type
from contracts.taxonomy import FRONT_DESK, OPERATOR
from handlers.conditions import CONDITIONS, NEEDED_MAX, needs_of
from handlers.decision import Context, Rejected, View
from handlers.rules import Rule, finding, reject

FREE: Final = "agreement"
"""Prefix of the operations that can never need a signature: by them one signs."""
WAYS_OUT: Final = frozenset(
    {
        "account.end", "account.set", "asset.unrelate", "interest.withdraw", "mandate.end",
        "sharing.revoke", "user.erase", "user.retire",
    }
)  # fmt: skip
"""Operations that cannot need one either: nobody signs to end what it has begun, to change a key
that others know, or to leave."""


def _is_ones_own(command: PublishAgreement, view: View, context: Context) -> Iterator[Finding]:
    head = view.get("agreements", command.id)
    if head is None or head["publisher"] == context.sender.user or context.sender.is_operator:
        return
    yield from not_yours(command.id).findings


def _has_its_hash(command: PublishAgreement, view: View, context: Context) -> Iterator[Finding]:
    if command.text is None:
        return
    found = sha256(command.text.encode(errors="surrogatepass")).hexdigest()
    if found != command.sha256:
        yield finding(
            "agreement.text-hash",
            "sha256",
            expected=f"{found}, the SHA-256 of `text` in UTF-8",
            got=command.sha256,
            advice="Hash the text as it is sent, line ends included.",
        )


def _needs_what_it_may(
    command: PublishAgreement, view: View, context: Context
) -> Iterator[Finding]:
    """An operator's may be needed for what others send, another's for what comes to it."""
    head = view.get("agreements", command.id)
    for_all = head["for_all"] if head is not None else context.sender.is_operator
    for position, name in enumerate(command.needed_for):
        if (wanted := _fault(name, for_all=for_all)) is not None:
            yield finding(
                "agreement.not-gateable",
                f"needed_for.{position}",
                expected=wanted,
                got=name,
                advice="Leave it out, or name a type that others send.",
            )


def _fault(name: str, *, for_all: bool) -> str | None:
    """What a type should be to need an agreement; None where it may."""
    contract = known(Request).get(name)
    if contract is None:
        return "the type of a command or query of the published list"
    if split_type(name)[0] == FREE:
        return "another type than those by which one reads and signs"
    if operation_of(name) in WAYS_OUT:
        return "another type than those by which one ends, or leaves, what is one's own"
    if not contract.senders - {OPERATOR, FRONT_DESK}:
        return "a type that others than operators send"
    if not for_all and not contract.addressed:
        return "a type that is addressed to you; only an operator's agreement is needed for others"
    return None


def _leaves_room(command: PublishAgreement, view: View, context: Context) -> Iterator[Finding]:
    for position, name in enumerate(command.needed_for):
        needs = needs_of(view.get(CONDITIONS, operation_of(name)))
        if len([need for need in needs if need["name"] != command.id]) >= NEEDED_MAX:
            yield finding(
                "agreement.gate-full",
                f"needed_for.{position}",
                expected=f"a type that needs fewer than {NEEDED_MAX} agreements",
                got=name,
                advice="Withdraw one that is not needed any more, or publish one text for several.",
            )


PUBLICATION_RULES: Final[tuple[Rule[PublishAgreement], ...]] = (
    _is_ones_own,
    _has_its_hash,
    _needs_what_it_may,
    _leaves_room,
)


def not_yours(name: str) -> Rejected:
    """The answer to who would change another's agreement."""
    return reject(
        finding(
            "agreement.not-yours",
            "id",
            expected="an agreement that you have published, or a name that is free",
            got=name,
            advice="Choose another name, or let its publisher or an operator send this.",
        )
    )


def not_found(name: str) -> Rejected:
    """The answer to who names an agreement that there is not."""
    return reject(
        finding(
            "agreement.not-found",
            "id",
            expected="the name of an agreement, and a version that was published",
            got=name,
            advice="Take it from the answer to `agreement.list.v1`.",
        )
    )
