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
from workers.alarms import ALARMS, Glance
from workers.local import open_register
from workers.sentinel import Sentinel

DEAD = replace(WELL, dead=(2, 5.0))
BOTH = replace(DEAD, outbox=(1, 90.0))
RAISED, ENDED = "alarm.raised.v1", "alarm.ended.v1"


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
    sentinel = watching(post, iter([WELL, WELL, DEAD, BOTH, BOTH, WELL]))
    await sentinel.compare()
    post.sent.clear()
    said = []
    for _ in range(5):
        await sentinel.compare()
        said.append(post.said)
    assert said[:4] == [[], [(RAISED, "dead-letters")], [(RAISED, "outbox-old")], []]
    assert said[4] == [(ENDED, "dead-letters"), (ENDED, "outbox-old")]


async def test_the_first_look_of_a_process_says_of_every_alarm_whether_it_stands() -> None:
    post = Post()
    sentinel = watching(post, iter([DEAD, DEAD, WELL]))
    await sentinel.compare()
    ended = sorted(ALARMS - {"dead-letters"})
    assert post.said == [(RAISED, "dead-letters"), *((ENDED, name) for name in ended)]
    await sentinel.compare()
    assert post.said == []
    await sentinel.compare()
    assert post.said == [(ENDED, "dead-letters")]


async def test_what_was_cured_around_a_restart_ends_for_whoever_was_told() -> None:
    post, red = Post(), set[str]()
    for glances in ([BOTH, DEAD], [WELL]):
        # Each a process of its own, which knows nothing of what the one before has said.
        sentinel = watching(post, iter(glances))
        for _ in glances:
            await sentinel.compare()
            for kind, name in post.said:
                (red.add if kind == RAISED else red.discard)(name)
        assert red == (set() if glances == [WELL] else {"dead-letters"})


async def test_what_cannot_be_asked_has_not_ended() -> None:
    post = Post()
    away = replace(WELL, lanes=None, has_primary=False)
    sentinel = watching(post, iter([DEAD, away, WELL]))
    await sentinel.compare()
    post.sent.clear()
    await sentinel.compare()
    assert post.said == [(RAISED, "database-away")]
    await sentinel.compare()
    assert post.said == [(ENDED, "database-away"), (ENDED, "dead-letters")]


async def test_a_process_that_gets_the_look_back_says_all_again() -> None:
    post, turns = Post(), iter([True, False, True])
    sentinel = watching(post, iter([DEAD, WELL]))
    sentinel.is_ours, sentinel.every_s = lambda: next(turns), 0.001
    with pytest.raises(RuntimeError, match="StopIteration"):
        await sentinel.run()
    said = post.said
    assert (RAISED, "dead-letters") in said
    assert said[-len(ALARMS) :] == [(ENDED, name) for name in sorted(ALARMS)]


async def test_what_could_not_be_said_is_said_later() -> None:
    post = Post(is_away=True)
    sentinel = watching(post, iter([DEAD, DEAD, DEAD, WELL, WELL]))
    with pytest.raises(PublishFailedError):
        await sentinel.compare()
    post.is_away = False
    await sentinel.compare()
    assert len(post.said) == len(ALARMS)
    await sentinel.compare()
    assert post.said == []
    post.is_away = True
    with pytest.raises(PublishFailedError):
        await sentinel.compare()
    post.is_away = False
    await sentinel.compare()
    assert post.said == [(ENDED, "dead-letters")]


async def test_it_goes_to_the_domain_events_and_nobody_else_is_told() -> None:
    post = Post()
    await watching(post, iter([DEAD])).compare()
    register = await open_register("alarms", lambda: NOW)
    for record, key in ((post.sent[0], "alarm.raised.v1"), (post.sent[1], "alarm.ended.v1")):
        assert (record.exchange, record.key) == (names.DOMAIN, key)
        fact = Delivery(body=record.body, type=record.type, account=names.RELAY_ACCOUNT)
        (outcome,) = await register.engines[names.NOTICES].run([fact])
        assert (outcome.kind, outcome.letters, outcome.writes) == ("idle", (), ())
