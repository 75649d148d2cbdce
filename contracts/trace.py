"""Trace context: which trace a message belongs to, in headers, so that its bytes stay the same."""

import re
from collections.abc import Mapping
from typing import Any, Final

TRACEPARENT: Final = "traceparent"
"""Header with version, trace id, parent id and flags, such as `00-<32 hex>-<16 hex>-01`.

Source: W3C Trace Context, level 1, section 3.2.
"""
TRACESTATE: Final = "tracestate"
"""Header with what vendors add; passed on unread, and only beside a valid `traceparent`."""
TRACESTATE_LENGTH_MAX: Final = 512

Trace = tuple[tuple[str, str], ...]
"""The headers that are passed on, as pairs; empty without a trace."""

TRACEPARENT_FORM: Final = (
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)
"""As a pattern, which is published; zeros and version `ff` are invalid by the standard."""
_PARENT: Final = re.compile(TRACEPARENT_FORM)
_STATE: Final = re.compile(r"[\x20-\x7e]*")


def trace_of(headers: Mapping[str, Any]) -> Trace:
    """The trace context of a message; what is malformed is left out, as the standard says."""
    parent = headers.get(TRACEPARENT)
    if not isinstance(parent, str) or not _PARENT.fullmatch(parent):
        return ()
    state = headers.get(TRACESTATE)
    if (
        not isinstance(state, str)
        or not state
        or len(state) > TRACESTATE_LENGTH_MAX
        or not _STATE.fullmatch(state)
    ):
        return ((TRACEPARENT, parent),)
    return ((TRACEPARENT, parent), (TRACESTATE, state))
