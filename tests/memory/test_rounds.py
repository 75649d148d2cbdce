"""The dearest questions and checks through the desk, on what is sealed: it has rounds enough."""

from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

import pytest

from handlers.admission import Limits
from tests.builders import NOW, asset, command, user
from tests.decider import RULEBOOK, VAULT, reply, said
from tests.memory.workshop import Workshop, open_workshop
from workers.queries import Desk


async def made(workshop: Workshop, type_: str, sender: str, /, **data: Any) -> str:
    """Id of what a command makes."""
    message = command(type_, data, sender=sender, id=str(uuid4()))
    (outcome,) = await workshop.run(message)
    kind, answer = reply(outcome)
    assert ".accepted." in kind, answer
    return str(answer["id"])


async def asked(workshop: Workshop, type_: str, sender: str, data: Mapping[str, Any]) -> Any:
    """What the desk answers to what has to be accepted."""
    desk = Desk(workshop.store, VAULT, RULEBOOK, Limits(), lambda: NOW)
    kind, answer = said(await desk.answer(command(type_, data, sender=sender, id=str(uuid4()))))
    assert ".accepted." in kind, answer
    return answer


async def test_a_delegate_lists_what_persons_own_in_a_portfolio_below() -> None:
    """The dearest way: the mandate, the members, their owners' mandates, and last the keys."""
    workshop = await open_workshop()
    fsp = await made(workshop, "user.register.v1", "operator", **user())
    delegate = await made(workshop, "user.register.v1", "operator", **user(name="Agent Ltd"))
    persons = [
        await made(workshop, "user.register.v1", "operator", **user(
            name=name, kind="person", roles=["owner"],
        ))
        for name in ("Ada Example", "Bo Example")
    ]  # fmt: skip
    top, low = [
        await made(workshop, "asset.register.v1", fsp, asset_type="PFL", name=name, owner=fsp)
        for name in ("Top", "Low")
    ]
    batteries = [
        await made(workshop, "asset.register.v1", fsp, **asset(
            identity={"make": "Acme", "serial": f"SN-{n}"}, name=f"Cellar {n}", owner=person,
        ))
        for n, person in enumerate(persons)
    ]  # fmt: skip
    await made(workshop, "portfolio.add.v1", fsp, id=low, members=batteries)
    await made(workshop, "portfolio.add.v1", fsp, id=top, members=[low])
    for one in (fsp, *persons):
        await made(workshop, "mandate.give.v1", one, delegate=delegate)
    data = {"portfolio": top, "nested": True}
    rows = (await asked(workshop, "asset.list.v1", delegate, data))["assets"]
    assert {row["name"] for row in rows} == {"Low", "Cellar 0", "Cellar 1"}


PLACE: Final[Mapping[str, Any]] = {
    "connection": {"mpan_import": "1000000000040"},
    "location": {"postcode": "CB7 9AA", "point": {"latitude": 52.4, "longitude": 0.26}},
}


@pytest.mark.parametrize(
    ("type_", "data"),
    [
        ("asset.update", {"name": "Roof", "identity": {"serial": "SN-2"}, "meters": []}),
        ("asset.move", PLACE),
        ("asset.retire", {"reason": "other"}),
        ("asset.transfer", {}),
        ("asset.commission", {"commissioned_on": "2026-02-01"}),
        ("asset.refresh", {"groups": ["name", "location"]}),
        ("asset.link-id", {"scheme": "own", "value": "SITE-7"}),
    ],
)
async def test_what_is_asked_of_a_person_s_asset_in_a_portfolio_is_answered(
    type_: str, data: Mapping[str, Any]
) -> None:
    """By a delegate of the owner, for an asset with everything: evidence, a place, a portfolio."""
    workshop = await open_workshop()
    register = "user.register.v1"
    fsp = await made(workshop, register, "operator", **user())
    delegate = await made(workshop, register, "operator", **user(name="Agent Ltd"))
    verifier = await made(workshop, register, "operator", **user(name="V", roles=["verifier"]))
    await made(workshop, "user.confirm.v1", "operator", id=verifier)
    ada, bo = [
        await made(workshop, register, "operator", **user(name=n, kind="person", roles=["owner"]))
        for n in ("Ada Example", "Bo Example")
    ]
    await made(workshop, "mandate.give.v1", ada, delegate=delegate)
    planned = {"lifecycle": "planned"} if type_ == "asset.commission" else {}
    groups = {"location": {"postcode": "SW1A 1AA", "point": {"latitude": 51.5, "longitude": -0.1}}}
    battery = await made(
        workshop, "asset.register.v1", fsp, **asset(owner=ada, name="Cellar", **groups, **planned)
    )
    top = await made(workshop, "asset.register.v1", fsp, asset_type="PFL", owner=fsp)
    await made(workshop, "portfolio.add.v1", fsp, id=top, members=[battery])
    tie = {"id": battery, "party": verifier, "relation": "verifier"}
    await made(workshop, "asset.relate.v1", ada, **tie)
    word = {"scheme": "identity", "verdict": "match", "source": "archive", "expected_revision": 1}
    await made(
        workshop, "asset.attest.v1", verifier, id=battery, evidence_at=NOW.isoformat(), **word
    )
    sender = ada if type_ == "asset.transfer" else delegate
    given = {"id": battery, **data, **({"owner": bo} if type_ == "asset.transfer" else {})}
    await asked(workshop, f"{type_}.check.v1", sender, given)
    await asked(workshop, "asset.history.v1", delegate, {"id": battery, "as_of": NOW.isoformat()})
