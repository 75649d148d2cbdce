"""What is particular to one type of asset: the fields that the type's own JSON Schema names."""

import json
from collections.abc import Mapping
from typing import Annotated, Any, Final

from typing_extensions import TypeAliasType

from contracts.values.rule import Parsed, Rule

DETAILS_BYTES_MAX: Final = 8192
DEPTH_MAX: Final = 6
DETAILS_FORM: Final = Rule(
    "details.form",
    "The details are no object.",
    expected="a JSON object",
    advice="Give each detail under its name.",
)
DETAILS_SIZE: Final = Rule(
    "details.size",
    "The details are too many, or too deep.",
    expected=f"at most {DETAILS_BYTES_MAX} bytes of JSON, nested {DEPTH_MAX} times at most",
    advice="Give what the type's schema names; where heavier data is held is a signpost's matter.",
)


def _details(value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise DETAILS_FORM.broken()
    if _depth(value) > DEPTH_MAX or len(json.dumps(value)) > DETAILS_BYTES_MAX:
        raise DETAILS_SIZE.broken()
    return dict(value)


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


Details = TypeAliasType(
    "Details",
    Annotated[
        dict[str, Any],
        Parsed(
            _details,
            {
                "type": "object",
                "description": "Fields that the asset's type has of its own; `taxonomy.get.v1` "
                "gives their JSON Schema.",
                "examples": [{"chemistry": "LFP", "usable_kwh": 12.2}],
            },
            {},
        ),
    ],
)
"""What an asset's type has of its own: any JSON, of a limited size."""
