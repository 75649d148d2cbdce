"""A register with portfolios: what is sent is decided, and whatever follows from it, to the end."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from contracts.messages import Event
from contracts.taxonomy import BACKBONE
from handlers.admission import Delivery
from handlers.case import Outcome
from handlers.edges import edge, recorded
from handlers.letters import Letter
from tests.builders import NOW, OWNER, PLATFORM, command, issued
from tests.decider import Decider, reply, rules, said

MPAN: Final = "2000000000015"


def portfolio_id(number: int) -> str:
    """The id of the portfolio with this number in a test."""
    return issued("PFL", 10_000 + 100 * number)


def asset_id(number: int, kind: str = "BAT") -> str:
    """The id of the asset with this number in a test."""
    return issued(kind, 20_000 + 100 * number)


@dataclass
class Scene:
    """Documents, and the facts that wait to be dealt with."""

    decider: Decider = field(default_factory=Decider)
    waiting: deque[Delivery] = field(default_factory=deque)
    told: list[Letter] = field(default_factory=list)
    count: int = 0

    def portfolio(self, number: int, **changes: Any) -> str:
        """A portfolio that the platform has registered."""
        return self._asset(portfolio_id(number), "PFL", changes)

    def asset(self, number: int, kind: str = "BAT", **changes: Any) -> str:
        """An asset that the platform has registered."""
        return self._asset(asset_id(number, kind), kind, changes)

    def _asset(self, key: str, kind: str, changes: Mapping[str, Any]) -> str:
        self.decider.documents["assets", key] = {
            "_id": key,
            "revision": 1,
            "status": "provisional",
            "status_at": NOW,
            "registrant": PLATFORM,
            "registered_at": NOW,
            "asset_type": kind,
            "lifecycle": "operating",
            "location": {"postcode": "SW1A 1AA"},
            **changes,
        }
        return key

    def tie(self, asset: str, party: str, relation: str) -> None:
        """A recorded relation."""
        held = [{"as": relation, "from": NOW, "until": None, "by": PLATFORM, "at": NOW}]
        self.decider.documents["relations", edge(asset, party)] = recorded(asset, party, held)

    def send(
        self, kind: str, data: Mapping[str, Any], *, sender: str = PLATFORM
    ) -> Mapping[str, Any]:
        """Data of the answer; what follows waits."""
        self.count += 1
        (outcome,) = self.decider.decide(
            command(kind, data, sender=sender, id=f"command-{self.count}")
        )
        self._take([outcome])
        return reply(outcome)[1]

    def ask(
        self, kind: str, data: Mapping[str, Any], *, sender: str = PLATFORM
    ) -> Mapping[str, Any]:
        """Data of the answer to a question."""
        self.count += 1
        question = command(kind, data, sender=sender, id=f"command-{self.count}")
        return said(self.decider.ask(question))[1]

    def add(self, portfolio: str, *members: str, sender: str = PLATFORM) -> Mapping[str, Any]:
        data = {"id": portfolio, "members": list(members)}
        return self.send("portfolio.add.v1", data, sender=sender)

    def remove(self, portfolio: str, *members: str, sender: str = PLATFORM) -> Mapping[str, Any]:
        data = {"id": portfolio, "members": list(members)}
        return self.send("portfolio.remove.v1", data, sender=sender)

    def sums(self, portfolio: str, *, sender: str = PLATFORM) -> Mapping[str, Any]:
        """The group `members` as its reader is shown it."""
        found = self.ask("asset.get.v1", {"id": portfolio}, sender=sender)
        members: Mapping[str, Any] = found["members"]
        return members

    def settle(self) -> None:
        """Deal with every fact, and with what follows from those."""
        while self.waiting:
            self.step()

    def step(self, place: int = 0) -> None:
        """Deal with one of the facts that wait; what is not done goes first."""
        place = 0 if self.waiting[0].ticket is not None else place
        fact = self.waiting[place]
        del self.waiting[place]
        self._take(self.decider.decide(fact))

    def _take(self, outcomes: Iterable[Outcome]) -> None:
        for outcome in outcomes:
            assert outcome.kind not in {"poisoned", "exhausted"}, outcome.writes
            for letter in outcome.letters:
                if letter.kind == "domain" and not letter.is_private:
                    self.waiting.append(Delivery(letter.body, letter.type, BACKBONE))
                elif letter.kind == "personal":
                    self.told.append(letter)
            if outcome.kind == "continued":
                self.waiting.appendleft(self.decider._again(outcome))

    def told_to(self, recipient: str) -> list[tuple[str, Mapping[str, Any]]]:
        """Types and data of what a user was told."""
        return [said(letter) for letter in self.told if letter.recipient == recipient]


def fact(event: Event, number: int = 0) -> Delivery:
    """An event as the backbone itself announces it."""
    letter = Letter.fact(event, f"fact-{event.entity}-{number}", NOW)
    return Delivery(letter.body, letter.type, BACKBONE)


def refusals(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Rule and field of what speaks against a command."""
    return rules(data) if "findings" in data else []


__all__ = ["MPAN", "OWNER", "PLATFORM", "Scene", "asset_id", "fact", "portfolio_id", "refusals"]
