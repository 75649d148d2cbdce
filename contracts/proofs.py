"""The language of an asset's proof: what is attested, what confirms, and what opens it again."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final, Literal

from contracts.assets import AssetStatus
from contracts.confirmation import Verdict
from contracts.messages import Command, Contract, Event
from contracts.patches import Revision
from contracts.services import ServiceCode
from contracts.values import AnyUserId, AssetId, Line, Timestamp

AssetScheme = Literal[
    "identity", "connection", "location", "capability", "technologies", "ownership", "test"
]  # fmt: skip
"""What of an asset is compared with a trusted source.

`test` is a technical test of what the asset offers for one service; it names the service.
"""
SUBJECTS: Final[Mapping[AssetScheme, tuple[str, ...]]] = {
    "identity": ("identity.make", "identity.model", "identity.serial"),
    "connection": ("connection.mpan_import", "connection.mpan_export"),
    "location": ("location.postcode", "location.uprn", "location.point", "location.grid"),
    "capability": (
        "capability.power_kw", "capability.power_up_kw", "capability.power_down_kw",
        "capability.export_max_kw", "capability.import_max_kw", "capability.energy_kwh",
        "capability.ramp_kw_per_min", "capability.response_s", "capability.duration_s",
    ),
    "technologies": ("technologies",),
    "ownership": ("owner",),
    "test": (
        "capability.power_kw", "capability.power_up_kw", "capability.power_down_kw",
        "capability.energy_kwh",
    ),
}  # fmt: skip
"""Scheme -> the fields that are attested with it, for the values that they have; a test attests
what is offered for its service as well."""
SIGNIFICANT: Final = tuple(
    sorted({path for scheme, paths in SUBJECTS.items() if scheme != "test" for path in paths})
)
"""Fields whose change sends what is confirmed back to provisional, whatever it is."""
OFFERED: Final = (
    "power_up_kw", "power_down_kw", "energy_kwh", "ramp_kw_per_min", "response_s", "duration_s",
)  # fmt: skip
"""Fields of what is offered for a service whose change does so for that service."""
OVERALL: Final = "overall"
"""In the place of a service: the asset's data as a whole."""
ANY: Final = "*"

Rules = Mapping[str, tuple[frozenset[AssetScheme], ...]]
_SITE: Final[frozenset[AssetScheme]] = frozenset({"connection", "capability"})
_DEVICE: Final[frozenset[AssetScheme]] = frozenset({"identity", "capability"})
_TESTED: Final[frozenset[AssetScheme]] = frozenset({"capability", "test"})
_METERED: Final[frozenset[AssetScheme]] = frozenset({"connection"})
PROOFS: Final[Mapping[str, Rules]] = {
    OVERALL: {ANY: (_DEVICE, _SITE), "SIT": (_METERED,), "PFL": (), "IFC": ()},
    "DFS": {ANY: (_METERED,)},
    "DC": {ANY: (_DEVICE | _TESTED, _SITE | _TESTED)},
    "DM": {ANY: (_DEVICE | _TESTED, _SITE | _TESTED)},
    "DR": {ANY: (_DEVICE | _TESTED, _SITE | _TESTED)},
    "PR": {ANY: (_SITE,), "EVC": (_SITE, _DEVICE)},
    "SU": {ANY: (_SITE,)},
    ANY: {ANY: (_SITE | _TESTED, _DEVICE | _TESTED)},
}
"""Service -> asset type -> sets of schemes; a match of each of one set confirms the asset for the
service. Without a set nobody's evidence does, and an operator or a buyer decides."""
EXPEDITED: Final[Mapping[str, frozenset[str]]] = {
    "DM": frozenset({"DC"}),
    "DR": frozenset({"DC", "DM"}),
}
"""Service -> others whose test counts for it as well; all other evidence counts for every service,
whoever it was given for."""


def sets_for(asset_type: str, service: str) -> tuple[frozenset[AssetScheme], ...]:
    """Which evidence confirms an asset of a type for a service."""
    rules = PROOFS.get(service, PROOFS[ANY])
    return rules.get(asset_type, rules[ANY])


