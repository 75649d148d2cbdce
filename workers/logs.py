"""What is logged and how: one structured line an event, and never a value of somebody's data."""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

FRAMES_MAX: Final = 8
DRIVERS: Final = ("aiormq", "aio_pika", "pymongo", "httpx", "opentelemetry")
QUIET: Final = ("opentelemetry.util.re", "urllib3")
"""Whose warnings quote a header or an address with all that is in it: they are not logged.

The settings say what is wrong with the headers, `collector.lost` what is with the address.
"""


def configure(*, json: bool) -> None:
    """Set up both loggers: ours as they are written, the drivers' warnings in the same form."""
    render: Any = (
        structlog.processors.JSONRenderer()
        if json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            without_values,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    for name in DRIVERS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.WARNING)
        logger.handlers = [_Forwarding(logging.WARNING)]
        logger.propagate = False
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def without_values(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Say of an exception its type and where it was raised: its text may quote a message."""
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given
    if isinstance(error, BaseException):
        frames = traceback.extract_tb(error.__traceback__)[-FRAMES_MAX:]
        event["exception"] = type(error).__qualname__
        event["at"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return event


class _Forwarding(logging.Handler):
    """A driver's record as a line of ours, without its stack."""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the type of an exception; drivers log one for every lost connection."""
        error = record.exc_info[1] if record.exc_info else None
        structlog.get_logger().warning(
            "driver", logger=record.name, said=record.getMessage()[:200], exception=_name(error)
        )


def _name(error: BaseException | None) -> str | None:
    return type(error).__qualname__ if error is not None else None
