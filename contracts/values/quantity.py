"""Amounts with their unit: decimal inside, plain JSON numbers outside."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated, Final

from typing_extensions import TypeAliasType

from contracts.values.rule import Parsed, Rule

DIGITS_MAX: Final = 15
"""Every decimal number of 15 digits survives the way through a JSON number (IEEE 754 binary64)."""
STEP_MIN: Final = Decimal("0.000001")

QUANTITY_TYPE: Final = Rule(
    "quantity.type",
    "An amount is not a number.",
    expected="a finite JSON number",
    advice="Send the number without quotes and without its unit.",
)
QUANTITY_NEGATIVE: Final = Rule(
    "quantity.negative",
    "An amount is below zero.",
    expected="0 or more",
    advice="Send the size; the field's name says which direction it is.",
)
QUANTITY_PRECISION: Final = Rule(
    "quantity.precision",
    "An amount has more digits than a JSON number carries without loss.",
    expected=f"at most {DIGITS_MAX} significant digits",
    advice="Round the number; nobody measures that precisely.",
)
QUANTITY_RANGE: Final = "quantity.range"


@dataclass(frozen=True, slots=True)
class Measure:
    """Parses amounts of one unit up to the largest that can be meant."""

    unit: str
    largest: Decimal

    @property
    def range_rule(self) -> Rule:
        """What lies beyond `largest` is a slip of unit, not an asset."""
        return Rule(
            QUANTITY_RANGE,
            "An amount is not of a plausible size.",
            expected=f"0, or {STEP_MIN} to {self.largest:f} {self.unit}",
            advice=f"Check the unit: the amount is in {self.unit}.",
        )

    def parse(self, value: object) -> Decimal:
        """Drop trailing zeros and the exponent, so that equal amounts are equal bytes."""
        number = _decimal(value)
        if number < 0:
            raise QUANTITY_NEGATIVE.broken()
        if number == 0:
            return Decimal(0)
        if not STEP_MIN <= number <= self.largest:
            raise self.range_rule.broken()
        return _plain(number)


def _decimal(value: object) -> Decimal:
    """Take a finite number exactly; True is an int in Python and no amount."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise QUANTITY_TYPE.broken()
    try:
        # A float is taken at its shortest spelling, which is what the sender wrote.
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    except (InvalidOperation, ValueError):
        raise QUANTITY_TYPE.broken() from None
    if not number.is_finite():
        raise QUANTITY_TYPE.broken()
    return number


def _plain(number: Decimal) -> Decimal:
    sign, digits, exponent = number.as_tuple()
    spelled = "".join(map(str, digits)).lstrip("0")
    significant = spelled.rstrip("0")
    if len(significant) > DIGITS_MAX:
        raise QUANTITY_PRECISION.broken()
    exponent = int(exponent) + len(spelled) - len(significant)
    whole = significant + "0" * max(exponent, 0)
    return Decimal((sign, tuple(map(int, whole)), min(exponent, 0)))


def _json_number(number: Decimal) -> int | float:
    return int(number) if number == number.to_integral_value() else float(number)


def _parsed(words: str, unit: str, largest: str, example: float) -> Parsed:
    measure = Measure(unit, Decimal(largest))
    described = f"{words} in {unit}, at most {DIGITS_MAX} significant digits."
    schema = {
        "type": "number",
        "description": described,
        "examples": [example],
        "minimum": 0,
        "maximum": int(measure.largest),
    }
    return Parsed(measure.parse, schema, {}, dump=_json_number)


Kilowatt = TypeAliasType("Kilowatt", Annotated[Decimal, _parsed("Power", "kW", "100000000", 49.9)])
"""Power; the whole country draws about 50 million kW."""

KilovoltAmpere = TypeAliasType(
    "KilovoltAmpere", Annotated[Decimal, _parsed("Apparent power", "kVA", "100000000", 52.5)]
)
"""Apparent power, in which connections are rated."""

KilowattHour = TypeAliasType(
    "KilowattHour", Annotated[Decimal, _parsed("Energy", "kWh", "1000000000000", 13.5)]
)
"""Energy; the whole country uses about 300 thousand million kWh a year."""

Kilovolt = TypeAliasType("Kilovolt", Annotated[Decimal, _parsed("Voltage", "kV", "1200", 33)])
"""Voltage; the highest in use anywhere is 1,200 kV."""

Seconds = TypeAliasType("Seconds", Annotated[Decimal, _parsed("Time span", "s", "31622400", 0.5)])
"""A time span up to a leap year."""

KilowattPerMinute = TypeAliasType(
    "KilowattPerMinute", Annotated[Decimal, _parsed("Ramp rate", "kW/min", "6000000000", 600)]
)
"""How fast power changes."""

Pound = TypeAliasType(
    "Pound", Annotated[Decimal, _parsed("Money", "GBP", "1000000000000", 5000000)]
)
"""Pounds sterling."""


def _sum(value: object) -> Decimal:
    number = _decimal(value)
    if number < 0:
        raise QUANTITY_NEGATIVE.broken()
    return number


Amount = TypeAliasType(
    "Amount",
    Annotated[
        Decimal,
        Parsed(
            _sum,
            {
                "type": "number",
                "description": "A sum, exact in the register; 15 digits survive a JSON number.",
                "examples": [1250.5],
                "minimum": 0,
            },
            {},
            dump=_json_number,
        ),
    ],
)
"""A sum of amounts, which may have more digits than each of them."""
