"""The id that a sender gives a message of its own."""

import re
from typing import Annotated, Final

from typing_extensions import TypeAliasType

from contracts.values.rule import Parsed, Rule, published, text_of

_COMMAND_ID: Final = r"[A-Za-z0-9][A-Za-z0-9._:~-]{0,127}"

COMMAND_ID_FORMAT: Final = Rule(
    "command-id.format",
    "This cannot be the id of a message.",
    expected="1 to 128 of A-Z a-z 0-9 . _ : ~ -, the first a letter or digit",
    advice="Use a new UUID for every new message, the same one when you send it again.",
)


def _command_id(value: object) -> str:
    text = text_of(value)
    if not re.fullmatch(_COMMAND_ID, text):
        raise COMMAND_ID_FORMAT.broken()
    return text


CommandId = TypeAliasType(
    "CommandId",
    Annotated[
        str,
        Parsed(
            _command_id,
            published(
                "The sender's own id of a message: a UUID, or 1 to 128 safe characters.",
                "0b6e7a52-6f0c-4d3c-9f6b-0d3a5a5d2f11",
                given=f"^{_COMMAND_ID}$",
            ),
            {},
        ),
    ],
)
"""The sender's own id of a message; kept as it came."""
