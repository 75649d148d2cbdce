"""What an error of the driver means: another was first, an outage, or a refusal."""

import re
from typing import Any, Final

from bson.errors import BSONError
from pymongo.errors import (
    BulkWriteError,
    ConnectionFailure,
    DocumentTooLarge,
    DuplicateKeyError,
    InvalidOperation,
    OperationFailure,
    PyMongoError,
    WTimeoutError,
)

from workers.store.protocol import Conflict, Refused, StoreError, Unavailable

UNKNOWN_COMMIT: Final = "UnknownTransactionCommitResult"
_TRANSIENT: Final = "TransientTransactionError"

_CONFLICTS: Final = frozenset(
    {
        24,  # LockTimeout
        112,  # WriteConflict
        225,  # TransactionTooOld
        246,  # SnapshotUnavailable
        251,  # NoSuchTransaction: aborted by the server, for instance at a step-down
        11000,  # DuplicateKey
    }
)

# Not the fault of what the commit holds: bisecting a batch for these would dead-letter all of it.
_OUTAGES: Final = frozenset({
    6, 7, 89,  # HostUnreachable, HostNotFound, NetworkTimeout
    13, 18, 391,  # Unauthorized, AuthenticationFailed, ReauthenticationRequired
    50, 64, 262,  # MaxTimeMSExpired, WriteConcernFailed, ExceededTimeLimit
    91, 189, 11600, 11602,  # shutting down, stepping down, interrupted by either
    10107, 13435, 13436,  # not primary
    133, 134, 150,  # no shard primary, majority not yet there, stale epoch
    14031,  # OutOfDiskSpace
})  # fmt: skip


def translated(error: BaseException) -> StoreError | None:
    """Say an error of the driver in the store's words; `None` where it is not the driver's."""
    if isinstance(error, TimeoutError):
        return Unavailable(_outage("no answer in time"))
    if isinstance(error, BSONError | DocumentTooLarge):
        return Refused(_refusal(error))
    if not isinstance(error, PyMongoError):
        return None
    codes = _codes(error)
    if _is_outage(error, codes):
        return Unavailable(_outage(f"{type(error).__name__}: {_brief(error)}"))
    if isinstance(error, DuplicateKeyError) or codes & _CONFLICTS:
        return Conflict(_conflict(codes))
    if error.has_error_label(_TRANSIENT):
        return Conflict(_conflict(codes))
    return Refused(_refusal(error))


def _is_outage(error: PyMongoError, codes: frozenset[int]) -> bool:
    # A closed client raises InvalidOperation: that is a shutdown, not a fault of the batch.
    if isinstance(error, ConnectionFailure | WTimeoutError | InvalidOperation) or error.timeout:
        return True
    return bool(codes & _OUTAGES) or error.has_error_label(UNKNOWN_COMMIT)


def _codes(error: PyMongoError) -> frozenset[int]:
    if not isinstance(error, OperationFailure):
        return frozenset()
    codes = {error.code}
    if isinstance(error, BulkWriteError):
        details: dict[str, Any] = dict(error.details or {})
        failed = [*details.get("writeErrors", ()), *details.get("writeConcernErrors", ())]
        codes = {entry.get("code") for entry in failed}
    return frozenset(code for code in codes if code is not None)


def _brief(error: BaseException) -> str:
    # The driver appends its whole view of the topology, which is noise in a log line.
    return str(error).partition(", Timeout:")[0][:300]


def _outage(got: str) -> str:
    return (
        f"Expected MongoDB's answer, got {got}. Whether a commit took effect is not known: "
        f"pause, then acquire the lane again; check that the database runs and has a primary."
    )


def away(error: BaseException) -> str:
    """For whoever sits at a terminal and asked something."""
    said = re.sub(r" \(configured timeouts: [^)]*\)", "", _brief(error))
    return (
        f"expected MongoDB's answer, got {type(error).__name__}: {said}. Does it run, and is "
        "FLEXSPINE_MONGO_URL right? `flexspine up` starts all of it on one machine."
    )


def _conflict(codes: frozenset[int]) -> str:
    return (
        f"Expected to be the only writer of these documents, got codes {sorted(codes)}: "
        f"another commit was first; load and fold again."
    )


def _refusal(error: BaseException) -> str:
    # Server messages of refusals may quote document values, so only the code is repeated.
    code = getattr(error, "code", None)
    return (
        f"Expected MongoDB to take the commit, got {type(error).__name__} (code {code}): "
        f"bisect the batch; the fault is in one message."
    )
