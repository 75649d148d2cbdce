"""A register with users, assets and ties by chance, and what chance lets them send."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from handlers.case import Outcome
from handlers.edges import recorded
from tests.builders import NOW, command
from tests.decider import Decider, reply, said
from tests.memory.oracle import Oracle, Tie

RELATIONS: Final = ("aggregator", "fsp", "so", "mo", "verifier")
GROUPS: Final = (
    "name", "identity", "connection", "location", "capability", "technologies", "day", "area",
)  # fmt: skip
SHARED: Final = ("name", "address", "bank", "contacts", "claims")
AREAS: Final = "ABCDEFGHJKLMNP"
Step = tuple[str, int, int, int, int]
"""What is sent, by which user, about which thing, with which detail, after how many minutes."""


@dataclass(frozen=True)
class Plan:
    """What chance has drawn; numbers are taken as places in the lists that they point into."""

    users: tuple[tuple[bool, int], ...]
    """Whether it is an operator, and who registers it: an earlier user, or the operator."""
    assets: tuple[tuple[int, int, bool], ...]
    """Registrant, owner, and whether it is planned."""
    ties: tuple[tuple[int, int, str, int, int], ...]
    """Asset, party, relation, and beginning and length in minutes; no end where that is 0."""
    steps: tuple[Step, ...]


@dataclass
class Stage:
    """The register, the oracle beside it, and what has not been told yet."""

    decider: Decider = field(default_factory=lambda: Decider(documents={}))
    oracle: Oracle = field(default_factory=Oracle)
    users: list[str] = field(default_factory=list)
    assets: list[str] = field(default_factory=list)
    waiting: list[tuple[Outcome, datetime]] = field(default_factory=list)
    count: int = 0

    def play(self, plan: Plan) -> None:
        """Set the stage, and let everybody send what chance says; every letter is looked at."""
        for number, (is_operator, registrant) in enumerate(plan.users):
            self._add_user(number, registrant, is_operator=is_operator)
        for registrant, owner, is_planned in plan.assets:
            self._add_asset(registrant, owner, is_planned=is_planned)
        for asset, party, relation, begin, length in plan.ties:
            self._tie(asset, party, relation, begin, length)
        for kind, sender, thing, detail, minutes in plan.steps:
            self.decider.now += timedelta(minutes=minutes)
            getattr(self, kind)(self.users[sender % len(self.users)], thing, detail)
        self.tell("", 0, 0)

    def send(self, sender: str, kind: str, data: Mapping[str, Any], **more: Any) -> Any:
        """Data of the answer, which its sender may read; facts wait to be told."""
        self.count += 1
        message = command(kind, data, sender=sender, id=_uuid(self.count), **more)
        sent, about, now = json.dumps(data), str(data.get("id", "")), self.decider.now
        if kind.split(".")[-2] in {"check", "get", "list", "search"}:
            letter = self.decider.ask(message)
            assert letter is not None
            self.oracle.look(letter, now, sent, about)
            return said(letter)[1]
        (outcome,) = self.decider.decide(message)
        assert outcome.kind in {"accepted", "rejected"}, outcome
        for letter in outcome.letters:
            if letter.kind == "reply":
                self.oracle.look(letter, now, sent, about)
        self.waiting.append((outcome, now))
        return reply(outcome)[1]

    def tell(self, _sender: str, _thing: int, _detail: int) -> None:
        """What has waited is told, as it was seen when it happened; a replay as it is seen now."""
        waiting, self.waiting = self.waiting, []
        for outcome, happened in waiting:
            for letter in self.decider.consequences([outcome]):
                again = "replayed" in json.loads(letter.body)
                self.oracle.look(letter, self.decider.now if again else happened)

    def get_asset(self, sender: str, thing: int, _detail: int) -> None:
        self.send(sender, "asset.get.v1", {"id": self._asset(thing)})

    def get_user(self, sender: str, thing: int, _detail: int) -> None:
        self.send(sender, "user.get.v1", {"id": self._user(thing)})

    def search(self, sender: str, thing: int, detail: int) -> None:
        """By a word of somebody's name, or whoever there is; in pages of a few."""
        asked: dict[str, Any] = {"limit": 1 + detail % 3}
        if detail % 2:
            asked["text"] = f"nameword{thing % len(self.users)}u"
        cursor: dict[str, str] = {}
        while True:
            answer = self.send(sender, "directory.search.v1", {**asked, **cursor})
            if "cursor" not in answer:
                return
            cursor = {"cursor": answer["cursor"]}

    def update(self, sender: str, thing: int, detail: int) -> None:
        """One group of an asset with new values, perhaps by a stale revision."""
        self._update(sender, thing, detail, "asset.update.v1")

    def check(self, sender: str, thing: int, detail: int) -> None:
        self._update(sender, thing, detail, "asset.update.check.v1")

    def _update(self, sender: str, thing: int, detail: int, kind: str) -> None:
        asset = self._asset(thing)
        document = self.decider.documents["assets", asset]
        assert document is not None
        given, tokens = self._values(GROUPS[detail % len(GROUPS)], document["lifecycle"])
        stale = {"expected_revision": 1 + detail % 3} if detail % 2 else {}
        answer = self.send(sender, kind, {"id": asset, **given, **stale})
        if "findings" not in answer and "check" not in kind:
            self._know(asset, tokens)

    def claim(self, sender: str, thing: int, detail: int) -> None:
        """Register what is there already, or say that one would."""
        kind = "asset.register.check.v1" if detail % 2 else "asset.register.v1"
        held = self.decider.documents["assets", self._asset(thing)]
        assert held is not None
        identity = _plain(held.get("identity"))
        if identity.get("serial"):
            data = {"asset_type": "SOL", "identity": identity}
            self.send(sender, kind, data)

    def claim_user(self, sender: str, thing: int, detail: int) -> None:
        kind = "user.register.check.v1" if detail % 2 else "user.register.v1"
        number = f"{1_000_000 + thing % len(self.users):08d}"
        claims = {"company_number": number}
        data = {"kind": "organisation", "name": "Again", "roles": ["fsp"], "claims": claims}
        self.send(sender, kind, data, onbehalfof="again")

    def replay(self, sender: str, _thing: int, _detail: int) -> None:
        self.send(sender, "event.replay.v1", {"from_sequence": 1})

    def relate(self, sender: str, thing: int, detail: int) -> None:
        until = self.decider.now + timedelta(minutes=10 + detail)
        data = {"id": self._asset(thing), "party": self._user(detail), "relation": _one(detail)}
        end = {"until": until.isoformat()} if detail % 2 else {}
        answer = self.send(sender, "asset.relate.v1", {**data, **end})
        if "findings" not in answer:
            tie = (data["id"], data["party"], data["relation"], self.decider.now)
            self.oracle.ties.append(Tie(*tie, until if end else None))

    def unrelate(self, sender: str, thing: int, detail: int) -> None:
        data = {"id": self._asset(thing), "party": self._user(detail), "relation": _one(detail)}
        if "findings" not in self.send(sender, "asset.unrelate.v1", data):
            self._end(data["id"], data["party"], data["relation"])

    def give(self, sender: str, thing: int, _detail: int) -> None:
        delegate = self._user(thing)
        if "findings" not in self.send(sender, "mandate.give.v1", {"delegate": delegate}):
            self.oracle.ties.append(Tie(sender, delegate, "delegate", self.decider.now, None))

    def end(self, sender: str, thing: int, _detail: int) -> None:
        delegate = self._user(thing)
        if "findings" not in self.send(sender, "mandate.end.v1", {"delegate": delegate}):
            self._end(sender, delegate, "delegate")

    def share(self, sender: str, thing: int, detail: int) -> None:
        """Let another read a group, for a while or without end."""
        party, group = self._user(thing), SHARED[detail % len(SHARED)]
        until = self.decider.now + timedelta(minutes=5 + detail) if detail % 2 else None
        end = {"until": until.isoformat()} if until is not None else {}
        wish = {"party": party, "groups": [group], **end}
        if "findings" not in self.send(sender, "sharing.grant.v1", wish):
            tie = Tie(sender, party, "reader", self.decider.now, until, group=group)
            self.oracle.ties.append(tie)

    def unshare(self, sender: str, thing: int, detail: int) -> None:
        party, group = self._user(thing), SHARED[detail % len(SHARED)]
        wish = {"party": party, "groups": [group]}
        if "findings" not in self.send(sender, "sharing.revoke.v1", wish):
            self._end(sender, party, "reader", group)

    def update_user(self, sender: str, thing: int, detail: int) -> None:
        """A group of a user's own record with new values."""
        self.count += 1
        word = f"newword{self.count:04d}x"
        given: dict[str, Any] = {"name": word} if detail % 2 else {"address": {"town": word}}
        group = next(iter(given))
        answer = self.send(sender, "user.update.v1", {"id": self._user(thing), **given})
        if "findings" not in answer:
            self._know(self._user(thing), {word: group})

    def _end(self, entity: str, party: str, relation: str, group: str | None = None) -> None:
        now = self.decider.now
        for tie in self.oracle.ties:
            found = (tie.entity, tie.party, tie.relation, tie.group)
            if found == (entity, party, relation, group):
                end = max(now, tie.begin)
                tie.end = end if tie.end is None else min(tie.end, end)

    def _asset(self, thing: int) -> str:
        return self.assets[thing % len(self.assets)]

    def _user(self, thing: int) -> str:
        return self.users[thing % len(self.users)]

    def _know(self, entity: str, tokens: Mapping[str, str]) -> None:
        self.oracle.tokens |= {token: (entity, group) for token, group in tokens.items()}

    def _add_user(self, number: int, registrant: int, *, is_operator: bool) -> None:
        sender = "operator"
        if not is_operator and self.users and registrant % 3:
            sender = self._user(registrant)
        words = {group: f"{group}word{number}u" for group in ("name", "address", "bank")}
        phone = f"+44207946{number:04d}"
        data: dict[str, Any] = {
            "kind": "person" if number % 2 else "organisation",
            "name": words["name"],
            "roles": ["operator"] if is_operator else [*RELATIONS, "owner"],
            "claims": {"company_number": f"{1_000_000 + number:08d}"},
            "address": {"town": words["address"]},
            "contacts": [{"name": "Desk", "phone": phone}],
            "bank": {"account_name": words["bank"]},
        }
        answer = self.send(sender, "user.register.v1", data, onbehalfof=f"customer {number}")
        user = str(answer["id"])
        document = self.decider.documents["users", user]
        assert document is not None
        if not is_operator:
            # Whoever is confirmed as a verifier sees every organisation.
            is_confirmed = number % 3 != 1
            roles = [one for one in RELATIONS if one != "verifier" or not is_confirmed]
            changes = {"roles": [*roles, "owner"]}
            changes |= {"status": "confirmed"} if is_confirmed else {}  # type: ignore[dict-item]
            self.decider.documents["users", user] = {**document, **changes}
            self.oracle.confirmed |= {user} if is_confirmed else set()
        else:
            # An operator's role counts from its confirmation on.
            self.decider.documents["users", user] = {**document, "status": "confirmed"}
            self.oracle.confirmed |= {user}
        self.users.append(user)
        self.oracle.registrants[user] = sender
        self.oracle.persons |= {user} if number % 2 else set()
        self.oracle.operators |= {user} if is_operator else set()
        if sender != "operator":
            self.oracle.ties.append(Tie(user, sender, "delegate", self.decider.now, None))
        groups = {words[group]: group for group in words}
        claims = {f"{1_000_000 + number:08d}": "claims", phone: "contacts"}
        self._know(user, groups | claims)

    def _add_asset(self, registrant: int, owner: int, *, is_planned: bool) -> None:
        sender = self._user(registrant)
        lifecycle = "planned" if is_planned else "operating"
        data: dict[str, Any] = {"asset_type": "BAT", "lifecycle": lifecycle}
        tokens: dict[str, str] = {}
        for group in GROUPS:
            given, found = self._values(group, lifecycle)
            for name, value in given.items():
                data[name] = data.get(name, {}) | value if isinstance(value, dict) else value
            tokens |= found
        if owner % 3:
            data["owner"] = self._user(owner)
        asset = str(self.send(sender, "asset.register.v1", data)["id"])
        self.assets.append(asset)
        self.oracle.registrants[asset] = sender
        if "owner" in data:
            self.oracle.owners[asset] = data["owner"]
        self._know(asset, tokens)

    def _values(self, group: str, lifecycle: str) -> tuple[dict[str, Any], dict[str, str]]:
        """New values of a group, and the texts by which they are recognised."""
        self.count += 1
        n = self.count
        word, number = f"{group}word{n:04d}x", 300 + n + 0.0625
        day = "expected_on" if lifecycle == "planned" else "commissioned_on"
        year = (2040 if lifecycle == "planned" else 1930) + n % 60
        when = f"{year}-{1 + n // 60 % 12:02d}-{1 + n // 720 % 28:02d}"
        area = f"_{AREAS[n % len(AREAS)]}"
        found: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
            "name": ({"name": word}, {word: "name"}),
            "identity": ({"identity": {"make": "Acme", "serial": word}}, {word: "identity"}),
            "connection": ({"connection": {"gsp": word}}, {word: "connection"}),
            "location": ({"location": {"town": word}}, {word: "location"}),
            "capability": ({"capability": {"power_kw": number}}, {f"{number}": "capability"}),
            "technologies": ({"technologies": [{"source": word}]}, {word: "technologies"}),
            "day": ({day: when}, {when: day}),
            "area": ({"connection": {"gsp_group": area}}, {}),
        }
        return found[group]

    def _tie(self, asset: int, party: int, relation: str, begin: int, length: int) -> None:
        first = NOW + timedelta(minutes=begin)
        end = first + timedelta(minutes=length) if length else None
        tie = Tie(self._asset(asset), self._user(party), relation, first, end)
        key = ("relations", f"{tie.entity}/{tie.party}")
        was = self.decider.documents.get(key)
        row = {"as": relation, "from": first, "until": end, "service": "DC"}
        kept = [*was["ties"], row] if was is not None else [row]
        self.decider.documents[key] = recorded(tie.entity, tie.party, kept, was)
        self.oracle.ties.append(tie)


def _one(detail: int) -> str:
    return RELATIONS[detail % len(RELATIONS)]


def _plain(value: Any) -> dict[str, Any]:
    inner = getattr(value, "value", value)
    return dict(inner or {})


def _uuid(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"
