"""A dead letter's life: what is kept, how it is grouped, replayed, resolved, or dead again."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any, Final
from uuid import uuid4

import pytest

from contracts.dead import REPLAYED, DeadRunAsked
from contracts.taxonomy import BACKBONE
from handlers import resending
from handlers.admission import Delivery, Limits, Refusal
from handlers.case import Outcome, Rulebook
from handlers.collection import unrouted
from handlers.dead_letters import BODY_BYTES_MAX, UNKNOWN, body_mark
from handlers.decision import Document, Put, Secret, View
from handlers.fold import fold
from handlers.letters import Letter
from handlers.parking import COLLECTION as PARKED
from handlers.parking import Parked
from handlers.resending import PAUSE, PORTION, PORTION_BYTES_MAX, STUCK
from handlers.resent import Resent
from handlers.signature import Handler
from handlers.spans import Span
from tests.builders import NOW, PLATFORM, STRANGER, command, delivery
from tests.decider import RULEBOOK, Decider, reply, said
from workers.vault import Vault

CRASH: Final = "trial.crash.v1"
MENDED: Final = "trial.keep.v1"
KEPT: Final = Handler(
    RULEBOOK.handlers[CRASH].contract,
    lambda _command, view, context: RULEBOOK.handlers[MENDED].function(
        RULEBOOK.handlers[MENDED].contract(id=context.command_id), view, context
    ),
    lambda _command, context: (("trials", context.command_id),),
    for_provisional=True,
)
"""What the handler does once its bug is mended."""


def crash(name: str, words: str = "x", sender: str = PLATFORM, **properties: Any) -> Delivery:
    return replace(command(CRASH, {"words": words}, sender=sender, id=name), **properties)


def padded(name: str, size: int) -> Delivery:
    """One whose body has so many bytes."""
    given = crash(name, "")
    return crash(name, "x" * (size - len(given.body)))


def letters(decider: Decider) -> list[Document]:
    return decider.of("dead_letters")


def states(decider: Decider) -> list[str]:
    return [letter["state"] for letter in letters(decider)]


def mend(decider: Decider) -> None:
    decider.rulebook = replace(RULEBOOK, handlers={**RULEBOOK.handlers, CRASH: KEPT})


def operate(decider: Decider, verb: str, **data: Any) -> Mapping[str, Any]:
    """What an operator is answered; the facts that follow are gone through to their end."""
    ask = command(f"dead.{verb}.v1", data, sender="operator", id=str(uuid4()))
    (outcome,) = decider.decide(ask)
    kind, answer = reply(outcome)
    assert kind == f"dead.{verb}.accepted.v1", answer
    return answer


def asked(decider: Decider, verb: str, **data: Any) -> Mapping[str, Any]:
    ask = command(f"dead.{verb}.v1", data, sender="operator", id="a-question")
    kind, answer = said(decider.ask(ask))
    assert kind == f"dead.{verb}.accepted.v1", answer
    return answer


def run_through(decider: Decider, run: str) -> list[Resent]:
    """What a run hands to the hop."""
    return [one for portion in portions_of(decider, run) for one in portion]


def portions_of(
    decider: Decider, run: str, pauses: set[timedelta] | None = None
) -> list[list[Resent]]:
    """Every portion of a run; what each hands to the hop, and how long is paused behind it."""
    body = json.dumps(fact(run)).encode()
    waiting: list[Delivery] = [Delivery(body, DeadRunAsked.message_type, BACKBONE)]
    sent: list[list[Resent]] = []
    while waiting:
        outcomes = decider.decide(*waiting)
        sent.append(resent(outcomes))
        puts = [write for one in outcomes for write in one.writes if isinstance(write, Put)]
        if pauses is not None:
            pauses |= {p.document["due"] - decider.now for p in puts if p.collection == PARKED}
        waiting = [again(one) for one in outcomes if one.kind == "continued"]
    return sent


def fact(run: str) -> Mapping[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"fact-{run}",
        "source": "urn:flexspine:backbone",
        "type": DeadRunAsked.message_type,
        "time": NOW.isoformat(),
        "subject": f"dead-letters/{run}",
        "data": {"id": run},
    }


def again(outcome: Outcome) -> Delivery:
    (row,) = [w for w in outcome.writes if w.collection == "parked"]
    return Parked.of(row.document).delivery  # type: ignore[union-attr]


def resent(outcomes: Sequence[Outcome]) -> list[Resent]:
    return [
        Resent.unpacked(letter.body)
        for outcome in outcomes
        for letter in outcome.letters
        if letter.kind == "resent"
    ]


def arriving(one: Resent) -> Delivery:
    """What the mailbox gets of it."""
    return Delivery(one.body, one.type, one.account, one.message_id, one.reply_to, one.headers)


def replay(decider: Decider, **which: Any) -> list[Outcome]:
    """A replay to its end: what became of each letter."""
    run = operate(decider, "replay", which=which, why="The bug is mended.")["id"]
    return [decider.decide(arriving(one))[0] for one in run_through(decider, run)]


@pytest.fixture
def decider() -> Decider:
    return Decider()


def test_a_letter_says_in_clear_what_it_is_grouped_by_and_seals_the_rest(decider: Decider) -> None:
    decider.rulebook = replace(RULEBOOK, version="7.1")
    decider.decide(crash("one", "a secret", message_id="m", headers={"x-a": "b"}))
    (letter,), (contents,) = letters(decider), decider.of("dead_contents")
    assert (letter["reason"], letter["exception"]) == ("poisoned", "RuntimeError")
    assert letter["top"] == "tests/registers.py:crash_trial"
    assert (letter["version"], letter["attempts"], letter["times"]) == ("7.1", 1, 1)
    assert f"fingerprint:{letter['fingerprint']}" in letter["terms"]
    assert "a secret" not in str(letter)
    assert not any(isinstance(value, Secret) for value in letter.values())
    properties = contents["properties"].value
    assert (properties["message_id"], properties["strings"]) == ("m", {"x-a": "b"})


def test_a_group_is_what_failed_in_the_same_way(decider: Decider) -> None:
    decider.decide(crash("a", "some"), crash("b", "other"), delivery(b"no JSON"))
    decider.decide(delivery(b"no JSON either"), delivery(account=None))
    groups = asked(decider, "groups")["groups"]
    counted = [(one["exception"], one["counts"]) for one in groups]
    assert sorted(counted, key=str) == [
        ("RuntimeError", {"open": 2}),
        ("message.identity", {"open": 1}),
        ("message.undecodable", {"open": 2}),
    ]


def test_a_mended_bug_is_replayed_and_resolved_in_the_commit_of_its_outcome(
    decider: Decider,
) -> None:
    (held,) = decider.decide(crash("one"))
    mend(decider)
    (outcome,) = replay(decider, fingerprint=letters(decider)[0]["fingerprint"])
    assert (outcome.kind, reply(outcome)[0]) == ("accepted", "trial.crash.accepted.v1")
    (letter,) = letters(decider)
    assert (letter["state"], letter["outcome"]) == ("resolved", "accepted")
    assert [one["state"] for one in letter["history"]] == ["open", "replaying", "resolved"]
    assert any(write.collection == "dead_letters" for write in outcome.writes)
    assert [row["_id"] for row in decider.of("trials")] == ["one"]
    assert reply(held)[0] == "trial.crash.held.v1"


def test_a_replay_keeps_bytes_and_names_and_strips_what_the_broker_acts_on(
    decider: Decider,
) -> None:
    trace = {"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"}
    brokers = {"x-death": "a", "x-delivery-count": "3", "x-first-death-queue": "q", "x-ours": "b"}
    given = crash("one", message_id="m", reply_to=f"{PLATFORM}.replies", headers=brokers | trace)
    decider.decide(given)
    run = operate(decider, "replay", which={"reason": "poisoned"}, why="Again.")["id"]
    (one,) = run_through(decider, run)
    assert (one.body, one.account, one.message_id) == (given.body, PLATFORM, "m")
    assert one.reply_to == f"{PLATFORM}.replies"
    assert one.carried == {**trace, "x-ours": "b", REPLAYED: letters(decider)[0]["_id"]}


def test_what_fails_again_is_the_same_letter_with_its_new_failure(decider: Decider) -> None:
    decider.decide(crash("one"))
    (outcome,) = replay(decider, reason="poisoned")
    assert outcome.kind == "poisoned"
    (letter,) = letters(decider)
    assert (letter["state"], letter["times"], letter["attempts"]) == ("failed-again", 2, 2)
    mend(decider)
    decider.now += timedelta(minutes=1)
    (outcome,) = replay(decider, reason="poisoned")
    assert (outcome.kind, states(decider)) == ("accepted", ["resolved"])


def test_nothing_is_done_twice_however_often_it_arrives(decider: Decider) -> None:
    decider.decide(crash("one"))
    mend(decider)
    run = operate(decider, "replay", which={"reason": "poisoned"}, why="Again.")["id"]
    (one,) = run_through(decider, run)
    kinds = [outcome.kind for outcome in decider.decide(arriving(one), arriving(one))]
    assert kinds == ["accepted", "duplicate"]
    assert (states(decider), len(decider.of("trials"))) == (["resolved"], 1)


def test_a_replay_is_read_in_as_many_rounds_as_what_it_replays(
    decider: Decider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every batch with a letter had a round of its own for it, and all others in it waited."""
    decider.decide(crash("one"))
    mend(decider)
    run = operate(decider, "replay", which={"reason": "poisoned"}, why="Again.")["id"]
    (one,) = run_through(decider, run)
    rounds: list[frozenset[tuple[str, Any]]] = []
    load = Decider._load

    def counted(self: Decider, keys: Any, loaded: Any) -> None:
        rounds.append(keys)
        load(self, keys, loaded)

    monkeypatch.setattr(Decider, "_load", counted)
    decider.decide(crash("two"))
    plain = len(rounds)
    rounds.clear()
    decider.decide(arriving(one))
    assert (len(rounds), states(decider)) == (plain, ["resolved"])


