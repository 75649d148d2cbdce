"""What users' own queues have lost: counted once, by user, and nothing of it kept."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from contracts.losing import PersonalLost
from handlers.admission import Arrival, Delivery, Limits, Refusal
from handlers.case import Rulebook
from handlers.decision import Document, View
from handlers.fold import fold
from handlers.losing import FACTS, LOSSES, admit_lost
from tests.builders import NOW, PLATFORM, STRANGER
from tests.decider import VAULT

TIME = datetime(2026, 11, 29, 12, tzinfo=UTC)
RULES = Rulebook(FACTS, VAULT)


def dead(queue: str, body: bytes, reason: str = "maxlen", time: datetime = TIME) -> Delivery:
    death = {"queue": queue, "reason": reason, "time": time, "routing-keys": ["x"], "count": 1}
    return Delivery(body, "dead.personal", "flex-relay", headers={"x-death": [death]})


def event(sequence: Any) -> bytes:
    return json.dumps({"id": f"event-{sequence}", "sequence": sequence, "data": "secret"}).encode()


def counted(*deliveries: Delivery) -> list[Document]:
    """The rows of a batch."""
    arrivals = [(n, admit_lost(d, {}, Limits())) for n, d in enumerate(deliveries)]
    ids = {(a.user, a.id): None for _, a in arrivals if isinstance(a, Arrival)}
    users = (PLATFORM, STRANGER, "operator")
    view = View({LOSSES: dict.fromkeys(users), "inbox": ids})
    folded = fold(arrivals, view, RULES, NOW, lambda outcome: outcome)
    assert not folded.missing
    return [row for user in users if (row := view.get(LOSSES, user)) is not None]


def test_each_is_counted_for_its_user_with_where_it_stood() -> None:
    mine = [dead(f"{PLATFORM}.events", event(str(n))) for n in (4, 3, 9)]
    reply = dead(f"{PLATFORM}.replies", b'{"id": "a-reply"}', "expired")
    rows = counted(*mine, reply, dead("operator.events", event("1"), "rejected"))
    assert [row["_id"] for row in rows] == [PLATFORM, "operator"]
    first = {name: rows[0][name] for name in ("events", "replies", "first", "last", "reasons")}
    assert first == {
        "events": 3, "replies": 1, "first": 3, "last": 9, "reasons": {"dropped": 3, "expired": 1}
    }  # fmt: skip
    assert rows[1]["reasons"] == {"rejected": 1}
    assert "secret" not in str(rows)


def test_what_the_broker_delivers_again_counts_once_and_a_later_loss_once_more() -> None:
    one = dead(f"{PLATFORM}.events", event("1"))
    later = dead(f"{PLATFORM}.events", event("1"), time=TIME.replace(minute=1))
    (row,) = counted(one, one, later)
    assert row["events"] == 2


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", event(7), event("-1"), event("x")])
def test_what_has_no_readable_sequence_is_counted_all_the_same(body: bytes) -> None:
    (row,) = counted(dead(f"{PLATFORM}.events", body))
    assert (row["events"], row["first"], row["last"]) == (1, None, None)


@pytest.mark.parametrize("queue", ["", "mailbox.assets.0", f"{PLATFORM}.events.more", "x.events"])
def test_what_is_of_no_users_queue_is_a_dead_letter_like_any_other(queue: str) -> None:
    found = admit_lost(dead(queue, b"{}"), {}, Limits())
    assert isinstance(found, Refusal)
    assert found.dead


def test_it_is_said_by_the_backbone_alone() -> None:
    found = admit_lost(dead(f"{PLATFORM}.events", event("1")), {}, Limits())
    assert isinstance(found, Arrival)
    assert (found.is_fact, found.type) == (True, PersonalLost.message_type)
