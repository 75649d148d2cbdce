"""A register in memory, and a crowd that sends valid commands by chance; some are erased."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

from handlers.admission import Delivery
from tests.builders import NOW, asset, command, user
from workers.local import LocalRegister, open_register

ERASED_SHARE: Final = 0.6
ROLES: Final = ("fsp", "aggregator", "mo", "so", "owner")
USERS_MIN: Final = 20
COMMANDS_PER_USER: Final = 400
GROUPS: Final[Sequence[Callable[[int], dict[str, Any]]]] = (
    lambda n: {"name": f"name {n}"},
    lambda n: {"capability": {"power_kw": n % 90 + 0.5}},
    lambda n: {"identity": {"make": "Acme", "serial": f"SN-{n}"}},
    lambda n: {"location": {"point": {"latitude": 51.5, "longitude": -0.001 * (n % 900)}}},
    lambda n: {"technologies": [{"source": "sun", "conversion": f"kind {n % 7}"}]},
)


@dataclass
class Crowd:
    """Who is there, what belongs to whom, and what was sent; each second a batch."""

    register: LocalRegister
    chance: Random
    now: list[datetime]
    users_max: int
    users: list[str] = field(default_factory=list)
    persons: set[str] = field(default_factory=set)
    owners: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    """Asset -> who registered it, and its owner."""
    portfolios: dict[str, str] = field(default_factory=dict)
    erased: list[str] = field(default_factory=list)
    numbers: dict[str, int] = field(default_factory=dict)
    """User -> the number that is in all that it said of itself when it was registered."""
    taken: list[int] = field(default_factory=list)
    """Numbers of who was erased."""
    outcomes: Counter[str] = field(default_factory=Counter)
    types: Counter[str] = field(default_factory=Counter)
    count: int = 0

    async def play(self, accepted: int) -> None:
        """Send until so many commands were accepted."""
        while self.outcomes["accepted"] < accepted:
            kind = self.chance.choice(self._possible())
            await kind()

    def _possible(self) -> list[Callable[[], Any]]:
        kinds: list[Callable[[], Any]] = []
        if len(self.users) < self.users_max:
            kinds += [self._join] * 2
        if len(self.users) > self.users_max // 4:
            kinds += [self._improve] * 6 + [self._relate, self._unrelate, self._mandate]
            kinds += [self._share, self._correct, self._transfer, self._gather, self._link]
            kinds += [self._add] * 3 if len(self.owners) < 2 * self.users_max else [self._retire]
        half = self.users_max // 2
        if len(self.users) > half > len(self.erased) and self.chance.random() < ERASED_SHARE:
            kinds.append(self._erase)
        return kinds or [self._join]

    async def _send(self, sender: str, *messages: tuple[str, dict[str, Any]], **more: Any) -> Any:
        """One batch of one mailbox, and all that follows; data of the last answer."""
        self.now[0] += timedelta(seconds=1)
        batch = [self._message(sender, kind, data, **more) for kind, data in messages]
        queue = self.register.entries[batch[0].type].queue
        outcomes = await self.register.engines[queue].run(batch)
        self.outcomes.update(outcome.kind for outcome in outcomes)
        self.types.update(kind for kind, _ in messages)
        self.now[0] += timedelta(milliseconds=1)
        letters = [letter for outcome in outcomes for letter in outcome.letters]
        await self.register._consequences(letters)
        answers = [json.loads(x.body)["data"] for x in letters if x.kind == "reply"]
        return answers[-1] if outcomes[-1].kind == "accepted" else None

    def _message(self, sender: str, kind: str, data: dict[str, Any], **more: Any) -> Delivery:
        self.count += 1
        time = (self.now[0] - timedelta(seconds=1)).isoformat()
        return command(kind, data, sender=sender, id=f"c-{self.count}", time=time, **more)

    def _one(self, among: Sequence[str]) -> str:
        return self.chance.choice(among)

    async def _join(self) -> None:
        is_person, number = self.chance.random() < 0.4, self.count
        sender = self._one(self.users) if self.users and self.chance.random() < 0.3 else "operator"
        data = user(
            kind="person" if is_person else "organisation",
            name=f"Name {self.count}",
            roles=["owner"] if is_person else [*ROLES],
            claims={} if is_person else {"company_number": f"{1_000_000 + self.count:08d}"},
            address={"town": f"Town {self.count}"},
            bank={"account_name": f"Bank {self.count}"},
        )
        said = await self._send(
            sender, ("user.register.v1", data), onbehalfof=f"customer {self.count}"
        )
        if said is not None:
            self.users.append(said["id"])
            self.numbers[said["id"]] = number
            self.persons |= {said["id"]} if is_person else set()

    async def _add(self) -> None:
        sender = self._one(self.users)
        owner = self._one(sorted(self.persons)) if self.chance.random() < 0.5 else None
        data = asset(identity={"make": "Acme", "serial": f"SN-{self.count}"}, name="Roof")
        data |= {"owner": owner} if owner else {}
        said = await self._send(sender, ("asset.register.v1", data))
        if said is not None:
            self.owners[said["id"]] = (sender, owner)

    async def _improve(self) -> None:
        """Several changes of one party's assets, in one batch."""
        if not self.owners:
            await self._add()
            return
        one = self._one(list(self.owners))
        sender = self.owners[one][0]
        mine = [a for a, (by, _) in self.owners.items() if by == sender]
        changes = []
        for _ in range(self.chance.randint(1, 9)):
            group = self.chance.choice(GROUPS)(self.chance.randrange(10_000))
            changes.append(("asset.update.v1", {"id": self._one(mine), **group}))
        await self._send(sender, *changes)

    async def _tie(self, verb: str) -> None:
        if self.owners:
            one = self._one(list(self.owners))
            data = {"id": one, "party": self._one(self.users), "relation": self._one(ROLES[:4])}
            await self._send(self.owners[one][0], (f"asset.{verb}.v1", data))

    async def _relate(self) -> None:
        await self._tie("relate")

    async def _unrelate(self) -> None:
        await self._tie("unrelate")

    async def _mandate(self) -> None:
        await self._send(self._one(self.users), ("mandate.give.v1", {"delegate": self._other()}))

    def _other(self) -> str:
        return self._one(self.users)

    async def _share(self) -> None:
        group = self._one(("name", "address", "bank", "contacts"))
        data = {"party": self._other(), "groups": [group]}
        await self._send(self._one(self.users), ("sharing.grant.v1", data))

    async def _correct(self) -> None:
        one = self._one(self.users)
        data = {"id": one, "address": {"town": f"Town {self.count}"}}
        await self._send(one, ("user.update.v1", data))

    async def _transfer(self) -> None:
        if self.owners:
            one = self._one(list(self.owners))
            sender, heir = self.owners[one][1] or self.owners[one][0], self._one(self.users)
            if await self._send(sender, ("asset.transfer.v1", {"id": one, "owner": heir})):
                self.owners[one] = (self.owners[one][0], heir)

    async def _link(self) -> None:
        if self.owners:
            one = self._one(list(self.owners))
            external = {"scheme": "platform", "value": f"X-{self.count}"}
            await self._send(self.owners[one][0], ("asset.link-id.v1", {"id": one, **external}))

    async def _gather(self) -> None:
        """Assets into a portfolio of their party's."""
        if not self.owners:
            return
        sender = self.owners[self._one(list(self.owners))][0]
        mine = [a for a, (by, _) in self.owners.items() if by == sender]
        held = [p for p, by in self.portfolios.items() if by == sender]
        if not held:
            data = {"asset_type": "PFL", "name": "All of it"}
            said = await self._send(sender, ("asset.register.v1", data))
            if said is not None:
                self.portfolios[said["id"]] = sender
            return
        wish = {"id": held[0], "assets": mine[:5]}
        await self._send(sender, ("portfolio.add.v1", wish))

    async def _retire(self) -> None:
        one = self._one(list(self.owners))
        if await self._send(self.owners[one][0], ("asset.retire.v1", {"id": one})):
            del self.owners[one]

    async def _erase(self) -> None:
        one = self._one(self.users)
        await self._send("operator", ("user.retire.v1", {"id": one}))
        data = {"id": one, "confirm_id": one}
        if await self._send("operator", ("user.erase.v1", data)) is not None:
            self.erased.append(one)
            self.taken.append(self.numbers[one])
            self.users.remove(one)
            self.persons.discard(one)
            self.owners = {a: o for a, o in self.owners.items() if one not in o}
            self.portfolios = {p: by for p, by in self.portfolios.items() if by != one}


async def gather(seed: int, accepted: int) -> Crowd:
    """A register in which so many commands of several mailboxes were accepted."""
    now = [NOW]
    register = await open_register(f"crowd {seed}", lambda: now[0])
    crowd = Crowd(register, Random(seed), now, max(USERS_MIN, accepted // COMMANDS_PER_USER))  # noqa: S311  the same commands for the same seed
    await crowd.play(accepted)
    return crowd
