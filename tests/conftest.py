"""The fixtures that every folder of tests may ask for."""

from tests.servers import servers

__all__ = ["servers"]
