"""What is written down of an operation, so that every kind of case can be tried of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from handlers.decision import Document
from handlers.edges import recorded
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, issued, user_document

Documents = Sequence[tuple[str, Document]]
"""Documents with the collection of each."""

NOBODY: Final = issued("USR", 9000)
"""The id of no user."""
NOTHING: Final = issued("BAT", 9000)
"""The id of no asset."""
OPERATOR: Final = "operator"
ABSENT: Final = object()
"""In the place of a value: the field is left out."""


@dataclass(frozen=True, slots=True)
class Because:
    """Why a kind of case does not apply to an operation; for counterparties, in one sentence."""

    reason: str


@dataclass(frozen=True, slots=True)
class Said:
    """A command that is accepted before, so that what it writes is there."""

    type: str
    data: Mapping[str, Any]
    sender: str = PLATFORM
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Otherwise:
    """What differs from what is right; whatever is not named stays as it is."""

    data: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the data; ABSENT leaves one out."""
    given: Documents = ()
    """Documents besides, or in the place of those with the same key."""
    first: Sequence[Said] = ()
    """What was said before, besides."""
    sender: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Attributes of the envelope."""
    at: str = ""
    """The field that the finding names, where that is none of those that differ."""
    unchecked: str = ""
    """Why the check finds nothing wrong where the command is rejected."""


SAME: Final = Otherwise()


@dataclass(frozen=True, slots=True)
class Operation:
    """One type: what is right to send, and what makes it wrong.

    That the role is wrong, that the check says the same, and the codes of values are tried of every
    operation, and need nothing here.
    """

    type: str
    data: Mapping[str, Any]
    """What is right to send."""
    rejected: Mapping[str, Otherwise]
    """Of each code of the handler's own, what makes that one come, and no other."""
    unknown: str | Because
    """The code for a user, asset or text that there is not: its case in `rejected` names one."""
    hidden: Otherwise | Because
    """Who sends it that may not know of what it is about: it is answered as for what is unknown."""
    may_not: str | Because
    """The code for a sender who may see what it is about and may not do this to it."""
    sender: str = PLATFORM
    given: Documents = ()
    """Documents that it needs, besides the users of `users`."""
    first: Sequence[Said] = ()
    """What was said before on them."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    events: tuple[str, ...] = ()
    """Types of the events that acceptance makes."""
    again: Otherwise | Because = SAME
    """What is sent after it that changes nothing: the same, or Because it changes something."""


QUERY: Final = Because("A query changes nothing.")
OWN: Final = Because("It is about the sender's own and names nothing else.")
NO_ID: Final = Because("It names nothing that there may or may not be.")
PUBLIC: Final = Because("Everybody may know of it.")
OPERATORS: Final = Because("Only operators may send it, and they see everything.")
EVERY_SENDER: Final = Because("Whoever may see it may do it.")
PARTY: Final = Because("A party is named by its id, whether the sender may see it or not.")
CURSOR: Final[Mapping[str, Otherwise]] = {"cursor.foreign": Otherwise({"cursor": "any~where"})}


def users() -> Documents:
    """Two platforms that have nothing to do with each other, and an owner; all are confirmed."""
    return tuple(
        ("users", document)
        for document in (
            confirmed(PLATFORM),
            confirmed(STRANGER, name="Stranger Ltd"),
            confirmed(OWNER, roles=["owner"]),
        )
    )


def confirmed(user: str, **changes: Any) -> dict[str, Any]:
    """A user who may send whatever its roles allow."""
    return user_document(user, **{"status": "confirmed"} | changes)


def tied(entity: str, party: str, relation: str, **more: Any) -> tuple[str, Document]:
    """What holds between an entity and a party, from now on and without end."""
    tie = {"as": relation, "from": NOW, "until": None, **more}
    return "relations", recorded(entity, party, [tie])


def crowded(entity: str, party: str, relation: str, **more: Any) -> tuple[str, Document]:
    """As many ties between the two as are kept, all of them over."""
    tie = {"as": relation, "from": NOW, "until": NOW, **more}
    return "relations", recorded(entity, party, [tie] * 1000)
