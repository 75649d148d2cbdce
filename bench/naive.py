"""The naive rival: what a competent user writes from the manuals of the same libraries.

One FastStream handler, one transaction per message (inbox, look-up of a duplicate, state, outbox)
and a relay that polls.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from bson import ObjectId
from faststream.rabbit import (
    Channel,
    ExchangeType,
    QueueType,
    RabbitBroker,
    RabbitExchange,
    RabbitQueue,
)
from motor.motor_asyncio import AsyncIOMotorClient
from pydantic import BaseModel, Field

from bench.places import EVENTS, QUEUES, Servers

PREFETCH: Final = 64
POLL_S: Final = 0.02
PAGE: Final = 100
EXCHANGE: Final = RabbitExchange(EVENTS, type=ExchangeType.TOPIC, durable=True)


class Identity(BaseModel):
    """Who made the device, and its number."""

    make: str
    serial: str = Field(min_length=3)


class Connection(BaseModel):
    """The meter point."""

    mpan_export: str = Field(pattern=r"^\d{13}$")


class Point(BaseModel):
    """A place on the globe."""

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)


class Location(BaseModel):
    """Where the device stands."""

    postcode: str
    point: Point


class Capability(BaseModel):
    """What the device can do."""

    power_kw: float = Field(gt=0)


class Asset(BaseModel):
    """A device."""

    asset_type: str
    identity: Identity
    connection: Connection
    location: Location
    capability: Capability


class Command(BaseModel):
    """The registration of a device."""

    specversion: str
    id: UUID
    source: str
    type: str
    time: datetime
    data: Asset


@dataclass(slots=True)
class _Rival:
    client: Any
    db: Any
    broker: RabbitBroker
    count: int
    handled: int = 0
    finished: asyncio.Event = field(default_factory=asyncio.Event)

    async def register(self, message: Command) -> None:
        async with await self.client.start_session() as session, session.start_transaction():
            if not await self._decide(message, session):
                return
        self.handled += 1
        if self.handled >= self.count:
            self.finished.set()

    async def _decide(self, message: Command, session: Any) -> bool:
        db = self.db
        if await db.inbox.find_one({"_id": str(message.id)}, session=session):
            return False
        await db.inbox.insert_one({"_id": str(message.id)}, session=session)
        identity = message.data.identity
        same = {"data.identity.make": identity.make, "data.identity.serial": identity.serial}
        if await db.naive.find_one(same, session=session):
            return False
        asset = {"_id": ObjectId(), "data": message.data.model_dump(), "status": "provisional"}
        await db.naive.insert_one(asset, session=session)
        body = message.model_dump(mode="json")
        records = [
            {"key": key, "body": body, "sent": False} for key in ("x.accepted", "x.registered")
        ]
        await db.outbox.insert_many(records, session=session)
        return True

    async def relay(self) -> None:
        sent, outbox = 0, self.db.outbox
        while sent < 2 * self.count:
            pending = await outbox.find({"sent": False}).limit(PAGE).to_list(PAGE)
            if not pending:
                await asyncio.sleep(POLL_S)
                continue
            await asyncio.gather(
                *[
                    self.broker.publish(
                        p["body"], exchange=EXCHANGE, routing_key=p["key"], persist=True
                    )
                    for p in pending
                ]
            )
            ids = [p["_id"] for p in pending]
            await outbox.update_many({"_id": {"$in": ids}}, {"$set": {"sent": True}})
            sent += len(pending)


async def run(servers: Servers, count: int, begun: Callable[[], None]) -> None:
    """Serve `count` commands; `begun` is told before the first is asked for."""
    client: AsyncIOMotorClient[dict[str, Any]] = AsyncIOMotorClient(
        servers.mongo_url, w="majority", journal=True
    )
    db = client[servers.database]
    for name in ("naive", "inbox", "outbox"):
        await db.create_collection(name)
    claim = [("data.identity.make", 1), ("data.identity.serial", 1)]
    await db.naive.create_index(claim, unique=True)
    broker = RabbitBroker(servers.amqp_url, logger=None)
    rival = _Rival(client, db, broker, count)

    @broker.subscriber(
        RabbitQueue(QUEUES["naive"], durable=True, queue_type=QueueType.QUORUM),
        channel=Channel(prefetch_count=PREFETCH),
    )
    async def register(message: Command) -> None:
        await rival.register(message)

    await broker.connect()
    begun()
    await broker.start()
    relaying = asyncio.create_task(rival.relay())
    await rival.finished.wait()
    await relaying
    await broker.stop()
    client.close()
