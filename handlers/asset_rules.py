"""What must hold of an asset's document, whether it is being registered or updated."""

import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from contracts.asset_groups import Identity
from contracts.envelope import Finding
from contracts.values import gsp_group, is_placeholder_key
from handlers.asset_types import misfits, type_of, unknown_type
from handlers.decision import Context, Document, Reads, Rejected, View
from handlers.geography import in_gb, in_gb_waters
from handlers.rules import Rule, finding, holder_of, reject
from handlers.visibility import knows

AT_SEA: Final = frozenset({"WND", "TID", "IFC", "OTH"})
"""Asset types that may stand in the waters around Great Britain."""
DEVICE: Final = "make-serial"
PORTFOLIO: Final = "PFL"
"""A portfolio is known by its members, which are assets of their own."""


def device_claim(document: Mapping[str, Any]) -> tuple[str, str] | None:
    """Scheme and value of the claim that make and serial make together, None for placeholders."""
    identity = document.get("identity") or {}
    return device_key(identity.get("make"), identity.get("serial"))


def area_of(document: Mapping[str, Any]) -> str | None:
    """The GSP group in which the asset lies, as far as its connection says."""
    connection = document.get("connection") or {}
    mpan = connection.get("mpan_import") or connection.get("mpan_export")
    return connection.get("gsp_group") or (gsp_group(mpan) if mpan is not None else None)


@lru_cache(maxsize=4096)
def device_key(make: str | None, serial: str | None) -> tuple[str, str] | None:
    """The claim of a make and a serial; asked several times of each, so the answer is kept.

    Case, spaces and punctuation do not tell two devices apart; leading zeros may.
    """
    if not make or not serial or is_placeholder_key(make) or is_placeholder_key(serial):
        return None
    return DEVICE, f"{_folded(make)}|{_folded(serial)}"


def own_claim(document: Document, view: View, context: Context) -> Document | None:
    """The row by which an asset holds its device.

    What counts as a placeholder may have changed since it was registered: then there is none, or
    another asset has it.
    """
    device = device_claim(document)
    held = holder_of(*device, view, context) if device is not None else None
    return held if held is not None and held["holder"] == document["_id"] else None


def device_reads(identity: Identity | None, context: Context) -> Reads:
    """The claim that make and serial would make."""
    device = device_key(identity.make, identity.serial) if identity is not None else None
    if device is not None:
        yield "claims", context.identity.fingerprint(*device)


def asset_unknown(asset: str, field: str = "id") -> Finding:
    """What is said of an asset that the sender may not see, and of one that there is not."""
    return finding(
        "asset.not-found",
        field,
        expected="the id of an asset that you may see",
        got=asset,
        advice="Check the id; ask its registrant or its owner for access.",
    )


def asset_not_found(asset: str, field: str = "id") -> Rejected:
    """The answer where nothing else is to be said."""
    return reject(asset_unknown(asset, field))


def asset_retired(asset: str) -> Rejected:
    """The answer to whoever wants to change what is no more."""
    return reject(
        finding(
            "asset.retired",
            "id",
            expected="an asset that is planned or operating",
            got=asset,
            advice="Read its history; what took its place is an asset of its own.",
        )
    )


def _folded(text: str) -> str:
    compatible = unicodedata.normalize("NFKC", text).casefold()
    return "".join(char for char in compatible if char.isalnum())


def _is_identifiable(document: Document, view: View, context: Context) -> Iterator[Finding]:
    """An id and a capacity alone can never be recognised again."""
    connection, location = document.get("connection", {}), document.get("location", {})
    known = [
        device_claim(document),
        connection.get("mpan_import"),
        connection.get("mpan_export"),
        location.get("uprn"),
        location.get("point"),
        location.get("grid"),
        location.get("postcode"),
    ]
    if not any(known) and document["asset_type"] != PORTFOLIO:
        yield finding(
            "asset.unidentifiable",
            "",
            expected="make with serial, an MPAN, a UPRN, a point, a grid reference, or a postcode",
            advice="Give at least one of them, so that the asset can be told from others.",
        )


