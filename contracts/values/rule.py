"""How a value is parsed, refused and published: what every type of this package is made from."""

import string
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


@dataclass(frozen=True, slots=True)
class Rule:
    """One reason to refuse a value; programs rely on `code`, so it never changes."""

    code: str
    message: str
    expected: str
    advice: str

    def broken(self) -> PydanticCustomError:
        """Make the error to raise; it never repeats the value, which may be personal."""
        context = {"expected": self.expected, "advice": self.advice}
        return PydanticCustomError(self.code, self.message, context)


VALUE_TEXT: Final = Rule(
    "value.text",
    "The value is not text.",
    expected="a JSON string",
    advice="Put the value in quotes: a number loses its leading zeros.",
)


def text_of(value: object) -> str:
    """Take the value if it is text at all."""
    if not isinstance(value, str):
        raise VALUE_TEXT.broken()
    return value


_CAPITALS: Final = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)


def upper(text: str) -> str:
    """Write a code in capitals; `str.upper` would make two letters of a sharp s and let it pass."""
    return text.translate(_CAPITALS)


@dataclass(frozen=True, slots=True)
class Parsed:
    """Marks an annotated type: `parse` makes the normal form out of JSON, or raises a broken rule.

    A plain validator, because a value that has passed `parse` needs no second look.
    `given` is the JSON Schema of what is accepted, `normal` what it adds where we are the sender.
    """

    parse: Callable[[Any], object]
    given: JsonSchemaValue
    normal: JsonSchemaValue
    dump: Callable[[Any], object] | None = None

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Parse with `parse`, and write to JSON with `dump` where JSON has no such type."""
        if self.dump is None:
            return core_schema.no_info_plain_validator_function(self.parse)
        serialization = core_schema.plain_serializer_function_ser_schema(
            self.dump, when_used="json"
        )
        return core_schema.no_info_plain_validator_function(self.parse, serialization=serialization)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Say what is accepted when we read, what is promised when we write."""
        return self.given if handler.mode == "validation" else {**self.given, **self.normal}


def published(
    description: str, *examples: object, given: str | None = None, **more: object
) -> JsonSchemaValue:
    """JSON Schema of a text: `given` is a pattern that is true of all that is accepted."""
    schema: JsonSchemaValue = {
        "type": "string",
        "description": description,
        "examples": list(examples),
        **more,
    }
    return schema if given is None else {**schema, "pattern": given}
