"""The seam between the store and its MongoDB driver: Motor, or PyMongo's own async client."""

import inspect
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, cast

from bson.raw_bson import RawBSONDocument
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.command_cursor import AsyncCommandCursor
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

DURABLE = WriteConcern("majority", j=True)

# In a transaction: one point in time for all predicates, on a sharded cluster too.
SNAPSHOT = ReadConcern("snapshot")

Client = AsyncMongoClient[RawBSONDocument]


class Driver(StrEnum):
    """Which driver speaks to MongoDB; the store makes only calls that both understand."""

    MOTOR = "motor"
    PYMONGO = "pymongo"


def connect(url: str, driver: Driver, select_ms: int, timeout_ms: int) -> Client:
    """Make a client; it connects at its first call, and no call takes longer than told."""
    options: dict[str, Any] = {
        "w": "majority",
        "journal": True,
        "retryWrites": True,
        # A duplicate is acknowledged on what was read: were that rolled back in a fail-over, an
        # acknowledged command would be lost, and no predicate would notice.
        "readConcernLevel": "majority",
        "tz_aware": True,
        "serverSelectionTimeoutMS": select_ms,
        "connectTimeoutMS": select_ms,
        "timeoutMS": timeout_ms,
        "document_class": RawBSONDocument,
        "appname": "flexspine",
    }
    if driver is Driver.PYMONGO:
        return AsyncMongoClient(url, **options)
    # Motor mirrors the same API call by call; the differences are the functions below.
    return cast("Client", AsyncIOMotorClient(url, **options))


async def start_session(client: Client, *, snapshot: bool = False) -> AsyncClientSession:
    """Open a session, perhaps one whose reads are all of one moment.

    A coroutine in Motor, a plain call in PyMongo.
    """
    opened: Any = client.start_session(snapshot=snapshot)
    return cast("AsyncClientSession", await opened if inspect.isawaitable(opened) else opened)


async def start_transaction(session: AsyncClientSession) -> None:
    """Begin a durable transaction: a plain call in Motor, a coroutine in PyMongo."""
    begun: Any = session.start_transaction(read_concern=SNAPSHOT, write_concern=DURABLE)
    if inspect.isawaitable(begun):
        await begun


async def aggregate(
    collection: AsyncCollection[RawBSONDocument],
    pipeline: Sequence[Mapping[str, Any]],
    batch: int | None = None,
) -> AsyncCommandCursor[RawBSONDocument]:
    """Run a pipeline, so many documents a batch: a plain call in Motor, a coroutine in PyMongo."""
    sizes: dict[str, Any] = {} if batch is None else {"batchSize": batch}
    running: Any = collection.aggregate(pipeline, **sizes)
    found = await running if inspect.isawaitable(running) else running
    return cast("AsyncCommandCursor[RawBSONDocument]", found)


async def close(client: Client) -> None:
    """Close the client: a plain call in Motor, a coroutine in PyMongo."""
    closing: Any = client.close()
    if inspect.isawaitable(closing):
        await closing