def test_one_that_the_sender_has_sent_again_meanwhile_is_resolved_by_its_answer(
    decider: Decider,
) -> None:
    decider.decide(crash("one"))
    mend(decider)
    decider.decide(crash("one"))
    assert states(decider) == ["open"]
    (outcome,) = replay(decider, reason="poisoned")
    assert (outcome.kind, letters(decider)[0]["outcome"]) == ("duplicate", "duplicate")


def test_a_group_says_what_became_of_its_resolved_letters(decider: Decider) -> None:
    decider.decide(*(crash(f"c-{n}") for n in range(4)))
    key = letters(decider)[0]["_id"]
    mend(decider)
    decider.decide(crash("c-3"))
    decider.now += timedelta(seconds=1)
    replay(decider, reason="poisoned")
    found = asked(decider, "groups")
    (group,) = found["groups"]
    assert found["counts"] == group["counts"] == {"resolved": 4}
    assert found["outcomes"] == group["outcomes"] == {"accepted": 3, "duplicate": 1}
    # One that has died once more has no outcome yet, whatever became of it before.
    document = decider.documents["dead_letters", key]
    assert document["outcome"] == "accepted"
    opened = {"state": "open", "terms": [*document["terms"], "state:open"]}
    decider.documents["dead_letters", key] = {**document, **opened}
    found = asked(decider, "groups")
    assert found["counts"] == {"open": 1, "resolved": 3}
    assert found["outcomes"] == {"accepted": 2, "duplicate": 1}


