"""What every patch has in common: absent stays, null clears, a placeholder counts as absent."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, StrictInt

from contracts.messages import Contract
from contracts.values import not_given

Revision = Annotated[StrictInt, Field(ge=1, lt=2**53)]
_FORGIVES: Final = BeforeValidator(not_given)


def without_placeholders(value: Any, groups: Mapping[str, type[Contract]]) -> Any:
    """A field that says "not available" is not a wish to clear what is known."""
    if not isinstance(value, dict):
        return value
    given = {n: groups[n] for n in value.keys() & groups.keys() if isinstance(value[n], dict)}
    return value | {n: _told(value[n], group) for n, group in given.items()}


def _told(value: dict[str, Any], group: type[Contract]) -> dict[str, Any]:
    forgiving = {name for name, field in group.model_fields.items() if _FORGIVES in field.metadata}
    return {
        name: inner
        for name, inner in value.items()
        if name not in forgiving or not isinstance(inner, str) or not_given(inner) is not None
    }
