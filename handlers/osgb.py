"""From the National Grid (EPSG:27700) to WGS84, in metres right to about five."""

from functools import lru_cache
from typing import Any, Final

import numpy as np
from pyproj import Transformer

PIPELINE: Final = (
    "+proj=pipeline"
    " +step +inv +proj=tmerc +lat_0=49 +lon_0=-2 +k=0.9996012717 +x_0=400000 +y_0=-100000"
    " +ellps=airy"
    " +step +proj=push +v_3"
    " +step +proj=cart +ellps=airy"
    " +step +proj=helmert +x=446.448 +y=-125.157 +z=542.06 +rx=0.1502 +ry=0.247 +rz=0.8421"
    " +s=-20.4894 +convention=position_vector"
    " +step +inv +proj=cart +ellps=WGS84"
    " +step +proj=pop +v_3"
    " +step +proj=unitconvert +xy_in=rad +xy_out=deg"
)
"""The Ordnance Survey's seven parameters for Great Britain as a whole.

Written out, because pyproj left to itself takes the grid of corrections (OSTN15) where a machine
has it: one place would be two, some metres apart, by who decides.
"""


@lru_cache(maxsize=1)
def _transformer() -> Transformer:
    return Transformer.from_pipeline(PIPELINE)


def wgs84(easting: float, northing: float) -> tuple[float, float]:
    """Latitude and longitude in degrees of a position on the National Grid."""
    longitude, latitude = _transformer().transform(easting, northing)
    return latitude, longitude


def degrees(places: Any) -> Any:
    """Longitude and latitude of each row of an array of eastings and northings."""
    return np.column_stack(_transformer().transform(places[:, 0], places[:, 1]))