def test_a_letter_that_has_its_end_is_not_meant_by_its_id(decider: Decider) -> None:
    decider.decide(crash("one"))
    (letter,) = letters(decider)
    which = {"id": letter["_id"]}
    run = operate(decider, "discard", which=which, why="Nobody wants it.")
    assert run["matched"] == 1
    run_through(decider, run["id"])
    assert operate(decider, "replay", which=which, why="Again.")["matched"] == 0
    assert len(decider.of("dead_runs")) == 1


def test_a_forged_mark_settles_nobodys_letter(decider: Decider) -> None:
    decider.decide(crash("one"))
    key = letters(decider)[0]["_id"]
    mend(decider)
    for mark in (key, "nonsense", 7):
        decider.decide(crash("other", sender=STRANGER, headers={REPLAYED: mark}))
        decider.decide(crash("two", "y", headers={REPLAYED: mark}))
    assert states(decider) == ["open"]


def test_a_replay_is_gone_through_in_portions_and_leaves_out_what_died_since(
    decider: Decider,
) -> None:
    decider.decide(*(crash(f"c-{n:03d}") for n in range(2 * PORTION + 5)))
    decider.now += timedelta(seconds=1)
    told = operate(decider, "replay", which={"type": CRASH}, why="Again.")
    decider.now += timedelta(seconds=1)
    decider.decide(crash("late"))
    sent = run_through(decider, told["id"])
    assert told["matched"] == len(sent) == 2 * PORTION + 5
    assert len({one.letter for one in sent}) == len(sent)
    assert states(decider).count("replaying") == len(sent)
    groups = asked(decider, "groups", which={"run": told["id"]})
    assert groups["counts"] == {"replaying": len(sent)}
    (run,) = decider.of("dead_runs")
    assert (run["state"], run["done"], run["left_out"]) == ("ended", len(sent), 0)


