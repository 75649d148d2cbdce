"""A RabbitMQ node and a MongoDB replica set of one, started and stopped for one folder of data."""

from workers.embedded.errors import EmbeddedError, ServerFailed, ServerMissing
from workers.embedded.running import Running, start

__all__ = ["EmbeddedError", "Running", "ServerFailed", "ServerMissing", "start"]
