"""How the interface changes, over real servers: announced to all, two majors beside each other."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from tests.broker.scene import INTEREST, Scene, accepted, asked, personal, refused
from tests.spine import Platform, Received, Spine, user

pytestmark = [pytest.mark.connected, pytest.mark.timeout(120)]

OLD, NEW = "notice.close.v1", "notice.close.v2"
ANNOUNCED: Final = "interface.announced.v1"
SUNSET: Final = (datetime.now(UTC) + timedelta(days=90)).replace(microsecond=0)
DEPRECATED: Final[dict[str, Any]] = {
    "id": OLD, "change": "deprecated", "effective": SUNSET.isoformat(),
    "text": "Use notice.close.v2, which takes several ids.",
}  # fmt: skip
EXTENDED: Final[dict[str, Any]] = {
    "id": "user.suspended.v1", "change": "enum-extended", "effective": SUNSET.isoformat(),
    "text": "A further reason.", "field": "data.reason", "values": ["market-rule"],
}  # fmt: skip
PARTS: Final = ("mo", "one", "two", "three")


async def test_from_two_majors_to_the_end_of_one(working: Spine) -> None:
    scene = await Scene.open(working)
    await scene.enter("mo", scene.operator, name="The Market Ltd", roles=["mo"])
    for part in PARTS[1:]:
        await scene.enter(part, scene.desk, name=f"{part} Flex Ltd", roles=["fsp"])
    await scene.told(mo=["user.registered.v1"])
    await three_notices_wait(scene)
    await each_major_is_answered_in_its_own(scene)
    await one_id_is_one_command_whatever_its_major(scene)
    await everybody_with_an_account_is_told_of_the_end(scene)
    await every_reply_to_the_older_says_until_when(scene)
    await further_values_are_told_before_they_come(scene)
    await who_was_away_has_missed_nothing(scene)


def notice(scene: Scene, part: str) -> str:
    """Id of the market's notice that a provider is interested."""
    return f"{scene['mo'].user}/interest.expressed.v1/{scene[part].user}"


async def three_notices_wait(scene: Scene) -> None:
    wish = INTEREST | {"to": [scene["mo"].user], "groups": []}
    for part in PARTS[1:]:
        await accepted(scene[part], "interest.express.v1", wish)
    await scene.told(mo=["interest.expressed.v1"] * 3)
    waiting = {("interest.expressed.v1", scene[part].user) for part in PARTS[1:]}
    assert await asked(scene["mo"]) == waiting


async def each_major_is_answered_in_its_own(scene: Scene) -> None:
    """The older takes one id, the newer several; a finding names what its sender has written."""
    mo, first, second = scene["mo"], notice(scene, "one"), notice(scene, "two")
    assert (await refused(mo, OLD, {"id": "none"}))["findings"][0]["field"] == "data.id"
    assert (await refused(mo, NEW, {"ids": [first, "none"]}))["findings"][0]["field"] == (
        "data.ids.1"
    )
    assert (await refused(mo, OLD, {"ids": [first]}))["findings"][0]["rule"] == "field.missing"
    for kind, data in ((OLD, {"id": first}), (NEW, {"ids": [first, second]})):
        stem, _, version = kind.rpartition(".")
        checked = await accepted(mo, f"{stem}.check.{version}", data)
        assert checked["verdict"] == "acceptable"
    assert await accepted(mo, OLD, {"id": first}) == {"id": first, "state": "closed"}
    both = await accepted(mo, NEW, {"ids": [first, second]})
    assert both == {"ids": [first, second], "state": "closed", "closed": [second]}
    assert await asked(mo) == {("interest.expressed.v1", scene["three"].user)}


async def one_id_is_one_command_whatever_its_major(scene: Scene) -> None:
    """The same wish in the other major is other bytes under an id that is taken."""
    mo, third = scene["mo"], notice(scene, "three")
    await accepted(mo, OLD, {"id": third}, id="once")
    answers = len(mo.answers("once"))
    await mo.send(NEW, {"ids": [third]}, id="once")
    await mo.until(lambda: len(mo.answers("once")) > answers)
    later = mo.answers("once")[-1]
    assert (later.type, later.data["code"]) == ("notice.close.rejected.v2", "message.id-reused")
    assert await asked(mo) == set()


