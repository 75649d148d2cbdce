"""Places: boundaries that are loaded, what is near, and what is larger than a message."""

from base64 import b64encode
from hashlib import sha256
from typing import Any, Final

from handlers.areas import AREAS, CORNERS_MAX, KINDS, KINDS_MAX
from handlers.objects import KEPT_MAX
from handlers.references import OBJECTS
from tests.builders import NOW, PLATFORM
from tests.samples import SAMPLES
from tests.unit.operations.table import (
    ABSENT,
    CURSOR,
    EVERY_SENDER,
    NO_ID,
    OPERATOR,
    OPERATORS,
    OWN,
    QUERY,
    Because,
    Operation,
    Otherwise,
)

LOADED: Final[dict[str, Any]] = dict(SAMPLES["area.load"])


def bounded(ring: Any, **properties: Any) -> Otherwise:
    """The same load with one boundary in place of its own."""
    feature = {
        "type": "Feature",
        "properties": {LOADED["code_property"]: "_A"} | properties,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
    }
    boundaries = {"type": "FeatureCollection", "features": [feature]}
    return Otherwise({"boundaries": boundaries, "crs": "OGC:CRS84"})


SQUARE: Final = [[0, 52], [1, 52], [1, 53], [0, 53], [0, 52]]
SMALL: Final = [[0.1, 52.0], [0.2, 52.0], [0.2, 52.1], [0.1, 52.1], [0.1, 52.0]]
LOAD: Final = Operation(
    "area.load.v1",
    LOADED,
    {
        "area.code": bounded(SQUARE, **{LOADED["code_property"]: ""}),
        "area.outside": bounded([[100, 52], [101, 52], [101, 53], [100, 53], [100, 52]]),
        "area.empty": bounded([[0, 52], [1, 52], [0, 52], [0, 52]]),
        "area.corners": bounded([[0, 52]] * (CORNERS_MAX + 1)),
        "area.kinds": Otherwise(
            given=[
                (AREAS, {"_id": KINDS, "revision": 1, "kinds": [f"k{n}" for n in range(KINDS_MAX)]})
            ]
        ),
    },
    sender=OPERATOR,
    unknown=Because("A kind that there is not is a new one."),
    hidden=OPERATORS,
    may_not=OPERATORS,
    events=("area.loaded.v1",),
)
ASSIGN: Final = Operation(
    "area.assign.v1",
    {},
    {},
    sender=OPERATOR,
    unknown=NO_ID,
    hidden=OPERATORS,
    may_not=OPERATORS,
    again=Because("The places are gone through once more."),
    events=("area.assign-asked.v1",),
)
NEAR: Final = Operation(
    "asset.near.v1",
    {"polygon": {"type": "Polygon", "coordinates": [SMALL]}},
    {
        "near.place": Otherwise({"polygon": ABSENT}),
        "near.polygon": Otherwise({"polygon": {"type": "Polygon", "coordinates": [SQUARE[:4]]}}),
        "near.area-unknown": Otherwise({"polygon": ABSENT, "area": "none/_A"}),
        **CURSOR,
    },
    unknown="near.area-unknown",
    hidden=Because("What one may not see is not found, as what there is not."),
    may_not=EVERY_SENDER,
    again=QUERY,
)
CONTENT: Final = b'{"any": "thing"}'
DIGEST: Final = sha256(CONTENT).hexdigest()
PUT: Final[dict[str, Any]] = {
    "sha256": DIGEST,
    "size": len(CONTENT),
    "chunk": 1,
    "chunks": 1,
    "content": b64encode(CONTENT).decode(),
}
KEPT: Final = {"sha256": "0" * 64, "size": 1, "expires_at": NOW.replace(year=NOW.year + 1)}
OBJECT: Final = Operation(
    "object.put.v1",
    PUT,
    {
        "object.chunk": Otherwise({"chunk": 2}),
        "object.digest": Otherwise({"sha256": "0" * 64}),
        "object.quota": Otherwise(
            given=[(OBJECTS, {"_id": PLATFORM, "revision": 1, "kept": [KEPT] * KEPT_MAX})]
        ),
    },
    unknown=Because("A digest that there is not is a new object."),
    hidden=OWN,
    may_not=OWN,
    events=("object.stored.v1",),
)
OPERATIONS: Final = (LOAD, ASSIGN, NEAR, OBJECT)
