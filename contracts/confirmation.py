"""The language of confirming: what a verifier attests, and what an operator decides."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from contracts.messages import Command, Contract, Event
from contracts.patches import Revision
from contracts.users import UserStanding, UserStatus
from contracts.values import AnyUserId, Line, Timestamp, UserId

Scheme = Literal[
    "company_number", "vat_number", "lei", "eic", "mpid", "address", "identity"
]  # fmt: skip
"""What is compared with a trusted source.

An identifier is attested as that of the user's name; `identity` is the name alone, and `address`
where the user is to be found.
"""
Verdict = Literal["match", "mismatch", "unknown"]
"""Whether the source says the same; `unknown` where it says nothing."""
RejectionReason = Literal["identity", "duplicate", "incomplete", "conduct", "other"]
"""Why a registration is rejected, in a word that may be told to everybody concerned."""


class ConfirmUser(Command, type="user.confirm.v1", senders={"operator"}, accepted=UserStanding):
    """Confirm a provisional user, whatever evidence there is.

    With `expected_revision` nothing is confirmed that its sender has not seen.
    Confirming a user who is confirmed changes nothing.
    Errors: `user.not-found`, `user.not-provisional`, `user.stale`.
    Source: the states of a user, on the page of the user register.
    """

    id: UserId
    expected_revision: Revision | None = None
    """The revision that was looked at; where it is not the latest, look again."""


class RejectUser(Command, type="user.reject.v1", senders={"operator"}, accepted=UserStanding):
    """Reject a provisional user: it takes no part, and its identifiers are free for others.

    Its accounts and its queues are removed. Rejecting a user who is rejected changes nothing.
    Errors: `user.not-found`, `user.not-provisional`.
    Source: the states of a user, on the page of the user register.
    """

    id: UserId
    reason: RejectionReason
    """Told to the user and to whoever acts for it."""
    note: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    """In the operator's own words; kept sealed and told to nobody."""


class EvidenceState(Contract):
    """What is on record of one verifier on one scheme, and what the user is by now."""

    id: UserId
    scheme: Scheme
    verdict: Verdict
    evidence_at: datetime
    status: UserStatus
    revision: int
    """Of the user."""


class AttestUser(Command, type="user.attest.v1", senders={"verifier"}, accepted=EvidenceState):
    """Say what a trusted source says of a user: an organisation that is provisional or confirmed.

    A later attestation of the same verifier on the same scheme takes the place of the one before.
    It holds for the value that the verifier has looked at, and no more when that changes.
    Where every role of a provisional user is proven by matches, and no verifier says otherwise, the
    user is confirmed with it. The same attestation again is accepted and changes nothing.
    Errors: `user.not-found` (also where the verifier may not see it), `user.not-yours`,
    `user.stale`, `evidence.no-value`, `evidence.from-future`.
    Source: U1, U2 of the requirement.
    """

    id: UserId
    expected_revision: Revision
    """The user's revision that was looked at; where it is not the latest, look again."""
    scheme: Scheme
    verdict: Verdict
    source: Line
    """What it was compared with, such as a register and its issue; kept sealed."""
    evidence_at: Timestamp
    """When the source said so."""


Grounds = Literal["evidence", "operator"]


class UserConfirmed(Event, type="user.confirmed.v1"):
    """A user's registration has been validated."""

    id: UserId
    revision: int
    status: UserStatus
    by: AnyUserId
    """Who confirmed, or whose message completed the evidence."""
    grounds: Grounds
    """Whether evidence has confirmed it, or an operator."""


class UserRejected(Event, type="user.rejected.v1"):
    """A user's registration is rejected; its accounts and queues are removed."""

    id: UserId
    revision: int
    status: UserStatus
    by: AnyUserId
    reason: RejectionReason


class UserAttested(Event, type="user.attested.v1"):
    """A verifier has said what a trusted source says of a user."""

    id: UserId
    revision: int
    status: UserStatus
    by: AnyUserId
    scheme: Scheme
    verdict: Verdict
    """A mismatch never confirms; the user corrects its record, or an operator decides."""
    changed: tuple[str, ...]
    """The group of which this tells: only parties who may read it are told."""
