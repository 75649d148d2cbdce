"""An alarm is said once when it begins and once when it ends, as an event for operators alone."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import pytest

from handlers.admission import Delivery
from outbox.publisher import Delivered, PublishFailedError
from outbox.record import OutboxRecord
from tests.builders import NOW
from tests.unit.test_alarms import WELL
from topology import names
from workers.alarms import Glance
from workers.local import open_register
from workers.sentinel import Sentinel

DEAD = replace(WELL, dead=(2, 5.0))
BOTH = replace(DEAD, outbox=(1, 90.0))


@dataclass
class Post:
    """What was published; it may fail."""

    sent: list[OutboxRecord] = field(default_factory=list)
    is_away: bool = False

    async def publish(self, record: OutboxRecord) -> Delivered:
        if self.is_away:
            raise PublishFailedError("away")
        self.sent.append(record)
        return Delivered.DELIVERED

    @property
    def said(self) -> list[tuple[str, str]]:
        found = [(record.type, json.loads(record.body)["data"]["id"]) for record in self.sent]
        self.sent.clear()
        return found


def watching(post: Post, glances: Iterator[Glance]) -> Sentinel:
    async def look() -> Glance:
        return next(glances)

    return Sentinel(look, post.publish, lambda: True, lambda: NOW, 60)


async def test_each_alarm_is_said_when_it_begins_and_when_it_ends() -> None:
    post = Post()
    sentinel = watching(post, iter([WELL, DEAD, BOTH, BOTH, WELL]))
    said = []
    for _ in range(5):
        await sentinel.compare()
        said.append(post.said)
    raised, ended = "alarm.raised.v1", "alarm.ended.v1"
    assert said[:4] == [[], [(raised, "dead-letters")], [(raised, "outbox-old")], []]
    assert sorted(said[4]) == [(ended, "dead-letters"), (ended, "outbox-old")]


async def test_what_could_not_be_said_is_said_later() -> None:
    post = Post(is_away=True)
    sentinel = watching(post, iter([DEAD, DEAD]))
    with pytest.raises(PublishFailedError):
        await sentinel.compare()
    post.is_away = False
    await sentinel.compare()
    assert post.said == [("alarm.raised.v1", "dead-letters")]


async def test_it_goes_to_the_domain_events_and_nobody_else_is_told() -> None:
    post = Post()
    await watching(post, iter([DEAD])).compare()
    (record,) = post.sent
    assert (record.exchange, record.key) == (names.DOMAIN, "alarm.raised.v1")
    register = await open_register("alarms", lambda: NOW)
    fact = Delivery(body=record.body, type=record.type, account=names.RELAY_ACCOUNT)
    (outcome,) = await register.engines[names.NOTICES].run([fact])
    assert (outcome.kind, outcome.letters, outcome.writes) == ("idle", (), ())
