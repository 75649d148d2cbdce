"""Data of every type that the backbone takes, with nothing wrong in it: the role alone decides."""

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

from contracts.messages import split_type
from tests.builders import OWNER, asset, issued, user

THIRD: Final = issued("USR", 6000)
"""A user whom nothing else is about."""
BATTERY: Final = issued("BAT", 4000)
PORTFOLIO: Final = issued("PFL", 4500)
OTHER_BATTERY: Final = issued("BAT", 4100)
CASE: Final = f"CASE-{'0' * 32}"
KEY_HASH: Final = "A" * 48

SAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "account.end": {"account": f"{THIRD}/night"},
    "account.set": {"account": f"{THIRD}/night", "key_hash": KEY_HASH},
    "agreement.get": {"id": "market-terms"},
    "agreement.list": {},
    "agreement.publish": {
        "id": "market-terms",
        "title": "Terms of the market",
        "sha256": "0" * 64,
        "url": "https://example.com/terms",
    },
    "agreement.revoke": {"id": "market-terms"},
    "agreement.sign": {"id": "market-terms", "sha256": "0" * 64},
    "asset.consent": {"id": BATTERY, "party": THIRD, "method": "signature"},
    "asset.commission": {"id": BATTERY, "commissioned_on": "2026-02-28"},
    "area.assign": {},
    "area.load": {
        "kind": "gsp-group",
        "edition": "2026",
        "crs": "OGC:CRS84",
        "code_property": "code",
        "boundaries": {
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "properties": {"code": "_A"},
                    "geometry": {
                        "type": "Polygon",
                        "coordinates": [[[0, 52], [1, 52], [1, 53], [0, 52]]],
                    },
                }
            ],
        },
    },
    "asset.attest": {
        "id": BATTERY,
        "expected_revision": 1,
        "scheme": "identity",
        "verdict": "match",
        "source": "An archive",
        "evidence_at": "2026-02-28T12:00:00Z",
    },
    "asset.confirm": {"id": BATTERY, "service": "DC"},
    "asset.get": {"id": BATTERY},
    "asset.get.v2": {"ids": [BATTERY]},
    "asset.list": {},
    "asset.history": {"id": BATTERY},
    "asset.link-id": {"id": BATTERY, "scheme": "own", "value": "B-1"},
    "asset.move": {"id": BATTERY, "location": {"postcode": "M1 1AA"}},
    "asset.near": {"point": {"latitude": 52.3, "longitude": 0.1}, "radius_m": 1000},
    "asset.refresh": {"id": BATTERY, "groups": ["capability"]},
    "asset.register": asset(),
    "asset.relate": {"id": BATTERY, "party": THIRD, "relation": "fsp"},
    "asset.representation": {"id": BATTERY},
    "asset.retire": {"id": BATTERY, "reason": "decommissioned"},
    "asset.transfer": {"id": BATTERY, "owner": THIRD},
    "asset.translate": {"ids": [BATTERY]},
    "asset.unrelate": {"id": BATTERY, "party": THIRD, "relation": "fsp"},
    "asset.update": {"id": BATTERY, "name": "Two"},
    "asset.withdraw-consent": {"id": BATTERY, "party": THIRD},
    "channel.send": {"to": THIRD, "text": "Good morning."},
    "change.acknowledge": {"id": OWNER, "revision": 1},
    "change.pending": {},
    "directory.rebuild": {},
    "directory.search": {"text": "example"},
    "event.replay": {"from_sequence": 1},
    "interest.answer": {"id": THIRD, "answer": "accepted"},
    "interest.express": {"to": [THIRD]},
    "interest.list": {"side": "expressed"},
    "interest.withdraw": {"to": THIRD},
    "interface.announce": {
        "id": "notice.close.v1",
        "change": "deprecated",
        "effective": "2030-01-01T00:00:00Z",
        "text": "Use notice.close.v2.",
    },
    "dead.approve": {"id": "0123456789abcdef" * 2, "why": "Looked at both."},
    "dead.edit": {
        "id": "20261129T170000000-0123456789abcdef0123456789abcdef",
        "data": {"asset_type": "BAT"},
        "why": "The sender has asked for it.",
    },
    "dead.discard": {"which": {"reason": "poisoned"}, "why": "A bug that is mended."},
    "dead.get": {"id": "20261129T170000000-0123456789abcdef0123456789abcdef"},
    "dead.groups": {"which": {"state": "open"}},
    "dead.list": {"which": {"state": "open"}},
    "dead.note": {
        "id": "20261129T170000000-0123456789abcdef0123456789abcdef",
        "note": "Asked the sender.",
    },
    "dead.replay": {"which": {"reason": "poisoned"}, "why": "The bug is mended."},
    "shard.list": {"id": "assets"},
    "shard.merge": {"id": "assets", "shards": [1], "into": 0},
    "shard.move": {"id": "assets", "cells": "_A.*.7", "to": 0},
    "shard.split": {"id": "assets", "shard": 0, "into": [0, 1]},
    "mandate.end": {"delegate": THIRD},
    "mandate.give": {"delegate": THIRD},
    "notice.broadcast": {
        "polygon": {
            "type": "Polygon",
            "coordinates": [[[-2.1, 52.0], [-2.0, 52.0], [-2.0, 52.1], [-2.1, 52.1], [-2.1, 52.0]]],
        },
        "text": "Works in the street.",
    },
    "notice.close": {"id": "any"},
    "notice.close.v2": {"ids": ["any"]},
    "notice.list": {},
    "portfolio.add": {"id": PORTFOLIO, "members": [BATTERY]},
    "portfolio.duplicates": {"id": PORTFOLIO},
    "portfolio.members": {"id": PORTFOLIO},
    "portfolio.remove": {"id": PORTFOLIO, "members": [BATTERY]},
    "object.put": {
        "sha256": sha256(b"{}").hexdigest(),
        "size": 2,
        "chunk": 1,
        "chunks": 1,
        "content": b64encode(b"{}").decode(),
    },
    "sharing.grant": {"party": THIRD, "groups": ["contacts"]},
    "sharing.list": {},
    "sharing.revoke": {"party": THIRD},
    "subscription.set": {"broadcasts": True},
    "taxonomy.define": {"id": "EVB", "words": "electric bus"},
    "taxonomy.get": {"id": "BAT"},
    "taxonomy.list": {},
    "user.attest": {
        "id": OWNER,
        "expected_revision": 1,
        "scheme": "identity",
        "verdict": "match",
        "source": "A register",
        "evidence_at": "2026-02-28T12:00:00Z",
    },
    "user.confirm": {"id": OWNER},
    "user.erase": {"id": OWNER, "confirm_id": OWNER},
    "user.get": {"id": OWNER},
    "user.grant-role": {"id": OWNER, "roles": ["fsp"]},
    "user.history": {"id": OWNER},
    "user.link-id": {"id": OWNER, "scheme": "own", "value": "7"},
    "user.register": user(),
    "user.reinstate": {"id": OWNER},
    "user.reject": {"id": OWNER, "reason": "identity"},
    "user.requirements": {"role": "fsp"},
    "user.retire": {"id": OWNER},
    "user.suspend": {"id": OWNER, "reason": "request"},
    "user.translate": {"ids": [OWNER]},
    "user.update": {"id": OWNER, "name": "Two"},
    "allocation.check": {"id": BATTERY},
    "duplicates.assign": {"id": CASE, "to": "operator"},
    "duplicates.dismiss": {"id": CASE, "reason": "same-place"},
    "duplicates.get": {"id": CASE},
    "duplicates.list": {},
    "duplicates.merge": {"id": BATTERY, "other": OTHER_BATTERY},
    "duplicates.part-of": {"id": PORTFOLIO, "case": CASE},
    "duplicates.split": {"id": BATTERY, "other": OTHER_BATTERY},
    "duplicates.open": {
        "pairs": [{"id": BATTERY, "other": OTHER_BATTERY, "verdict": "unsure", "score": 0.7}],
        "model": "analysis-1",
    },
}
"""What is right of its kind to send, so that only who sends it can be wrong; of a higher major than
the first under that, too."""


def sample(message_type: str) -> Mapping[str, Any]:
    """What is right to send under a type or its check."""
    register, verb, major = split_type(message_type)
    name = f"{register}.{verb.removesuffix('.check')}"
    return SAMPLES.get(f"{name}.v{major}") or SAMPLES[name]
