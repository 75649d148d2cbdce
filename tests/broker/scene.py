"""A cast on a backbone, and after each scene who was told what, and that nobody else was."""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final, Self

from tests.spine import Platform, Received, Spine, eventually, user

Given = dict[str, Any]
MARKETS: Final = ("mo1", "mo2", "mo3")
FSP: Final[dict[str, Any]] = {
    "kind": "organisation", "name": "Harbour Flex Ltd", "roles": ["fsp"],
    "claims": {"company_number": "01234567"},
}  # fmt: skip
COMMERCIAL: Final[dict[str, Any]] = {
    "address": {"line_1": "1 Quay Street", "town": "Exampleton", "postcode": "SW1A 1AA"},
    "contacts": [{"name": "Bo Desk", "email": "bo@example.com"}],
    "bank": {"account_name": "Harbour Flex", "sort_code": "202015", "account_number": "31926819"},
    "insurance": {"insurer": "Acme Mutual", "reference": "P-1"},
}
MOVED: Final[dict[str, Any]] = {
    "bank": {"account_number": "12345678"},
    "contacts": [{"name": "Cy Desk", "email": "cy@example.com"}],
    "insurance": {"reference": "P-2"},
}
"""What changes of it later; the rest of each group stays."""
SHARED: Final = ["bank", "contacts"]
TERMS: Final = "Deliver what was sold."
INTEREST: Final[dict[str, Any]] = {
    "services": ["DFS"], "areas": ["_A"], "note": "Four batteries.", "groups": SHARED,
}  # fmt: skip


async def accepted(party: Platform, kind: str, data: Mapping[str, Any], **more: Any) -> Given:
    """Send what has to be accepted, and give what it is answered with."""
    reply = await party.ask(kind, data, **more)
    stem, _, version = kind.rpartition(".")
    assert reply.type == f"{stem}.accepted.{version}", reply.envelope
    return reply.data


async def refused(party: Platform, kind: str, data: Mapping[str, Any], **more: Any) -> Given:
    """Send what has to be refused, and give the code and the findings."""
    reply = await party.ask(kind, data, **more)
    stem, _, version = kind.rpartition(".")
    assert reply.type == f"{stem}.rejected.{version}", reply.envelope
    return reply.data


async def asked(party: Platform) -> set[tuple[str, str]]:
    """What waits for a party's action: types and subjects."""
    page = await accepted(party, "notice.list.v1", {})
    return {(one["type"], one["subject"]) for one in page["notices"]}


def personal(party: Platform) -> list[Received]:
    """All that a party was told without having asked, each once, though it be told again."""
    told = (one for one in party.received if "correlationid" not in one.envelope)
    return list({one.envelope["id"]: one for one in told}.values())


