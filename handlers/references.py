"""Which object a command names in the place of its data."""

from collections.abc import Iterator
from typing import Final

from contracts.objects import OBJECT_URN
from handlers.admission import Arrival

OBJECTS: Final = "objects"
"""Collection: of each object what is known of it, and of each user which objects it keeps."""


def object_id(user: str, digest: str) -> str:
    """The id of a user's object; another user's of the same content is another one."""
    return f"{user}/{digest}"


def refers(arrival: Arrival) -> bool:
    """Whether a command names an object in the place of its data."""
    header = arrival.header
    return arrival.message is None and header is not None and header.dataref is not None


def reference_of(arrival: Arrival) -> str:
    """The id of that object, which is its sender's own, whatever the reference says."""
    named = (arrival.header.dataref if arrival.header is not None else None) or ""
    return object_id(arrival.user, named.removeprefix(OBJECT_URN))


def reference_reads(arrival: Arrival) -> Iterator[tuple[str, str]]:
    """The object that a command names."""
    if refers(arrival):
        yield OBJECTS, reference_of(arrival)
