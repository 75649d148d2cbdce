"""The kinds of message: what a command, a query and an event are before they say anything."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar, Final, Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict

from contracts.taxonomy import USER_PREFIX

Role = Literal[
    "owner", "aggregator", "fsp", "mpp", "mo", "so", "special", "verifier", "operator", "front-desk"
]
"""What a user does in the market.

`owner` of assets, `aggregator`, `fsp` (flexibility service provider), `mpp` (marketplace platform),
`mo` (market operator), `so` (system operator), `special` (regulator, investor, third party),
`verifier` (trusted source), `operator` (runs the backbone).
`front-desk` is the shared account through which one registers before having an account.
Source: the requirement's table of actors.
"""

ROLES: Final = frozenset(get_args(Role))
MARKET: Final = ROLES - {"operator", "front-desk"}
"""Roles of those who take part in the market, not in running the backbone."""
EVERYBODY: Final = MARKET | {"operator"}
"""Roles of whoever may have an account of its own."""
SELF_ASSERTED: Final = frozenset({"owner", "aggregator", "fsp", "mpp", "special"})
"""Roles that a registration may claim for itself; the others are granted by an operator."""

Outcome = Literal["accepted", "rejected", "held"]

TYPE_PATTERN: Final = re.compile(r"^(?P<name>[a-z]+(\.[a-z]+(-[a-z]+)*)+)\.v(?P<major>[1-9]\d*)$")


class Contract(BaseModel):
    """A frozen value of the published language; unknown fields are refused by name."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True
    )


class Message(Contract):
    """What may travel as the `data` of an envelope under a type of its own."""

    message_type: ClassVar[str] = ""

    def __init_subclass__(cls, **_: Any) -> None:
        """Leave the keywords to pydantic's own hook, which runs when the fields are known."""
        super().__init_subclass__()

    @classmethod
    def __pydantic_init_subclass__(cls, *, type: str = "", **kwargs: Any) -> None:  # noqa: A002  the field's word
        super().__pydantic_init_subclass__(**kwargs)
        if type:
            split_type(type)
            cls.message_type = type


class Request(Message):
    """A message that wants an answer: who may send it, and what acceptance answers."""

    senders: ClassVar[frozenset[str]] = frozenset()
    accepted: ClassVar[type[Contract]] = Contract
    for_another: ClassVar[bool] = False
    """Whether `onbehalfof` has a meaning on it."""
    addressed: ClassVar[str] = ""
    """Name of the field with the users whom it is for; they may ask its senders for agreements."""
    older: ClassVar["type[Request] | None"] = None
    """The major before, where both are taken."""
    after_retiring: ClassVar[bool] = False
    """Whether a user who has retired may still send it."""
    takes_aliases: ClassVar[bool] = False
    """Whether it may name an alias; any other is told the survivor."""
    by_reference: ClassVar[bool] = False
    """Whether its data may be an object of the sender's, named in `dataref`."""

    @classmethod
    def __pydantic_init_subclass__(
        cls,
        *,
        senders: frozenset[str] | set[str] = frozenset(),
        accepted: type[Contract] = Contract,
        for_another: bool = False,
        addressed: str = "",
        older: "type[Request] | None" = None,
        **kwargs: Any,
    ) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if older is not None and not _follows(cls, older):
            raise TypeError(
                f"{cls.__name__}: expected the major after {older.message_type!r} of the same "
                f"operation, got {cls.message_type!r}"
            )
        if unknown := set(senders) - ROLES:
            raise TypeError(
                f"{cls.__name__}: expected senders out of {sorted(ROLES)}, got {unknown}"
            )
        if senders:
            cls.senders = frozenset(senders)
            cls.accepted = accepted
            cls.for_another = for_another
            cls.addressed = addressed
            cls.older = older

    @property
    def addressees(self) -> tuple[str, ...]:
        """The users whom it is for, where the contract says which field names them."""
        named = getattr(self, self.addressed) if self.addressed else ()
        return (named,) if isinstance(named, str) else tuple(named or ())

    def upgrade(self) -> "Request":
        """The same wish in the major that comes after; in the newest one, itself."""
        return self

    def current(self) -> "Request":
        """The same wish in the newest major, which is the one that a handler knows."""
        newer = self.upgrade()
        return self if newer is self else newer.current()

    @classmethod
    def answered(cls, reply: Contract) -> Contract:
        """The reply in this major, made from that of the major after: its fields, as they are."""
        fields = cls.accepted.model_fields.keys()
        return cls.accepted(**{name: value for name, value in reply if name in fields})

    @classmethod
    def field_here(cls, path: str) -> str:
        """What a field of the major after is called in this one; finding and sender agree then."""
        return path