@dataclass
class Scene:
    """The parties by their parts, and how much of what each was told has been looked at."""

    spine: Spine
    operator: Platform
    desk: Platform
    bell: Platform
    """Somebody who has to do with nobody: when it is told, all that was before has been told."""
    parties: dict[str, Platform] = field(default_factory=dict)
    looked_at: dict[str, int] = field(default_factory=dict)
    assets: dict[str, str] = field(default_factory=dict)
    """Ids of assets, by what they are called here."""
    rung: int = 0

    @classmethod
    async def open(cls, spine: Spine) -> Self:
        bell = await spine.platform(name="Bell Ringers Ltd", roles=["special"])
        return cls(spine, await spine.operator(), await spine.front_desk(), bell)

    def __getitem__(self, part: str) -> Platform:
        return self.parties[part]

    def some(self, *parts: str) -> Iterator[Platform]:
        """Several of the parties."""
        return (self.parties[part] for part in parts)

    async def enter(self, part: str, by: Platform, onbehalfof: str = "", **data: Any) -> Given:
        """Let somebody register a party, and the party log in; what the answer was."""
        key = secrets.token_urlsafe(24)
        more = {"onbehalfof": onbehalfof} if onbehalfof else {}
        given = await accepted(by, "user.register.v1", user(key, **data), **more)
        await eventually(lambda: self.spine.has_account(given["id"]))
        self.parties[part] = await self.spine.connect(given["id"], key)
        self.looked_at[part] = 0
        return given

    async def told(self, **wanted: list[str]) -> None:
        """Compare what each was told since the last time; who is not named was told nothing."""
        await self.everything_is_told()
        for party in self.parties.values():
            count = await self._last(party)
            await party.until(lambda p=party, n=count: len(personal(p)) >= n)  # type: ignore[misc]
        news = {part: [one.type for one in self._news(part)] for part in self.parties}
        self.looked_at = {part: len(personal(p)) for part, p in self.parties.items()}
        heard = {part: types for part, types in news.items() if types}
        assert heard == wanted, f"expected {wanted}, got {heard}"

    def said(self, part: str, kind: str) -> Given:
        """What the last event of a kind said to a party."""
        return [one.data for one in personal(self[part]) if one.type == kind][-1]

    def leave(self, part: str) -> Platform:
        """A party that can be told no more."""
        self.looked_at.pop(part)
        return self.parties.pop(part)

    def _news(self, part: str) -> list[Received]:
        return personal(self.parties[part])[self.looked_at[part] :]

    async def everything_is_told(self) -> None:
        """Return when all that has happened was told, and what followed from it.

        What has left the outbox stands in the queue of the notices before the bell does.
        """
        for _ in range(2):
            await eventually(self._is_sent)
            await self._ring()
        await eventually(self._is_sent)

    async def _ring(self) -> None:
        self.rung += 1
        change = {"id": self.bell.user, "profile": {"services": [("DC", "DM")[self.rung % 2]]}}
        await accepted(self.operator, "user.update.v1", change)
        await self.bell.until(lambda: len(self._rings()) >= self.rung)

    def _rings(self) -> list[Received]:
        """What the bell was told of itself, and not of what everybody is told."""
        return [one for one in personal(self.bell) if one.type == "user.updated.v1"]

    async def _is_sent(self) -> bool:
        return await self.spine.count("outbox") == 0

    async def _last(self, party: Platform) -> int:
        """How many events there are for a party, by its own count."""
        rows = await self.spine.raw("sequences", _id=party.user)
        return int(rows[0]["last"]) if rows else 0


async def the_market_is_there(scene: Scene) -> None:
    """Three MOs and a verifier, whom the operator has registered and confirmed."""
    for part in (*MARKETS, "verifier"):
        role = "verifier" if part == "verifier" else "mo"
        given = await scene.enter(part, scene.operator, name=f"The {part} Ltd", roles=[role])
        await accepted(scene.operator, "user.confirm.v1", {"id": given["id"]})
    both = ["user.registered.v1", "user.confirmed.v1"]
    await scene.told(mo1=both, mo2=both, mo3=both, verifier=both)


def agreement(name: str, text: str, *needed_for: str, **more: Any) -> Given:
    """A version of an agreement whose text is inline."""
    content = {"title": "Terms", "text": text, "sha256": sha256(text.encode()).hexdigest()}
    return {"id": name, "needed_for": list(needed_for), **content, **more}


def match(seen: Given, scheme: str) -> Given:
    """A verifier's word on a record that it has read, by one scheme."""
    source = {"source": "companies 2026-11", "evidence_at": now()}
    looked_at = {"id": seen["id"], "expected_revision": seen["revision"], "scheme": scheme}
    return {**looked_at, "verdict": "match", **source}


async def groups(reader: Platform, user_id: str) -> dict[str, Any]:
    """The groups of a user that a reader is shown, but for what whoever is related may read."""
    shown = await accepted(reader, "user.get.v1", {"id": user_id})
    return {name: value for name, value in shown.items() if name in COMMERCIAL}


def now() -> str:
    return datetime.now(UTC).isoformat()