async def everybody_with_an_account_is_told_of_the_end(scene: Scene) -> None:
    """Whatever they do in the market, and each once; who has no account is not. Nobody twice."""
    without = await accepted(scene.operator, "user.register.v1", user(name="Without Ltd"))
    extra = {"account": f"{scene['one'].user}/night", "key_hash": user("k")["account_key_hash"]}
    await accepted(scene["one"], "account.set.v1", extra)
    early = DEPRECATED | {"effective": datetime.now(UTC).isoformat()}
    assert (await refused(scene.operator, "interface.announce.v1", early))["code"] == (
        "interface.past"
    )
    assert (await refused(scene["mo"], "interface.announce.v1", DEPRECATED))["code"] == (
        "sender.role"
    )
    for _ in range(2):
        given = await accepted(scene.operator, "interface.announce.v1", DEPRECATED)
        assert datetime.fromisoformat(given["sunset"]) == SUNSET
    await scene.told(**{part: [ANNOUNCED] for part in PARTS})
    assert len(announced(scene.bell)) == 1
    for part in PARTS:
        said = scene.said(part, ANNOUNCED)
        assert (said["id"], said["change"], said["text"]) == (
            OLD, "deprecated", DEPRECATED["text"],
        )  # fmt: skip
        assert datetime.fromisoformat(said["effective"]) == SUNSET
    (count,) = await scene.spine.raw("sequences", _id=without["id"])
    assert count["last"] == 1, "its registration, and nothing else"


def announced(party: Platform) -> list[Received]:
    return [one for one in personal(party) if one.type == ANNOUNCED]


async def every_reply_to_the_older_says_until_when(scene: Scene) -> None:
    """Accepted, rejected, of a check, and the same for whoever asks again; the newer says none."""
    mo, closed = scene["mo"], notice(scene, "one")
    older: list[tuple[str, dict[str, Any]]] = [(OLD, {"id": "none"})]
    older += [(kind, {"id": closed}) for kind in (OLD, "notice.close.check.v1")]
    newer: list[tuple[str, dict[str, Any]]] = [(NEW, {"ids": [closed]}), ("notice.list.v1", {})]
    for kind, data in older:
        sunset = (await mo.ask(kind, data)).envelope["sunset"]
        assert datetime.fromisoformat(sunset) == SUNSET
    for kind, data in newer:
        assert "sunset" not in (await mo.ask(kind, data)).envelope
    before = next(one for one in mo.received if one.type == "notice.close.accepted.v1")
    assert "sunset" not in before.envelope, "it was answered before that was announced"


async def further_values_are_told_before_they_come(scene: Scene) -> None:
    """Of an event too; it ends nothing, and another announcement of the same type is told."""
    await scene["three"].close()
    for values in (["market-rule"], ["market-rule", "insolvency"]):
        extended = EXTENDED | {"values": values}
        given = await accepted(scene.operator, "interface.announce.v1", extended)
        assert "sunset" not in given
    await scene.everything_is_told()
    for part in ("mo", "one", "two"):
        await scene[part].until(lambda p=part: len(announced(scene[p])) == 3)  # type: ignore[misc]
        said = scene.said(part, ANNOUNCED)
        assert (said["field"], said["values"]) == ("data.reason", ["market-rule", "insolvency"])


async def who_was_away_has_missed_nothing(scene: Scene) -> None:
    """It finds all in its queue, in their order; a replay brings the same ones again."""
    back = scene.parties["three"] = await scene.spine.again(scene["three"])
    await back.until(lambda: len(announced(back)) == 3)
    changes = [one.data["change"] for one in announced(back)]
    assert changes == ["deprecated", "enum-extended", "enum-extended"]
    sequences = [int(one.envelope["sequence"]) for one in announced(back)]
    assert sequences == list(range(sequences[0], sequences[0] + 3))
    await scene.told(
        mo=[ANNOUNCED] * 2, one=[ANNOUNCED] * 2, two=[ANNOUNCED] * 2, three=[ANNOUNCED] * 2
    )
    await accepted(back, "event.replay.v1", {"from_sequence": sequences[0]})
    await back.until(lambda: [one for one in back.received if one.type == "event.replay-ended.v1"])
    again = [one for one in back.received if one.envelope.get("replayed")]
    assert [one.envelope["id"] for one in again] == [one.envelope["id"] for one in announced(back)]