@pytest.mark.parametrize(
    ("pace", "portions", "pause_s"),
    [
        ({"per_second": 1}, [1] * 70, 1),
        ({}, [10] * 7, 1),
        ({"per_second": 20}, [20, 20, 20, 10], 1),
        ({"per_second": 100}, [50, 20], 0.5),
        ({"per_second": 200}, [50, 20], 0.25),
    ],
)
def test_a_replay_keeps_its_pace(
    decider: Decider, pace: Mapping[str, int], portions: list[int], pause_s: float
) -> None:
    decider.decide(*(crash(f"c-{n:03d}") for n in range(70)))
    decider.now += timedelta(seconds=1)
    told = operate(decider, "replay", which={"type": CRASH}, why="Again.", **pace)
    pauses: set[timedelta] = set()
    assert [len(one) for one in portions_of(decider, told["id"], pauses)] == portions
    assert pauses == {timedelta(seconds=pause_s)}
    groups = asked(decider, "groups", which={"run": told["id"]})
    assert groups["run"] == {"state": "ended", "matched": 70, "done": 70, "left_out": 0}


def test_a_portion_is_spread_over_its_second(decider: Decider) -> None:
    decider.decide(*(crash(f"c-{n:03d}") for n in range(30)))
    decider.now += timedelta(seconds=1)
    told = operate(decider, "replay", which={"type": CRASH}, why="Again.", per_second=20)
    first, _ = portions_of(decider, told["id"])
    early = [one.early(decider.now) for one in first]
    assert early == [timedelta(milliseconds=50 * nth) for nth in range(20)]
    assert first[-1].early(decider.now + timedelta(seconds=1)) == timedelta()


def test_what_a_later_version_hands_over_is_read() -> None:
    sent = Resent(letter="L", type="trial.keep.v1", account="USR-1", body=b"{}")
    said = json.loads(sent.packed()) | {"not_known_yet": 1}
    assert Resent.unpacked(json.dumps(said).encode()) == sent


def test_an_earlier_version_reads_what_is_handed_over() -> None:
    """It takes no field that it does not know: what is new is a header."""
    sent = Resent(letter="L", type="trial.keep.v1", account="USR-1", body=b"{}")
    assert json.loads(sent.packed()).keys() == {
        *("letter", "type", "account", "message_id", "reply_to", "content_encoding"),
        *("headers", "body"),
    }


def test_letters_of_all_accounts_come_to_the_hop_in_one_order(decider: Decider) -> None:
    decider.decide(*(crash(f"c-{n}") for n in range(3)))
    decider.decide(*(crash(f"d-{n}", sender=STRANGER) for n in range(3)))
    decider.now += timedelta(seconds=1)
    told = operate(decider, "replay", which={"type": CRASH}, why="Again.")
    sent = run_through(decider, told["id"])
    assert len({one.account for one in sent}) == 2
    early = [one.early(NOW) for one in sent]
    assert early == sorted(set(early))
    assert len({Letter.resent(one).entity for one in sent}) == 1


def test_what_a_replay_passes_over_takes_none_of_its_pace(decider: Decider) -> None:
    decider.decide(*(crash(f"c-{n:03d}") for n in range(60)))
    decider.now += timedelta(seconds=1)
    given_up = operate(decider, "discard", which={"type": CRASH}, why="Nobody wants them.")
    pauses: set[timedelta] = set()
    portions_of(decider, given_up["id"], pauses)
    assert pauses == {PAUSE}
    decider.decide(*(crash(f"d-{n}") for n in range(2)))
    decider.now += timedelta(seconds=1)
    told = operate(decider, "replay", which={"type": CRASH}, why="Again.", per_second=1)
    assert [len(one) for one in portions_of(decider, told["id"])] == [0, 1, 1]


