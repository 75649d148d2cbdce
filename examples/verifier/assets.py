"""A verifier of assets: compares those of which it is the verifier with a reference register.

    pip install aio-pika jsonata-python
    python assets.py 'amqp://USR-...:key@host:5672/vhost' ../mappings/ecr.jsonata ecr-2026-11-01.csv
It lists the provisional assets to which it is related as their verifier, reads what it may see of
each, and attests what the table says, group by group: match, mismatch or unknown. The table is read
by a mapping (JSONata), such as those with which tables are sent. A line on standard output for each
attestation.
The date of the evidence is the one in the file's name, or the fourth argument. Nothing is kept
between two runs: the same file says the same, under the same ids, and changes nothing.
"""

import asyncio
import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from uuid import uuid5

from jsonata import Jsonata
from matching import Asset, Key, reference, verdicts
from verifier import LOOKS_MAX, NAMESPACE, TOGETHER, Backbone, Data, dated, verified

LIST, GET, ATTEST = "asset.list.v1", "asset.get.v1", "asset.attest.v1"


@dataclass
class Verifier:
    """One run over every asset that is provisional."""

    backbone: Backbone
    file: dict[Key, list[Asset]]
    source: str
    """What the evidence is, in words."""
    at: date
    told: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        """Page after page; what is confirmed meanwhile leaves the pages, and nothing is missed."""
        cursor: Data = {}
        while True:
            query = {"status": "provisional", "limit": 100} | cursor
            outcome, page = await self.backbone.ask(LIST, query)
            if outcome != "accepted":
                raise SystemExit(f"{LIST}: {outcome}: {page.get('message')}")
            found = [one["id"] for one in page["assets"] if "verifier" in one["relations"]]
            for start in range(0, len(found), TOGETHER):
                await asyncio.gather(*map(self.verify, found[start : start + TOGETHER]))
            if not page.get("cursor"):
                return
            cursor = {"cursor": page["cursor"]}

    async def verify(self, asset: str) -> None:
        """Attest what the table says; again if the asset has changed since it was looked at."""
        done: set[str] = set()
        for _ in range(LOOKS_MAX):
            outcome, shown = await self.backbone.ask(GET, {"id": asset})
            said = verdicts(shown, self.file) if outcome == "accepted" else {}
            if not said:
                self.tell(asset, "", "unknown", "nothing to attest")
                return
            for scheme, verdict in [one for one in said.items() if one[0] not in done]:
                outcome, answer = await self.attest(shown, scheme, verdict)
                if outcome == "asset.stale":
                    break
                done.add(scheme)
                self.tell(asset, scheme, verdict, outcome)
                shown = {**shown, "revision": answer.get("revision", shown["revision"])}
            else:
                return

    async def attest(self, asset: Data, scheme: str, verdict: str) -> tuple[str, Data]:
        """Say it; the id follows from what is said, so that saying it again is a repeat."""
        at = f"{self.at.isoformat()}T00:00:00Z"
        data = {"id": asset["id"], "expected_revision": asset["revision"], "scheme": scheme}
        data |= {"verdict": verdict, "source": self.source, "evidence_at": at}
        command = str(uuid5(NAMESPACE, json.dumps(data, sort_keys=True)))
        # The time too: the bytes of an id are the same each time.
        return await self.backbone.ask(ATTEST, data, id=command, time=at)

    def tell(self, asset: str, scheme: str, verdict: str, outcome: str) -> None:
        self.told[f"{scheme} {verdict}".strip()] += 1
        line = {"asset": asset, "scheme": scheme, "verdict": verdict, "outcome": outcome}
        print(json.dumps(line), flush=True)


def main(url: str, mapping: str, file: str, day: str | None = None) -> None:
    """Read the table, and verify what is provisional."""
    path = Path(file)
    made = Jsonata(Path(mapping).read_text("utf-8")).evaluate
    with path.open(encoding="utf-8-sig", newline="") as lines:
        known = reference(lines, made)
    verifier = Verifier(Backbone(url), known, f"reference register, {path.name}", dated(path, day))
    asyncio.run(verified(verifier))
    told = ", ".join(f"{count} {what}" for what, count in sorted(verifier.told.items()))
    print(f"{len(known)} keys; {told or 'nothing is provisional'}", file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
