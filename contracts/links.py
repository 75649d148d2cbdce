"""The language of external ids: what others call a user or an asset, and both ways between."""

from typing import Annotated, Final, Literal, Self

from pydantic import Field, StrictBool, model_validator

from contracts.messages import EVERYBODY, Command, Contract, Event, Query
from contracts.values import AnyUserId, AssetId, Name, UserId

TRANSLATED_MAX: Final = 1000
"""How many ids one question may ask for, in both directions together."""
Scheme = Annotated[
    str,
    Field(
        pattern=r"^[a-z][a-z0-9-]{0,39}$",
        description="Which list the id is from, such as `own`, `mpan`, `eic`, `bmu`, `lei`; `own` "
        "is the asserter's own list.",
    ),
]


class ExternalId(Contract):
    """An id that somebody else has given."""

    scheme: Scheme
    value: Name
    """The id as that list writes it; compared as it is."""


class LinkState(Contract):
    """What is recorded of an external id now."""

    id: str
    """The user or asset that it is linked to, or was."""
    scheme: Scheme
    asserter: AnyUserId
    """Who says so: the sender."""
    state: Literal["linked", "unlinked"]
    revision: int


class _LinkId(Command):
    """The part that users and assets have in common."""

    scheme: Scheme
    value: Name
    """The id as that list writes it, kept sealed; compared as it is."""
    replace: StrictBool = False
    """Take it from another user or asset to which you have linked it before."""
    unlink: StrictBool = False
    """Take the link back instead."""

    @model_validator(mode="after")
    def _one_wish(self) -> Self:
        if self.replace and self.unlink:
            raise ValueError("either replace or unlink")
        return self


class LinkUserId(_LinkId, type="user.link-id.v1", senders=EVERYBODY, accepted=LinkState):
    """Record what you call a user, or what another list calls it; only you can translate it.

    An external id of a scheme belongs to one user, by what you assert; others may assert otherwise.
    The same link again changes nothing. The `onbehalfof` of a registration is linked already, under
    the scheme `own`.
    Errors: `user.not-found`, `link.taken`, `link.too-many`, `link.none`.
    Source: U2b of the requirement.
    """

    id: UserId


class LinkAssetId(_LinkId, type="asset.link-id.v1", senders=EVERYBODY, accepted=LinkState):
    """Record what you call an asset, or what another list calls it; only you can translate it.

    An external id of a scheme belongs to one asset, by what you assert; others may assert
    otherwise. The same link again changes nothing.
    Errors: `asset.not-found`, `link.taken`, `link.too-many`, `link.none`.
    Source: U2b of the requirement.
    """

    id: AssetId


class Translated(Contract):
    """What an external id stands for."""

    scheme: Scheme
    value: str
    id: str | None = None
    """Absent: not known."""


class Named(Contract):
    """What a user or an asset is called."""

    id: str
    external: tuple[ExternalId, ...] = ()
    """Empty: not known."""
    survivor: str | None = None
    """Where the id is an alias: of what, and what `external` names then."""


class Translation(Contract):
    """Both ways, each in the order in which it was asked for."""

    external: tuple[Translated, ...] = ()
    ids: tuple[Named, ...] = ()


class _Translate(Query):
    """The part that users and assets have in common."""

    external: Annotated[tuple[ExternalId, ...], Field(max_length=TRANSLATED_MAX)] = ()
    """External ids of which you want ours."""
    scheme: Scheme | None = None
    """Of `ids`: only what this list calls them."""
    asserter: AnyUserId | None = None
    """Whose links; absent: your own. Another than yourself may be named by operators only."""


class TranslateUserIds(
    _Translate, type="user.translate.v1", senders=EVERYBODY, accepted=Translation
):
    """Translate between your ids of users and ours, up to 1,000 at once, both ways.

    What you have not linked is answered as not known, whether there is such a user or not.
    Errors: `link.not-yours`, `link.how-many`.
    Source: U2b of the requirement.
    """

    ids: Annotated[tuple[UserId, ...], Field(max_length=TRANSLATED_MAX)] = ()
    """Ids of ours of which you want the external ones."""


class TranslateAssetIds(
    _Translate, type="asset.translate.v1", senders=EVERYBODY, accepted=Translation
):
    """Translate between your ids of assets and ours, up to 1,000 at once, both ways.

    What you have not linked is answered as not known, whether there is such an asset or not.
    An id, or an external id, of an asset that was merged names its survivor, if you may see that.
    Errors: `link.not-yours`, `link.how-many`.
    Source: U2b of the requirement.
    """

    ids: Annotated[tuple[AssetId, ...], Field(max_length=TRANSLATED_MAX)] = ()
    """Ids of ours of which you want the external ones."""


class UserIdLinked(Event, type="user.id-linked.v1"):
    """What somebody calls a user was recorded; never the external id itself."""

    id: UserId
    by: AnyUserId
    scheme: str
    replaced: str | None = None
    """To what the same external id was linked before."""


class UserIdUnlinked(Event, type="user.id-unlinked.v1"):
    """What somebody called a user is recorded no more."""

    id: UserId
    by: AnyUserId
    scheme: str


class AssetIdLinked(Event, type="asset.id-linked.v1"):
    """What somebody calls an asset was recorded; never the external id itself."""

    id: AssetId
    by: AnyUserId
    scheme: str
    replaced: str | None = None
    """To what the same external id was linked before."""


class AssetIdUnlinked(Event, type="asset.id-unlinked.v1"):
    """What somebody called an asset is recorded no more."""

    id: AssetId
    by: AnyUserId
    scheme: str
