"""The sentinel: looks at the whole backbone, and says of each alarm when it begins and ends."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import Final

import structlog

from contracts.messages import Event
from contracts.notices import AlarmEnded, AlarmRaised
from handlers.letters import Letter
from outbox.publisher import Delivered, PublishFailedError
from outbox.record import OutboxRecord
from workers.alarms import ALARMS, Alarm, Glance, alarms, unknown
from workers.backbone import Backbone
from workers.glancing import looked

log = structlog.get_logger()
OFF_S: Final = 3600.0
"""How often somebody looks whether it is switched on: it is a setting of the process."""


@dataclass(slots=True)
class Sentinel:
    """Announces alarms as events, which reach the operators' queues of all domain events.

    It writes nothing. What it has said it knows in memory alone: another process, or this one after
    a start, says of every alarm at its first look whether it stands. Else one that was cured in
    between would never end for whoever was told that it began.
    """

    look: Callable[[], Awaitable[Glance]]
    publish: Callable[[OutboxRecord], Awaitable[Delivered]]
    is_ours: Callable[[], bool]
    """Whether this process is the one that looks, of those that share the work."""
    clock: Callable[[], datetime]
    every_s: float
    """0: never."""
    _standing: dict[Alarm, str] = field(default_factory=dict)
    """Alarm -> what it was about when it was raised."""
    _unsaid: set[Alarm] = field(default_factory=lambda: set(ALARMS))
    """Of which this process has not said yet whether it stands."""

    async def run(self) -> None:
        """Look for ever, first when some time has passed: a start is not quiet at once."""
        while True:
            await asyncio.sleep(self.every_s or OFF_S)
            if not self.every_s or not self.is_ours():
                self._standing.clear()
                self._unsaid |= ALARMS
                continue
            try:
                await self.compare()
            except PublishFailedError as error:
                # It is in the log; the next look says it again.
                log.warning("sentinel.unsaid", error=str(error))

    async def compare(self) -> None:
        """Say what has begun and what has ended since the last look."""
        found: dict[Alarm, str] = {}
        glance = await self.look()
        for name, about in alarms(glance):
            found.setdefault(name, about)
        for name, about in found.items():
            if name not in self._standing:
                log.warning("alarm.raised", alarm=name, about=about)
                await self._say(AlarmRaised(id=name, about=about))
                self._standing[name] = about
            self._unsaid.discard(name)
        # What cannot be asked has not ended: it is said when it is known again.
        known = (self._unsaid | self._standing.keys()) - unknown(glance)
        for name in sorted(known - found.keys()):
            if name in self._standing:
                log.warning("alarm.ended", alarm=name)
            await self._say(AlarmEnded(id=name, about=self._standing.get(name, "")))
            self._standing.pop(name, None)
            self._unsaid.discard(name)

    async def _say(self, event: Event) -> None:
        now = self.clock()
        place = f"alarm/{event.message_type}/{event.entity}/{now.isoformat()}"
        name = sha256(place.encode()).hexdigest()[:32]
        letter = Letter.fact(event, id=name, time=now)
        await self.publish(OutboxRecord.of(letter, place))


def sentinel(
    backbone: Backbone,
    publish: Callable[[OutboxRecord], Awaitable[Delivered]],
    is_ours: Callable[[], bool],
) -> Sentinel:
    """That of a process, as its settings want it."""
    settings, addresses, vault = backbone.settings, backbone.addresses, backbone.vault
    return Sentinel(
        look=lambda: looked(settings, addresses, vault),
        publish=publish,
        is_ours=is_ours,
        clock=backbone.clock,
        every_s=settings.alarms_s,
    )
