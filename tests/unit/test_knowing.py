"""Rows of references that are known: what is sent in their place, and what is remembered."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from workers.cli.knowing import COMMISSION, Known, changes, ids_of, questions, reference_of, rows_of
from workers.cli.lines import Line, written
from workers.cli.spool import Spool

ASSET = "SOL-0000-0000-0001-X"
OTHER = "SOL-0000-0000-0002-X"
UPDATE = "asset.update.v1"
SENDER = "USR-0000-0000-0001-G"


def row(number: int = 1, reference: object = "r1", **data: Any) -> Line:
    """A registration as a mapping makes it."""
    given = {"reference": reference, "asset_type": "SOL", "lifecycle": "operating", **data}
    envelope = {
        "id": f"table-row-{number}",
        "source": "urn:flexspine:user:$reply:sender",
        "type": "asset.register.v1",
        "data": given,
    }
    return Line("file", number, f"row {number}", envelope)


def sent(line: Line, before: dict[str, Any] | None, asset: str = ASSET) -> list[tuple[str, Any]]:
    return [
        (one.envelope["type"], one.envelope["data"])
        for one in changes(line, asset, before)
        if one.envelope is not None
    ]


def data_of(line: Line) -> dict[str, Any]:
    assert line.envelope is not None
    data: dict[str, Any] = line.envelope["data"]
    return data


def test_an_unknown_reference_is_registered() -> None:
    line = row()
    assert [one.sent for one in rows_of([line], {"r2": ASSET}, {})] == [[line]]


def test_a_known_one_is_updated_with_what_may_be_changed() -> None:
    line = row(name="Fen", location={"county": "Kent"}, owner="USR-1")
    expected = {"id": ASSET, "name": "Fen", "location": {"county": "Kent"}}
    assert sent(line, data_of(line)) == [(UPDATE, expected)]


def test_a_cell_that_is_empty_now_is_cleared_and_what_others_gave_stays() -> None:
    """Fields that this sender never gave are not named, so that they are not touched."""
    before = data_of(
        row(
            name="Fen",
            location={"county": "Kent", "town": "Ely", "grid": {"easting_m": 1, "northing_m": 2}},
            capability={"power_kw": 5},
            details={"mounting": "roof", "peak_kwp": 4},
            technologies=[{"source": "Sun"}],
        )
    )
    line = row(location={"county": "Kent"}, details={"peak_kwp": 4})
    ((kind, data),) = sent(line, before)
    assert kind == UPDATE
    assert data == {
        "id": ASSET,
        "name": None,
        "location": {"county": "Kent", "town": None, "grid": None},
        "capability": {"power_kw": None},
        "details": {"mounting": None, "peak_kwp": 4},
        "technologies": None,
    }


def test_an_empty_group_clears_what_was_given_in_it() -> None:
    before = data_of(row(identity={"make": "Acme"}))
    assert sent(row(identity={}), before) == [
        (UPDATE, {"id": ASSET, "identity": {"make": None}})
    ]  # fmt: skip


def test_what_was_planned_is_commissioned_before_it_is_updated() -> None:
    before = data_of(row(lifecycle="planned", expected_on="2021-01-01"))
    line = row(commissioned_on="2021-02-03", name="Fen")
    assert sent(line, before) == [
        (COMMISSION, {"id": ASSET, "commissioned_on": "2021-02-03"}),
        (
            UPDATE,
            {"id": ASSET, "commissioned_on": "2021-02-03", "name": "Fen", "expected_on": None},
        ),
    ]


def test_a_commissioning_without_a_day_goes_without_one_to_be_refused_by_name() -> None:
    assert sent(row(), data_of(row(lifecycle="planned")))[0] == (COMMISSION, {"id": ASSET})


def test_without_a_record_here_an_operating_asset_may_have_been_planned() -> None:
    """A commissioning since the same day changes nothing; without a day there is none to say."""
    assert [kind for kind, _ in sent(row(commissioned_on="2021-02-03"), None)] == [
        COMMISSION,
        UPDATE,
    ]
    assert [kind for kind, _ in sent(row(), None)] == [UPDATE]
    assert [kind for kind, _ in sent(row(lifecycle="planned"), None)] == [UPDATE]


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ({}, {"asset_type": "WND"}),
        ({"lifecycle": "operating"}, {"lifecycle": "planned"}),
        ({"lifecycle": "operating"}, {"lifecycle": "Decommissioned"}),
    ],
)
def test_what_no_change_can_say_goes_as_it_is(was: dict[str, Any], now: dict[str, Any]) -> None:
    line = row(**now)
    assert changes(line, ASSET, data_of(row(**was))) == [line]


def test_another_type_than_that_of_the_id_goes_as_it_is_without_a_record_here() -> None:
    line = row(asset_type="WND")
    assert changes(line, ASSET, None) == [line]


def test_the_second_row_of_one_reference_is_not_taken_for_a_change() -> None:
    lines = [row(1), row(2)]
    first, second = rows_of(lines, {"r1": ASSET}, {})
    assert [kind for kind, _ in sent(first.line, None)] == [UPDATE]
    assert second.sent == [lines[1]]


def test_the_id_of_a_change_says_what_is_said() -> None:
    """Compared with other data the same row is another command, and the same one is a repeat."""
    line, before = row(name="Fen"), data_of(row(name="Fen", capability={"power_kw": 5}))
    once, again = changes(line, ASSET, before), changes(line, ASSET, before)
    assert once == again
    other = changes(line, ASSET, data_of(line))
    assert (once[0].envelope or {})["id"] != (other[0].envelope or {})["id"]


@pytest.mark.parametrize("reference", [None, "", " ", 7, "x" * 201, "a\nb"])
def test_a_reference_that_is_none_is_not_asked_for(reference: object) -> None:
    """One of them would have the question refused for a thousand others."""
    assert reference_of(row(reference=reference)) is None
    assert list(questions([row(reference=reference)])) == []


def test_a_registration_that_somebody_wrote_is_sent_as_it_is() -> None:
    assert reference_of(replace(row(), raw=b"{}")) is None


def test_a_thousand_references_are_asked_for_at_once() -> None:
    asked = list(questions([row(n, f"r{n}") for n in range(2001)]))
    assert [len(data_of(one)["external"]) for one in asked] == [1000, 1000, 1]
    assert len({one.scope for one in asked}) == 3


def test_answers() -> None:
    known = [{"scheme": "own", "value": "r1", "id": ASSET}, {"scheme": "own", "value": "r2"}]
    assert ids_of(written({"data": {"external": known}})) == {"r1": ASSET}
    assert ids_of(written({"data": {"code": "limit.reached"}})) is None


def turned(spool: Spool, lines: list[Line], ids: dict[str, str], *, sure: bool = True) -> Known:
    known = Known(spool, SENDER, lines)
    if not known.kept():
        known.turn(ids, sure=sure)
    return known


def settle(known: Known, *refused: str) -> None:
    for line in known.sent():
        kind = (line.envelope or {})["type"]
        known.take(line, accepted=kind not in refused)
    known.keep()


def test_a_table_that_was_begun_goes_on_as_it_was(tmp_path: Path) -> None:
    """Half of it is registered by now: the same bytes again get the same answers."""
    lines = [row(1), row(2, "r2")]
    with Spool(tmp_path) as spool:
        first = list(turned(spool, lines, {}).sent())
        again = list(turned(spool, lines, {"r1": ASSET}).sent())
        elsewhere = Known(spool, "USR-another", lines)
        assert not elsewhere.kept()
    assert first == again == lines


def test_where_nobody_answered_it_is_asked_again(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        turned(spool, [row()], {}, sure=False)
        (line,) = turned(spool, [row()], {"r1": ASSET}).sent()
    assert (line.envelope or {})["type"] == UPDATE


def test_what_was_refused_is_not_what_was_given(tmp_path: Path) -> None:
    """A refused update leaves what the next issue is compared with."""
    ids = {"r1": ASSET}
    with Spool(tmp_path) as spool:
        settle(turned(spool, [row(name="Fen", capability={"power_kw": 5})], {}))
        settle(turned(spool, [row(2, name="Moor")], ids), UPDATE)
        (line,) = turned(spool, [row(3, name="Moor")], ids).sent()
    assert data_of(line) == {"id": ASSET, "name": "Moor", "capability": {"power_kw": None}}


def test_a_refused_commissioning_is_tried_again_with_the_next_issue(tmp_path: Path) -> None:
    ids = {"r1": ASSET}
    with Spool(tmp_path) as spool:
        settle(turned(spool, [row(lifecycle="planned")], {}))
        settle(turned(spool, [row(2)], ids), COMMISSION)
        told = turned(spool, [row(3, commissioned_on="2021-02-03")], ids).sent()
        assert [(one.envelope or {})["type"] for one in told] == [COMMISSION, UPDATE]


def test_what_has_no_outcome_was_not_given(tmp_path: Path) -> None:
    with Spool(tmp_path) as spool:
        known = turned(spool, [row(), row(2, "r2")], {})
        known.take(row(), accepted=True)
        known.keep()
        assert set(spool.table(f"given/{SENDER}")) == {"r1"}