class ProofState(Contract):
    """What is on record of one verifier on one scheme, and what the asset is by now."""

    id: AssetId
    scheme: AssetScheme
    service: ServiceCode | None = None
    verdict: Verdict
    evidence_at: datetime
    status: AssetStatus
    revision: int
    """Of the asset."""


class AttestAsset(Command, type="asset.attest.v1", senders={"verifier"}, accepted=ProofState):
    """Say what a trusted source says of an asset to which you are related as its verifier.

    A later attestation of the same verifier on the same scheme and service takes the place of the
    one before. It holds for the values that the verifier has looked at, and no more when one of
    them changes. Evidence counts for every service, whichever it was given for; a test counts for
    its own and for those that the table names.
    Where matches complete the proof, an operating asset is confirmed with it, for each such service
    and as a whole. A planned asset can be attested and is not confirmed before it operates.
    The same attestation again is accepted and changes nothing.
    Errors: `asset.not-found` (also where the verifier may not see it), `asset.not-yours`,
    `asset.retired`, `asset.stale`, `evidence.no-value`, `evidence.no-service`,
    `evidence.from-future`.
    Source: A2, A2a, A2b, A2c of the requirement.
    """

    id: AssetId
    expected_revision: Revision
    """The asset's revision that was looked at; where it is not the latest, look again."""
    scheme: AssetScheme
    service: ServiceCode | None = None
    """For which service it was looked at; a `test` must name it."""
    verdict: Verdict
    source: Line
    """What it was compared with, such as an archive and its period; kept sealed."""
    evidence_at: Timestamp
    """When the source said so."""


class ConfirmationState(Contract):
    """What an asset is by now, as a whole and for a service."""

    id: AssetId
    status: AssetStatus
    """Of the data as a whole."""
    service: ServiceCode | None = None
    service_status: AssetStatus | None = None
    revision: int


class ConfirmAsset(
    Command, type="asset.confirm.v1", senders={"operator", "so", "mo"}, accepted=ConfirmationState
):
    """Confirm an operating asset, whatever evidence there is.

    A system or market operator that buys a service from the asset confirms it for that service;
    a backbone operator for any service, and as a whole. What is confirmed for every service that it
    has offers for is confirmed as a whole.
    Confirming what is confirmed changes nothing.
    Errors: `asset.not-found`, `asset.not-yours`, `asset.retired`, `asset.not-operating`,
    `asset.stale`.
    Source: A2, A2b of the requirement.
    """

    id: AssetId
    service: ServiceCode | None = None
    """For which service; absent: as a whole, which a backbone operator may."""
    expected_revision: Revision | None = None


class AssetAttested(Event, type="asset.attested.v1"):
    """A verifier has said what a trusted source says of an asset."""

    id: AssetId
    revision: int
    status: AssetStatus
    by: AnyUserId
    scheme: AssetScheme
    service: ServiceCode | None = None
    verdict: Verdict
    """A mismatch never confirms; who gave the value corrects it, or a buyer decides."""
    changed: tuple[str, ...]
    """The group of which this tells: only parties who may read it are told."""


class AssetConfirmed(Event, type="asset.confirmed.v1"):
    """An asset's data has been validated, for some services or as a whole."""

    id: AssetId
    revision: int
    status: AssetStatus
    by: AnyUserId
    grounds: Literal["evidence", "operator", "buyer"]
    services: tuple[ServiceCode, ...]
    """For which services it is confirmed with this; on a personal event those that you may know."""
    overall: bool
    """Whether it is confirmed as a whole with this."""


class AssetReopened(Event, type="asset.reopened.v1"):
    """What was confirmed of an asset is provisional again, since something significant changed."""

    id: AssetId
    revision: int
    status: AssetStatus
    by: AnyUserId
    services: tuple[ServiceCode, ...]
    """For which services it is confirmed no more; on a personal event those that you may know."""
    overall: bool
    """Whether it is confirmed as a whole no more."""
    because: tuple[str, ...]
    """Names of the significant fields that changed; on a personal event those that you may read."""
