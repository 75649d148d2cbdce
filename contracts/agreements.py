"""The language of agreements: texts that are published, signed by their hash, and taken back."""

from typing import Annotated, Literal, Self

from pydantic import Field, StrictBool, StrictInt, model_validator

from contracts.messages import (
    EVERYBODY,
    MARKET,
    ROLES,
    TYPE_PATTERN,
    Command,
    Contract,
    Event,
    Query,
)
from contracts.values import AnyUserId, Line, Timestamp, UserId

AgreementName = Annotated[
    str,
    Field(
        pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$",
        max_length=60,
        description="An agreement's name, such as `market-terms`; its id for ever.",
    ),
]
Sha256 = Annotated[
    str,
    Field(
        pattern=r"^[0-9a-f]{64}$",
        description="SHA-256 of the text's bytes (of an inline text: its UTF-8), in hexadecimal.",
    ),
]
MessageType = Annotated[
    str,
    Field(
        pattern=TYPE_PATTERN.pattern,
        max_length=200,
        description="A type of message, such as `asset.register.v1`.",
    ),
]
Url = Annotated[str, Field(pattern=r"^https://[^\s\"<>]+$", max_length=500)]
Version = Annotated[StrictInt, Field(ge=1, lt=1_000_000)]
AgreementPlace = Literal["published", "withdrawn"]


class AgreementState(Contract):
    """What an agreement is by now."""

    id: AgreementName
    state: AgreementPlace
    version: int
    sha256: Sha256
    publisher: AnyUserId
    needed_for: tuple[str, ...]
    """Types that are refused to whoever has not signed; every major of the operation counts."""
    revision: int


class PublishAgreement(
    Command, type="agreement.publish.v1", senders={"operator", "mo", "so"}, accepted=AgreementState
):
    """Publish an agreement, or the next version of one; signers are told.

    Whoever published a name publishes its next version; an operator may do it for them.
    An operator's agreement may be needed for what others send, but not to sign, to end what one has
    begun, or to leave. That of an MO or SO may be needed for types that are addressed to somebody,
    and is then needed by those who address its publisher.
    Operators need no agreement, nor does its publisher.
    Publishing what is published already, unchanged, makes no version.
    Errors: `agreement.not-yours`, `agreement.text-hash`, `agreement.not-gateable`,
    `agreement.gate-full`.
    Source: U4 of the requirement.
    """

    id: AgreementName
    title: Line
    sha256: Sha256
    url: Url | None = None
    """Where the text is held; whoever reads it there compares the hash."""
    text: Annotated[str, Field(min_length=1, max_length=32_768)] | None = None
    """The text itself; either this or `url`."""
    needed_for: tuple[MessageType, ...] = Field(default=(), max_length=20)
    """Types of message that need a signature; this list takes the place of the one before."""
    older_stay_good: StrictBool = False
    """Whether signatures of the version before count on; else all have to sign anew."""

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.url is None) == (self.text is None):
            raise ValueError("either url or text")
        return self


class SignatureState(Contract):
    """What a user has signed."""

    id: AgreementName
    user: UserId
    version: int
    """Of the signature that holds; 0 where none does."""
    sha256: Sha256 | None = None
    signed_at: Timestamp | None = None


class SignAgreement(Command, type="agreement.sign.v1", senders=MARKET, accepted=SignatureState):
    """Sign the current version of an agreement, by the hash of the text that you have read.

    Signing what you have signed changes nothing.
    Errors: `agreement.not-found`, `agreement.withdrawn`, `agreement.other-hash`, which says the
    current version and its hash, `tie.too-many`.
    Source: U4 of the requirement.
    """

    id: AgreementName
    sha256: Sha256


class RevokedState(Contract):
    """What holds after something was taken back."""

    id: AgreementName
    state: AgreementPlace
    version: int
    """Of your signature; 0 where none holds."""


class RevokeAgreement(
    Command, type="agreement.revoke.v1", senders=EVERYBODY, accepted=RevokedState
):
    """Take your signature back or, as its publisher or an operator, the agreement itself.

    Of a withdrawn agreement nothing is needed any more; its signatures stay on record.
    What is taken back already stays so, and nobody is told again.
    Errors: `agreement.not-found`, `agreement.not-signed`, `agreement.not-yours`.
    Source: U4 of the requirement.
    """

    id: AgreementName
    what: Literal["signature", "agreement"] = "signature"


class AgreementView(Contract):
    """One version of an agreement."""

    id: AgreementName
    version: int
    title: str
    sha256: Sha256
    url: str | None = None
    text: str | None = None
    published_at: Timestamp
    state: AgreementPlace
    """Of the agreement, whichever version this is."""
    publisher: AnyUserId
    current: int
    """The version that can be signed."""
    good_from: int
    """The oldest version of which a signature is still good."""
    needed_for: tuple[str, ...]
    signed: int | None = None
    """The version of your own signature, 0 without one; absent for whoever cannot sign."""


class GetAgreement(Query, type="agreement.get.v1", senders=ROLES, accepted=AgreementView):
    """Read an agreement with its text or where that is held; without a version the current one.

    Errors: `agreement.not-found`.
    Source: U4 of the requirement.
    """

    id: AgreementName
    version: Version | None = None


class AgreementRow(Contract):
    """An agreement in a list."""

    id: AgreementName
    title: str
    version: int
    sha256: Sha256
    publisher: AnyUserId
    good_from: int
    needed_for: tuple[str, ...]
    signed: int | None = None
    """The version of your own signature, 0 without one; absent for whoever cannot sign."""


class AgreementPage(Contract):
    """Agreements by name."""

    agreements: tuple[AgreementRow, ...]
    cursor: str | None = None
    """Ask with it for the next page; absent on the last one."""


class ListAgreements(Query, type="agreement.list.v1", senders=ROLES, accepted=AgreementPage):
    """Read which agreements there are, for which types they are needed, and what you have signed.

    Errors: `cursor.foreign`.
    Source: U4 of the requirement.
    """

    state: AgreementPlace = "published"
    cursor: Annotated[str, Field(max_length=400)] | None = None


class AgreementPublished(Event, type="agreement.published.v1"):
    """A version of an agreement that nobody has to sign anew for: the first, or a mild one."""

    id: AgreementName
    version: int
    sha256: Sha256
    by: AnyUserId
    needed_for: tuple[str, ...]


class AgreementSuperseded(Event, type="agreement.superseded.v1"):
    """A new version in place of the signed ones: what needed them needs this one signed."""

    id: AgreementName
    version: int
    sha256: Sha256
    by: AnyUserId
    needed_for: tuple[str, ...]


class AgreementSigned(Event, type="agreement.signed.v1"):
    """A user has signed a version; told to the publisher."""

    id: AgreementName
    version: int
    sha256: Sha256
    by: UserId
    publisher: AnyUserId


class AgreementRevoked(Event, type="agreement.revoked.v1"):
    """A user has taken its signature back; told to the publisher."""

    id: AgreementName
    version: int
    by: UserId
    publisher: AnyUserId


class AgreementWithdrawn(Event, type="agreement.withdrawn.v1"):
    """An agreement is needed and signed no more; told to its signers."""

    id: AgreementName
    version: int
    by: AnyUserId
