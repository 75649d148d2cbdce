"""What the fields of a contract can be refused for: each value by the rules of its type."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from types import UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator
from typing_extensions import TypeAliasType

from contracts.messages import Contract
from contracts.values import not_given
from contracts.values.rule import Parsed
from tests.codes.reach import codes_of

KEY: Final = "{}"
"""Step to the keys of a mapping."""
FIRST: Final = "[]"
"""Step to the entries of a list."""
_FORGIVES: Final = BeforeValidator(not_given)
NO_TEXT: Final = frozenset({"value.text"})
"""What the keys of a mapping cannot be refused for: in JSON they are text."""
FORGIVEN: Final = frozenset({"text.empty"})
"""What is read as not given where a placeholder is, so that no value is refused for it."""


@dataclass(frozen=True, slots=True)
class Field:
    """A place in the data where a value is parsed by rules of its own."""

    steps: tuple[str, ...]
    codes: frozenset[str]

    def __str__(self) -> str:
        return ".".join(self.steps).replace(f".{FIRST}", FIRST).replace(f".{KEY}", KEY)

    @property
    def path(self) -> str:
        """What a finding on its first entry calls it."""
        return ".".join(("data", *("0" if step == FIRST else step for step in self.steps)))


def fields(contract: type[Contract]) -> tuple[Field, ...]:
    """All such places of a contract, in the order of its fields."""
    return tuple(_of_model(contract, ()))


def paths(contract: type[Contract]) -> frozenset[str]:
    """Every path of two steps, which may look like a code and is none."""
    return frozenset(".".join(steps[:2]) for steps in _all(contract) if len(steps) > 1)


def _all(contract: type[BaseModel], before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, field in contract.model_fields.items():
        yield (*before, name)
        for inner in _models(field.annotation):
            yield from _all(inner, (*before, name))


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _of_model(contract: type[BaseModel], before: tuple[str, ...]) -> Iterator[Field]:
    for name, field in contract.model_fields.items():
        forgiven = FORGIVEN if _FORGIVES in field.metadata else frozenset()
        for one in _of(field.annotation, (*before, name)):
            yield replace(one, codes=one.codes - forgiven)


def _of(annotation: Any, steps: tuple[str, ...]) -> Iterator[Field]:
    """What is parsed in a value of this type."""
    if isinstance(annotation, TypeAliasType):
        yield from _of(annotation.__value__, steps)
        return
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield from _of_model(annotation, steps)
        return
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from (Field(steps, codes_of(p.parse)) for p in inner[1:] if isinstance(p, Parsed))
        yield from _of(inner[0], steps)
    elif origin in {Union, UnionType}:
        for one in inner:
            yield from _of(one, steps)
    elif origin is dict:
        keys = _of(inner[0], (*steps, KEY))
        yield from (replace(one, codes=one.codes - NO_TEXT) for one in keys)
        yield from _of(inner[1], (*steps, KEY))
    elif origin is tuple:
        for position, one in enumerate(inner):
            step = FIRST if position == 0 else str(position)
            yield from _of(one, (*steps, step))