def _group_fits_mpan(document: Document, view: View, context: Context) -> Iterator[Finding]:
    connection = document.get("connection", {})
    given = connection.get("gsp_group")
    for name in ("mpan_import", "mpan_export"):
        group = gsp_group(connection[name]) if name in connection else None
        if given is not None and group is not None and group != given:
            yield finding(
                "connection.gsp-group",
                "connection.gsp_group",
                expected=f"{group}, which the first two digits of {name} say",
                got=given,
                advice="Correct the GSP group or the MPAN.",
            )


def _stands_in_gb(document: Document, view: View, context: Context) -> Iterator[Finding]:
    point = document.get("location", {}).get("point")
    if point is None:
        return
    at_sea = document["asset_type"] in AT_SEA
    inside = in_gb_waters if at_sea else in_gb
    if not inside(point["latitude"], point["longitude"]):
        yield finding(
            "location.outside",
            "location.point",
            expected="a point in Great Britain" + (" or its waters" if at_sea else ""),
            got=f"{point['latitude']}, {point['longitude']}",
            advice="Check the order (latitude, longitude) and the sign; WGS84 degrees.",
        )


def _dates_fit_lifecycle(document: Document, view: View, context: Context) -> Iterator[Finding]:
    commissioned = document.get("commissioned_on")
    if document["lifecycle"] == "planned" and commissioned is not None:
        yield finding(
            "lifecycle.dates",
            "commissioned_on",
            expected="no commissioning date for a planned asset",
            got=commissioned,
            advice="Give `expected_on`, or register it as operating.",
        )
    if document["lifecycle"] == "operating" and "expected_on" in document:
        yield finding(
            "lifecycle.dates",
            "expected_on",
            expected="no expected date for an operating asset",
            got=document["expected_on"],
            advice="Give `commissioned_on`, or register it as planned.",
        )


def _types_are_known(document: Document, view: View, context: Context) -> Iterator[Finding]:
    """Types are never taken out, so that this may be read stale."""
    if type_of(document["asset_type"], view) is None:
        yield unknown_type(document["asset_type"], "asset_type")
    for n, technology in enumerate(document.get("technologies", ())):
        code = technology.get("asset_type")
        if code is not None and type_of(code, view) is None:
            yield unknown_type(code, f"technologies.{n}.asset_type")


def _details_fit(document: Document, view: View, context: Context) -> Iterator[Finding]:
    if "details" in document:
        yield from misfits(document["asset_type"], document["details"], view)


def _owner_is_known(document: Document, view: View, context: Context) -> Iterator[Finding]:
    owner = document.get("owner")
    if owner is not None and view.get("users", owner) is None:
        yield finding(
            "asset.owner-unknown",
            "owner",
            expected="the id of a registered user",
            got=owner,
            advice="Register the owner first and use the id of the reply.",
        )


def _device_is_free(document: Document, view: View, context: Context) -> Iterator[Finding]:
    """Whether a stranger holds a claim is decided at registration only: a check is no oracle."""
    device = device_claim(document)
    held = holder_of(*device, view, context) if device is not None else None
    if held is None or held["holder"] == document["_id"]:
        return
    known = knows(context.sender, held)
    if context.dry_run and not known:
        return
    yield finding(
        "asset.duplicate",
        "identity.serial",
        expected="a make and serial that no other asset holds",
        got=f"held by {held['holder']}" if known else "",
        advice="Use the existing asset."
        if known
        else "The device is registered already: ask its owner to relate you to it.",
    )


PLACE_RULES: Final[tuple[Rule[Document], ...]] = (_group_fits_mpan, _stands_in_gb)
"""What an asset's place and connection have to say."""
ASSET_RULES: Final[tuple[Rule[Document], ...]] = (
    _is_identifiable,
    *PLACE_RULES,
    _dates_fit_lifecycle,
)
CLAIM_RULES: Final[tuple[Rule[Document], ...]] = (_device_is_free,)
"""Asked only where nothing else speaks against the command: see register_user."""
TYPED_RULES: Final[Mapping[str, Rule[Document]]] = {
    "technologies": _types_are_known,
    "details": _details_fit,
}
"""Group -> what its type has to say: asked where the group is given, since a schema may be younger
than what was kept by it."""
REGISTRATION_RULES: Final = (*ASSET_RULES, *TYPED_RULES.values(), _owner_is_known)
"""An owner that was known once stays known: an update need not ask again."""
