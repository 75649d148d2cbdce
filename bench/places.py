"""Where the rivals of the spine work: their queues, their exchange, and the servers' addresses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

EVENTS: Final = "bench.events"
"""Topic exchange to which a rival publishes both its outputs."""
OUTPUTS: Final = "bench.outputs"
"""The queue that gets all of them."""
QUEUES: Final[Mapping[str, str]] = {"bare": "bench.bare", "naive": "bench.naive"}
"""The queue of commands of each rival."""


@dataclass(frozen=True, slots=True)
class Servers:
    """What a rival is told: an administrator's address, and its database."""

    amqp_url: str
    mongo_url: str
    database: str
