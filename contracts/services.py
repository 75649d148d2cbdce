"""What an asset offers for one service: how much, how fast, and in which hours."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contracts.messages import Contract
from contracts.values import Date, Kilowatt, KilowattHour, KilowattPerMinute, Seconds

ServiceCode = Annotated[
    str,
    Field(
        pattern=r"^[A-Z][A-Z0-9-]{0,15}$",
        description="Short code of a service, such as DC or DFS: capitals, digits and hyphens.",
        examples=["DFS"],
    ),
]
Day = Literal["mo", "tu", "we", "th", "fr", "sa", "su"]
Hour = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["17:00"])]
HourOrMidnight = Annotated[
    str, Field(pattern=r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", examples=["19:00"])
]


class Window(Contract):
    """Hours of some days of the week, in UTC; half-open, and what goes over midnight is two."""

    days: Annotated[tuple[Day, ...], Field(min_length=1, max_length=7)]
    from_time: Hour
    until_time: HourOrMidnight
    """The first minute that does not belong to it; `24:00` is the end of the day."""

    @model_validator(mode="after")
    def _ends_later(self) -> Self:
        if self.until_time <= self.from_time:
            raise ValueError("until_time after from_time; over midnight, two windows")
        return self


class ServiceOffer(Contract):
    """What the asset offers for one service; no quantity is negative, the name has the direction.

    Whose tie is for this service alone writes this and no other service's.
    """

    power_up_kw: Kilowatt | None = None
    """More generation or less consumption."""
    power_down_kw: Kilowatt | None = None
    """Less generation or more consumption."""
    energy_kwh: KilowattHour | None = None
    ramp_kw_per_min: KilowattPerMinute | None = None
    response_s: Seconds | None = None
    duration_s: Seconds | None = None
    from_on: Date | None = None
    """First day on which it is available."""
    until_on: Date | None = None
    """Last day on which it is available."""
    available: Annotated[tuple[Window, ...], Field(max_length=20)] | None = None
    """In which hours; absent: at any time."""
