"""Where an asset is measured, and where heavier data of it is held."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contracts.agreements import Url
from contracts.messages import Contract
from contracts.values import AnyUserId, Date, Line, Mpan, Seconds


class MeasurementPoint(Contract):
    """One place where energy of the asset is measured: at the boundary, or by a meter behind it."""

    mpan: Mpan | None = None
    """Of a boundary meter; several assets may be behind one."""
    meter: Line | None = None
    """Of a sub-meter or a device's own: its serial number or other mark; either this or `mpan`."""
    measures: Literal["import", "export", "net", "both"]
    """Energy into the asset or site, out of it, their difference, or each on a register of its own.
    """
    scope: Literal["asset", "part", "site"]
    """Whether it measures this asset alone, only a part of it, or others with it."""
    interval_s: Seconds | None = None
    """How long its readings are apart."""
    installed_on: Date | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.mpan is None) == (self.meter is None):
            raise ValueError("either mpan or meter")
        return self


class Signpost(Contract):
    """Where data of the asset is held that is too heavy for the register, and whom to ask."""

    what: Line
    """Such as `half-hourly readings since 2024`."""
    holder: AnyUserId | None = None
    """The registered user who has it; one writes to it with `channel.send.v1`."""
    url: Url | None = None
    contact: Line | None = None
    """Whom to ask, where the holder is no user."""

    @model_validator(mode="after")
    def _leads_somewhere(self) -> Self:
        if self.holder is None and self.url is None and self.contact is None:
            raise ValueError("holder, url or contact")
        return self


MeasurementPoints = Annotated[tuple[MeasurementPoint, ...], Field(max_length=20)]
Signposts = Annotated[tuple[Signpost, ...], Field(max_length=20)]
