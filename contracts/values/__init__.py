"""Values that are parsed once, at the edge, and trusted afterwards; each refusal names its rule."""

from contracts.values.company import AccountNumber, CompanyNumber, Iban, Lei, SortCode, VatNumber
from contracts.values.details import Details
from contracts.values.identity import (
    AccountName,
    AnyUserId,
    AssetId,
    AssetType,
    RecordId,
    UserId,
    compose_id,
    user_of,
)
from contracts.values.message import CommandId
from contracts.values.moment import Date, Timestamp
from contracts.values.network import BmUnit, Eic, GspGroup, MacAddress, Mpan, Mpid, gsp_group
from contracts.values.place import (
    Easting,
    Grid,
    Latitude,
    Longitude,
    Northing,
    Point,
    Postcode,
    Uprn,
)
from contracts.values.placeholder import OrNotGiven, is_placeholder, is_placeholder_key, not_given
from contracts.values.quantity import (
    Amount,
    Kilovolt,
    KilovoltAmpere,
    Kilowatt,
    KilowattHour,
    KilowattPerMinute,
    Pound,
    Seconds,
)
from contracts.values.rule import Rule
from contracts.values.text import Email, Line, Name, Phone

__all__ = [
    "AccountName",
    "AccountNumber",
    "Amount",
    "AnyUserId",
    "AssetId",
    "AssetType",
    "BmUnit",
    "CommandId",
    "CompanyNumber",
    "Date",
    "Details",
    "Easting",
    "Eic",
    "Email",
    "Grid",
    "GspGroup",
    "Iban",
    "Kilovolt",
    "KilovoltAmpere",
    "Kilowatt",
    "KilowattHour",
    "KilowattPerMinute",
    "Latitude",
    "Lei",
    "Line",
    "Longitude",
    "MacAddress",
    "Mpan",
    "Mpid",
    "Name",
    "Northing",
    "OrNotGiven",
    "Phone",
    "Point",
    "Postcode",
    "Pound",
    "RecordId",
    "Rule",
    "Seconds",
    "SortCode",
    "Timestamp",
    "Uprn",
    "UserId",
    "VatNumber",
    "compose_id",
    "gsp_group",
    "is_placeholder",
    "is_placeholder_key",
    "not_given",
    "user_of",
]
