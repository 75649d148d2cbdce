"""An analysis on a whole backbone: read from the database, and its cases opened at the broker."""

from pathlib import Path
from typing import Any

import pytest

from contracts.duplicates import CaseKind
from tests.broker.scene import accepted
from tests.broker.test_send import place_of
from tests.spine import Spine
from workers.analysis.options import Options
from workers.analysis.run import Analysis
from workers.cli import analysing
from workers.cli.analysing import analysed
from workers.cli.place import Place

pytestmark = [pytest.mark.connected, pytest.mark.timeout(240)]


def silent(stage: str, done: int, total: int | None) -> None:
    """Say nothing."""


async def run(place: Place, folder: Path, *, dry_run: bool, register: CaseKind = "assets") -> Any:
    options = Options(register=register, memory="1GB")
    analysis = Analysis.open(folder, options, silent, place.register())
    try:
        return await analysed(analysis, place, dry_run=dry_run)
    finally:
        analysis.close()


async def test_what_two_platforms_registered_is_a_case_and_the_next_run_changes_nothing(
    working: Spine, tmp_path: Path
) -> None:
    """Of three pairs level one has seen two; of the third one's place was corrected later."""
    first, second = await working.platform(roles=["fsp"]), await working.platform(roles=["fsp"])
    places = [{"point": {"latitude": 51.0 + n / 10, "longitude": -1.0}} for n in range(3)]
    elsewhere = {"point": {"latitude": 58.0, "longitude": -4.0}}
    ids: list[list[str]] = []
    for number, place in enumerate(places):
        data = {
            "asset_type": "SOL",
            "name": f"{('Meadow', 'Harbour', 'Quarry')[number]} Farm",
            "capability": {"power_kw": 700 + 90 * number},
        }
        wrong = elsewhere if number == 2 else place
        one = await accepted(first, "asset.register.v1", data | {"location": place})
        other = await accepted(second, "asset.register.v1", data | {"location": wrong})
        ids.append([one["id"], other["id"]])
    corrected = {"id": ids[2][1], "location": places[2]}
    await accepted(second, "asset.update.v1", corrected)
    assert len(await working.raw("cases")) == 2

    tried = await run(place_of(working, tmp_path), tmp_path / "run", dry_run=True)
    assert (tried["records"], tried["sent"]) == (6, None)
    shown = {(one["id"], one["other"]) for one in tried["pairs"]}
    assert {tuple(sorted(pair)) for pair in shown} == {tuple(sorted(pair)) for pair in ids}
    assert len(await working.raw("cases")) == 2
    done = await run(place_of(working, tmp_path), tmp_path / "run", dry_run=False)
    cases = {tuple(case["records"]): case for case in await working.raw("cases")}
    assert set(cases) == {tuple(sorted(pair)) for pair in ids}
    assert {case["found_by"] for case in cases.values()} == {"analysis"}
    assert done["sent"] == {"opened": 3, "unchanged": 0, "left": 0}

    again = await run(place_of(working, tmp_path), tmp_path / "run", dry_run=False)
    assert again["sent"] == {"opened": 0, "unchanged": 3, "left": 0}
    assert {tuple(case["records"]): case for case in await working.raw("cases")} == cases


async def test_users_that_level_one_did_not_see_are_cases_and_assets_are_left_alone(
    working: Spine, tmp_path: Path
) -> None:
    """Mistyped, and with an address of which nothing is the other's; a customer is no party."""
    platform = await working.platform(roles=["fsp"])
    place = {"line_1": "12 High Street", "town": "Leeds", "postcode": "LS1 4AB"}
    told: tuple[dict[str, Any], ...] = (
        {"name": "Marlow Tidal Ltd", "address": place},
        {"name": "Malrow Tidal PLC"},
    )
    ids = []
    for number, data in enumerate(told):
        user = {"kind": "organisation", "roles": ["owner"], **data}
        answer = await accepted(platform, "user.register.v1", user, onbehalfof=f"customer {number}")
        ids.append(answer["id"])
    for end in ("AA", "AB"):
        data = {"asset_type": "SOL", "name": "Meadow Farm", "location": {"postcode": f"CB7 9{end}"}}
        await accepted(platform, "asset.register.v1", data)
    before = await working.raw("cases")
    assert sorted(ids) not in [case["records"] for case in before]

    place_here = place_of(working, tmp_path)
    done = await run(place_here, tmp_path / "users", dry_run=False, register="users")
    cases = await working.raw("cases")
    (case,) = (case for case in cases if case["records"] == sorted(ids))
    assert (case["kind"], case["found_by"]) == ("users", "analysis")
    assert (done["register"], done["sent"]["opened"]) == ("users", done["cases"])
    assets = [case for case in before if case["kind"] == "assets"]
    assert [case for case in cases if case["kind"] == "assets"] == assets
    again = await run(place_here, tmp_path / "users", dry_run=False, register="users")
    assert again["sent"] == {"opened": 0, "unchanged": done["cases"], "left": 0}
    assert await working.raw("cases") == cases


async def test_a_portion_goes_again_as_the_same_message_from_another_spool(
    working: Spine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends behind the sending, and the folder of the settings is another one then."""
    first, second = await working.platform(roles=["fsp"]), await working.platform(roles=["fsp"])
    data = {"asset_type": "SOL", "name": "Meadow Farm", "capability": {"power_kw": 700}}
    place = {"point": {"latitude": 51.0, "longitude": -1.0}}
    ids = [
        (await accepted(who, "asset.register.v1", data | {"location": place}))["id"]
        for who in (first, second)
    ]

    class Ended(Exception):
        """The process is gone."""

    def ended(_: Any) -> Any:
        raise Ended

    with monkeypatch.context() as end:
        end.setattr(analysing, "_answer", ended)
        with pytest.raises(Ended):
            await run(place_of(working, tmp_path / "one"), tmp_path / "run", dry_run=False)
    done = await run(place_of(working, tmp_path / "other"), tmp_path / "run", dry_run=False)
    assert sum(done["sent"].values()) == done["cases"]
    assert sorted(ids) in [case["records"] for case in await working.raw("cases")]
