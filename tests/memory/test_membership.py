"""Lists of a portfolio through the desk: also of assets whose names are sealed."""

import json
from typing import Any
from uuid import uuid4

from handlers.admission import Limits
from handlers.letters import Letter
from tests.builders import NOW, asset, command, user
from tests.decider import RULEBOOK, VAULT, reply
from tests.memory.workshop import Workshop, open_workshop
from workers.queries import Desk


async def made(workshop: Workshop, type_: str, sender: str, /, **data: Any) -> str:
    """Id of what a command makes."""
    message = command(type_, data, sender=sender, id=str(uuid4()))
    (outcome,) = await workshop.run(message)
    kind, answer = reply(outcome)
    assert ".accepted." in kind, answer
    return str(answer["id"])


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
    desk = Desk(workshop.store, VAULT, RULEBOOK, Limits(), lambda: NOW)
    data = {"portfolio": top, "nested": True}
    letter = await desk.answer(command("asset.list.v1", data, sender=delegate, id="q"))
    assert isinstance(letter, Letter)
    rows = json.loads(letter.body)["data"]["assets"]
    assert {row["name"] for row in rows} == {"Low", "Cellar 0", "Cellar 1"}
