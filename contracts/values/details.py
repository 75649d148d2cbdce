"""What is particular to one type of asset: the fields that the type's own JSON Schema names."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field, JsonValue

from contracts.values.rule import Rule

DETAILS_BYTES_MAX: Final = 8192
DEPTH_MAX: Final = 6
DETAILS_SIZE: Final = Rule(
    "details.size",
    "The details are too many, or too deep.",
    expected=f"at most {DETAILS_BYTES_MAX} bytes of JSON, nested {DEPTH_MAX} times at most",
    advice="Give what the type's schema names; where heavier data is held is a signpost's matter.",
)


def _sized(value: Any) -> Any:
    """What is no object at all is refused by its type, like any other field."""
    if isinstance(value, Mapping) and (
        _depth(value) > DEPTH_MAX or len(json.dumps(value)) > DETAILS_BYTES_MAX
    ):
        raise DETAILS_SIZE.broken()
    return value


def _depth(value: Any) -> int:
    """How deep it is; a loop, since what is sent may be deeper than Python likes to call."""
    depth, level = 0, [value]
    while level and depth <= DEPTH_MAX:
        depth += 1
        level = [
            inner
            for outer in level
            if isinstance(outer, Mapping | list)
            for inner in (outer.values() if isinstance(outer, Mapping) else outer)
        ]
    return depth


Details = Annotated[
    dict[str, JsonValue],
    BeforeValidator(_sized),
    Field(
        description="Fields that the asset's type has of its own; `taxonomy.get.v1` gives their "
        "JSON Schema.",
        examples=[{"chemistry": "LFP", "usable_kwh": 12.2}],
    ),
]
