"""One asset and those who have to do with it: what they send, are answered, read and are told."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Self
from uuid import uuid4

from handlers.edges import edge, recorded
from tests.builders import NOW, OWNER, PLATFORM, STRANGER, asset, command, issued, user_document
from tests.decider import ENTRIES, Decider, events, reply, rules, said

THIRD: Final = issued("USR", 6000)
"""Another party, who has every role that is recorded."""
BUYER: Final = issued("USR", 7100)
"""A system operator that buys from the asset."""
VERIFIER: Final = issued("USR", 7200)
"""A trusted source."""
HEIR: Final = issued("USR", 7300)
"""Who owns the asset afterwards."""
WITHOUT_ID: Final = {"asset.register", "event.replay"}
REGISTERED: Final = {"users", "assets", "relations", "claims", "history", "proofs"}
ROLES: Final = ["aggregator", "fsp", "mo", "so", "verifier"]


def users() -> Decider:
    """A register with all of them, confirmed."""
    found = Decider()
    for user in (PLATFORM, STRANGER, OWNER, THIRD, BUYER, VERIFIER, HEIR):
        roles = ["owner", *ROLES]
        found.documents["users", user] = user_document(user, roles=roles, status="confirmed")
    return found


@dataclass
class Life:
    """The asset with its register; time goes on by hand."""

    decider: Decider = field(default_factory=users)
    id: str = ""
    told: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)
    """Whom the last command has told what: recipient, type, data."""
    facts: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    """What the last command is to the backbone."""

    @classmethod
    def of(cls, sender: str = PLATFORM, **data: Any) -> Self:
        """An asset of the owner, registered by the platform."""
        life = cls()
        given = asset(owner=OWNER) | data
        life.id = str(life.accept("asset.register", sender, **given)["id"])
        return life

    @property
    def document(self) -> Mapping[str, Any]:
        found = self.decider.documents["assets", self.id]
        assert found is not None
        return found

    def later(self, **span: float) -> datetime:
        """Let time pass."""
        self.decider.now += timedelta(**span)
        return self.decider.now

    def send(self, operation: str, sender: str, **data: Any) -> tuple[str, Any]:
        """Type and data of the answer; what follows from it follows."""
        kind = f"{operation}.v1"
        given = data if operation in WITHOUT_ID else {"id": self.id} | data
        time = (self.decider.now - timedelta(seconds=1)).isoformat()
        message = command(kind, given, sender=sender, id=str(uuid4()), time=time)
        if ENTRIES[kind].kind != "command":
            return said(self.decider.ask(message))
        (outcome,) = self.decider.decide(message)
        self.facts = events(outcome)
        self.heard(self.decider.consequences([outcome]))
        return reply(outcome)

    def heard(self, letters: list[Any]) -> None:
        """Keep what users were told."""
        self.told = [(str(x.recipient), x.type, json.loads(x.body)["data"]) for x in letters]

    def accept(self, operation: str, sender: str = OWNER, **data: Any) -> Any:
        kind, answer = self.send(operation, sender, **data)
        assert ".accepted." in kind, answer
        return answer

    def refuse(self, operation: str, sender: str = OWNER, **data: Any) -> list[tuple[str, str]]:
        before = dict(self.decider.documents)
        kind, answer = self.send(operation, sender, **data)
        assert ".rejected." in kind, answer
        after = {k: d for k, d in self.decider.documents.items() if k[0] in REGISTERED}
        assert after == {k: d for k, d in before.items() if k[0] in REGISTERED}
        return rules(answer)

    def relate(self, party: str, relation: str, service: str | None = None) -> None:
        """A tie that holds from now on."""
        tie = {"as": relation, "from": self.decider.now, "until": None, "service": service}
        row = recorded(self.id, party, [tie])
        self.decider.documents["relations", edge(self.id, party)] = row

    def unrelate(self, party: str) -> None:
        """End the ties of a party."""
        was = self.decider.documents["relations", edge(self.id, party)]
        assert was is not None
        ties = [{**tie, "until": self.decider.now} for tie in was["ties"]]
        self.decider.documents["relations", edge(self.id, party)] = recorded(
            self.id, party, ties, was
        )

    def update(self, sender: str = OWNER, **groups: Any) -> Any:
        return self.accept("asset.update", sender, **groups)

    def seen(self, viewer: str) -> Any:
        """The asset as a viewer gets it, None where it gets nothing."""
        kind, data = self.send("asset.get", viewer)
        return data if ".accepted." in kind else None

    def told_of(self, kind: str) -> dict[str, Mapping[str, Any]]:
        """By recipient what it was told of a type."""
        return {who: data for who, of, data in self.told if of == f"{kind}.v1"}

    def notices(self, recipient: str, state: str = "open") -> set[str]:
        """Types of what waits for a recipient's action."""
        rows = self.decider.of("notices")
        return {r["type"] for r in rows if (r["recipient"], r["state"]) == (recipient, state)}

    def due(self) -> None:
        """Let every timer whose time has come do what it does, and tell of it."""
        outcomes = self.decider.due()
        self.facts = [one for outcome in outcomes for one in events(outcome)]
        personal = [x for o in outcomes for x in o.letters if x.kind == "personal"]
        self.heard([*personal, *self.decider.consequences(outcomes)])


def moment(at: datetime = NOW) -> str:
    """A moment as a message says it."""
    return at.isoformat().replace("+00:00", "Z")