class Command(Request):
    """A wish to change state, decided once."""


class Query(Request):
    """A question that changes nothing."""


class Event(Message):
    """A fact about one entity; thin: the change's names, not its values."""

    parties: Mapping[str, str] | None = None
    """Whom the entity itself named at that moment, by relation; never on a personal event."""
    is_apart: ClassVar[bool] = False
    """Whether its consequences need not wait for those of other facts about the same entity."""

    @property
    def entity(self) -> str:
        """Id of what it is about."""
        return str(self.id)  # type: ignore[attr-defined]  # every event is about one entity

    @classmethod
    def __pydantic_init_subclass__(cls, *, apart: bool = False, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.is_apart = apart


def split_type(message_type: str) -> tuple[str, str, int]:
    """Split `asset.register.v1` into register, verb and major: `("asset", "register", 1)`.

    Raises ValueError for anything that is not `<register>.<verb>.v<major>`.
    """
    match = TYPE_PATTERN.fullmatch(message_type)
    if match is None:
        raise ValueError(
            f"expected a type of the form <register>.<verb>.v<major>, got {message_type!r}"
        )
    register, _, verb = match["name"].partition(".")
    return register, verb, int(match["major"])


@lru_cache(maxsize=1024)
def operation_of(message_type: str) -> str:
    """The operation, whatever the major: `asset.register.v1` -> `asset.register`."""
    register, verb, _ = split_type(message_type)
    return f"{register}.{verb}"


def _follows(newer: type[Request], older: type[Request]) -> bool:
    """Whether one is of the same operation with a higher major."""
    same = operation_of(newer.message_type) == operation_of(older.message_type)
    return same and split_type(newer.message_type)[2] > split_type(older.message_type)[2]


MessageT = TypeVar("MessageT", bound=Message)


def known(kind: type[MessageT]) -> Mapping[str, type[MessageT]]:
    """Type -> contract of every message of a kind that the loaded contracts define."""
    found: dict[str, type[MessageT]] = {}
    for one in kind.__subclasses__():
        found |= ({one.message_type: one} if one.message_type else {}) | dict(known(one))
    return found


BELONGS: Final[Mapping[str, str]] = {
    "access": "notices",
    "account": "users",
    "agreement": "users",
    "area": "assets",
    "interface": "notices",
    "mandate": "users",
    "object": "assets",
    "sharing": "users",
    "interest": "users",
    "change": "users",
    "dead": "notices",
    "channel": "notices",
    "portfolio": "assets",
    "directory": "users",
    "event": "notices",
    "subscription": "notices",
    "taxonomy": "assets",
    "shard": "users",
    "duplicates": "assets",
    "allocation": "assets",
}
"""Prefixes of types that are no register of their own -> the register that decides them."""


def register_of(prefix: str) -> str:
    """The register's plural name from a type's prefix: `asset` -> `assets`."""
    return BELONGS.get(prefix) or f"{prefix}s"


def register_of_entity(entity: str) -> str:
    """The collection that holds an id, by its form.

    `USR-…` -> `users`, a name in small letters -> `agreements`, any other -> `assets`.
    """
    if entity[:1].islower():
        return "agreements"
    return register_of("user" if entity.startswith(f"{USER_PREFIX}-") else "asset")


def reply_type(request_type: str, outcome: Outcome) -> str:
    """`asset.register.v1`, accepted -> `asset.register.accepted.v1`."""
    register, verb, major = split_type(request_type)
    return f"{register}.{verb}.{outcome}.v{major}"


def check_type(command_type: str) -> str:
    """The dry run of a command: `asset.register.v1` -> `asset.register.check.v1`."""
    register, verb, major = split_type(command_type)
    return f"{register}.{verb}.check.v{major}"