def test_a_replay_of_before_there_was_a_pace_goes_by_the_default(decider: Decider) -> None:
    decider.decide(*(crash(f"c-{n:03d}") for n in range(30)))
    decider.now += timedelta(seconds=1)
    told = operate(decider, "replay", which={"type": CRASH}, why="Again.")
    (run,) = decider.of("dead_runs")
    older = {name: value for name, value in run.items() if name != "per_second"}
    decider.documents["dead_runs", run["_id"]] = older
    assert [len(one) for one in portions_of(decider, told["id"])] == [10, 10, 10]


@pytest.mark.parametrize("size", [1000, 3000, 8000])
def test_a_portion_holds_no_more_bytes_than_a_commit_and_loses_none(
    decider: Decider, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    monkeypatch.setattr(resending, "PORTION_BYTES_MAX", 8000)
    bodies = [padded(f"c-{n:02d}", size) for n in range(20)]
    decider.decide(*bodies)
    decider.now += timedelta(seconds=1)
    told = operate(decider, "replay", which={"type": CRASH}, why="Again.")
    portions = portions_of(decider, told["id"])
    sent = [one for portion in portions for one in portion]
    assert max(sum(len(one.body) for one in portion) for portion in portions) <= 8000
    assert len(portions) == -(-20 // (8000 // size))
    assert sorted(one.body for one in sent) == sorted(one.body for one in bodies)
    assert set(states(decider)) == {"replaying"}
    (run,) = decider.of("dead_runs")
    assert (run["state"], run["done"], run["left_out"]) == ("ended", 20, 0)


def test_one_letter_always_fits_and_one_that_was_kept_in_part_takes_no_room(
    decider: Decider,
) -> None:
    assert PORTION_BYTES_MAX >= BODY_BYTES_MAX
    decider.limits = Limits(body_bytes_max=2 * BODY_BYTES_MAX)
    decider.decide(*(padded(f"c-{n}", BODY_BYTES_MAX + 1) for n in range(2)), crash("small"))
    decider.now += timedelta(seconds=1)
    told = operate(decider, "replay", which={"type": CRASH}, why="Again.")
    assert [len(portion) for portion in portions_of(decider, told["id"])] == [1]


def test_a_discard_needs_no_room(decider: Decider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resending, "PORTION_BYTES_MAX", 8000)
    decider.decide(*(padded(f"c-{n}", 8000) for n in range(5)))
    decider.now += timedelta(seconds=1)
    told = operate(decider, "discard", which={"type": CRASH}, why="Nobody wants them.")
    assert portions_of(decider, told["id"]) == [[]]
    assert states(decider) == ["discarded"] * 5


def test_one_under_way_is_left_alone_until_it_is_stuck(decider: Decider) -> None:
    decider.decide(crash("one"))
    second = timedelta(seconds=1)
    for wait, count in ((timedelta(), 1), (STUCK, 0), (second, 1), (STUCK, 0), (second, 1)):
        decider.now += wait
        run = operate(decider, "replay", which={"reason": "poisoned"}, why="Again.")["id"]
        assert len(run_through(decider, run)) == count


def test_a_discard_is_the_end_until_the_same_message_dies_again(decider: Decider) -> None:
    decider.decide(crash("one"))
    run = operate(decider, "discard", which={"reason": "poisoned"}, why="Nobody wants it.")["id"]
    assert run_through(decider, run) == []
    assert states(decider) == ["discarded"]
    assert replay(decider, reason="poisoned") == []
    decider.decide(crash("one"))
    assert (states(decider), letters(decider)[0]["times"]) == (["open"], 2)


def test_what_was_erased_is_left_out(decider: Decider) -> None:
    decider.decide(crash("one"))
    (contents,) = decider.of("dead_contents")
    gone = {"properties": Secret(None), "body": Secret(None), "fault": Secret(None)}
    decider.documents["dead_contents", contents["_id"]] = {**contents, **gone}
    assert replay(decider, reason="poisoned") == []
    assert states(decider) == ["open"]
    assert (
        "body" not in asked(decider, "get", id=contents["_id"])
        or not asked(decider, "get", id=contents["_id"])["body"]
    )


def test_a_letter_is_read_with_its_contents_and_notes(decider: Decider) -> None:
    decider.decide(crash("one", "a secret"))
    key = letters(decider)[0]["_id"]
    operate(decider, "note", id=key, note="Asked the sender.")
    found = asked(decider, "get", id=key)
    assert found["fault"]["message"] == "a bug that quotes a secret"
    assert [one["note"] for one in found["notes"]] == ["Asked the sender."]
    assert found["letter"]["notes"] == 1


def test_notes_are_told_the_oldest_first_with_the_reason_of_the_last_run(decider: Decider) -> None:
    decider.decide(crash("one"))
    key = letters(decider)[0]["_id"]
    for words in ("First.", "Second."):
        operate(decider, "note", id=key, note=words)
        decider.now += timedelta(seconds=1)
    replay(decider, id=key)
    operate(decider, "note", id=key, note="Third.")
    told = [one["note"] for one in asked(decider, "get", id=key)["notes"]]
    assert told == ["First.", "Second.", "The bug is mended.", "Third."]


def test_a_page_goes_on_with_its_cursor(decider: Decider) -> None:
    decider.decide(*(crash(f"c-{n}") for n in range(5)))
    first = asked(decider, "list", limit=3)
    rest = asked(decider, "list", limit=3, cursor=first["cursor"])
    found = [one["id"] for page in (first, rest) for one in page["letters"]]
    assert found == sorted(letter["_id"] for letter in letters(decider))
    assert rest.get("cursor") is None


def kept(refusal: Refusal, rulebook: Rulebook = RULEBOOK) -> Document:
    """The letter of what is refused in a lane whose rules are these."""
    loaded: dict[str, dict[Any, Any]] = {}
    while (folded := fold([(0, refusal)], View(loaded), rulebook, NOW, lambda one: one)).missing:
        for collection, key in folded.missing:
            loaded.setdefault(collection, {})[key] = [] if isinstance(key, Span) else None
    (outcome, _), *_ = folded.outcomes
    (letter,) = [w.document for w in outcome.writes if w.collection == "dead_letters"]  # type: ignore[union-attr]
    return letter


def test_what_stays_after_an_erasure_says_nothing_that_could_be_guessed(decider: Decider) -> None:
    given = crash("one", "yes", message_id="m")
    decider.decide(given)
    (letter,) = letters(decider)
    plain = sha256(given.body)
    assert plain.hexdigest() not in str(letter)
    assert plain.digest() not in letter.values()
    origin = f"{PLATFORM}\x1fm\x1f{CRASH}\x1fpoisoned\x1f".encode()
    assert sha256(origin + given.body).hexdigest()[:32] not in str(letter)
    assert letter["mark"] != body_mark(Vault(bytes(32)), given.body)


def test_a_type_that_nobody_knows_is_a_fingerprint_where_it_stands_in_clear() -> None:
    """A sender chooses its words, and they stay when the contents are erased."""
    nobody = replace(RULEBOOK, handlers={}, known={CRASH})
    limits = Limits()
    letter = kept(unrouted(delivery(type="jane-doe.has-left.v1"), limits), nobody)
    again = kept(unrouted(delivery(b"other", type="jane-doe.has-left.v1"), limits), nobody)
    other = kept(unrouted(delivery(type="john-doe.has-left.v1"), limits), nobody)
    assert "jane" not in str(letter)
    assert letter["type"].startswith(UNKNOWN)
    assert letter["type"] == again["type"] != other["type"]
    assert letter["fingerprint"] == again["fingerprint"] != other["fingerprint"]
    assert kept(unrouted(delivery(type=CRASH), limits), nobody)["type"] == CRASH
    internal = unrouted(delivery(type="asset.told.v9", account="flex-relay"), limits)
    assert kept(internal, nobody)["type"] == "asset.told.v9"


def test_an_operator_reads_the_type_and_a_replay_keeps_it(decider: Decider) -> None:
    decider.decide(crash("one"))
    (letter,) = letters(decider)
    hidden = {**letter, "type": f"{UNKNOWN}{'0' * 16}"}
    decider.documents["dead_letters", letter["_id"]] = hidden
    assert asked(decider, "get", id=letter["_id"])["properties"]["type"] == CRASH
    run = operate(decider, "replay", which={"id": letter["_id"]}, why="Again.")["id"]
    assert [one.type for one in run_through(decider, run)] == [CRASH]
