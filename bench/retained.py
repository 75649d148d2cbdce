"""What a million commands cost in each collection: bytes of documents, before any compression."""

import asyncio
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from bench.load import command
from bench.observing import MAILBOX, opened
from handlers.admission import Delivery
from workers.local import LocalRegister

COMMANDS: Final = 2000
BATCH: Final = 100
PASSING: Final = frozenset({"outbox", "parked", "present", "lanes"})
"""Empty again as soon as what waits is done."""


def _sizes(register: LocalRegister) -> dict[str, int]:
    return {
        name: sum(map(len, rows.values()))
        for name, rows in register.store._documents.items()  # noqa: SLF001
        if name not in PASSING
    }


async def _decide(register: LocalRegister, deliveries: Sequence[Delivery]) -> list[str]:
    """Decide in batches, with all that follows; the ids of the assets."""
    found: list[str] = []
    for start in range(0, len(deliveries), BATCH):
        outcomes = await register.engines[MAILBOX].run(deliveries[start : start + BATCH])
        if {outcome.kind for outcome in outcomes} != {"accepted"}:
            raise AssertionError("expected every command to be accepted")
        letters = [letter for outcome in outcomes for letter in outcome.letters]
        await register._consequences(letters)  # noqa: SLF001
        found += [json.loads(x.body)["data"]["id"] for x in letters if x.kind == "reply"]
    return found


def _update(user: str, asset: str, number: int) -> Delivery:
    time = datetime.now(UTC).isoformat(timespec="milliseconds")
    body = (
        f'{{"specversion": "1.0", "id": "{uuid4()}", "source": "urn:flexspine:user:{user}", '
        f'"type": "asset.update.v1", "time": "{time}", '
        f'"data": {{"id": "{asset}", "capability": {{"power_kw": {number % 90 + 1}.5}}}}}}'
    )
    return Delivery(body.encode(), "asset.update.v1", user)


async def main() -> None:
    """Registrations, and then updates of what was registered."""
    register, user = await opened()
    before = _sizes(register)
    given = [Delivery(command(user), "asset.register.v1", user) for _ in range(COMMANDS)]
    assets = await _decide(register, given)
    registered = _sizes(register)
    await _decide(register, [_update(user, one, n) for n, one in enumerate(assets)])
    updated = _sizes(register)
    for name in sorted(updated):
        one = registered.get(name, 0) - before.get(name, 0)
        other = updated[name] - registered.get(name, 0)
        if one or other:
            sys.stdout.write(f"{name:<16}{one / COMMANDS:>8,.0f} MB {other / COMMANDS:>8,.0f} MB\n")


if __name__ == "__main__":
    asyncio.run(main())
