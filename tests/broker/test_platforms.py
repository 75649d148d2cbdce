"""The shipped platforms: through a lost connection and a lost queue, nothing is lost or told twice.

Each is a program of its own that reads wishes and writes what it would act on.
"""

import asyncio
import json
import os
import shutil
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest

from tests.servers import absent
from tests.spine import Platform, Spine, asset, eventually
from topology import names
from topology.catalog import build, events

# Long on a machine that has other things to do: they start and end processes and wait for pauses.
pytestmark = [pytest.mark.connected, pytest.mark.timeout(240)]

ROOT: Final = Path(__file__).parents[2]
PLATFORMS: Final = ROOT / "examples" / "platforms"
MODULES: Final = ROOT / ".venv" / "platform" / "node_modules"
"""Where `.ci/node` puts what the platform in JavaScript needs."""
LINES_MAX: Final = 220
SOURCES: Final = {
    "python": PLATFORMS / "python" / "minimal.py",
    "javascript": PLATFORMS / "javascript" / "minimal.js",
}


def program(language: str) -> list[str]:
    """The words that start a platform."""
    if language == "python":
        return [sys.executable, str(SOURCES[language])]
    node = shutil.which("node")
    if node is None or not (MODULES / "amqplib").is_dir():
        absent("expected Node.js and npm's amqplib; got none; to do: .ci/node")
    return [str(node), str(SOURCES[language])]


@dataclass
class Run:
    """A platform that runs, and everything that it has said in all its runs."""

    words: list[str]
    process: Process
    said: list[dict[str, Any]]
    complaints: int = 0
    """How often it has said that it connects again."""
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def wish(self, kind: str, data: Mapping[str, Any]) -> None:
        """Give it a command to send."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"type": kind, "data": data}).encode() + b"\n")

    async def listen(self) -> None:
        """Take down what it says."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.said.append(json.loads(line))
            self._more.set()

    async def listen_for_outages(self) -> None:
        """Count what it complains of."""
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.complaints += b"connecting again" in line
            self._more.set()

    def all(self, what: str) -> list[dict[str, Any]]:
        return [one[what] for one in self.said if what in one]

    async def until(self, holds: Callable[[], bool], limit_s: float = 40) -> None:
        """Wait until what it has said is enough."""
        try:
            async with asyncio.timeout(limit_s):
                while not holds():
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            pytest.fail(f"expected it to say more within {limit_s} s, got {self.said[-3:]}")

    async def end(self) -> None:
        """End its input; it ends when everything is answered."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        async with asyncio.timeout(20):
            assert await self.process.wait() == 0


@asynccontextmanager
async def running(words: list[str], said: list[dict[str, Any]]) -> AsyncIterator[Run]:
    environment = os.environ | {"NODE_PATH": str(MODULES)}
    process = await asyncio.create_subprocess_exec(
        *words, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment
    )
    run = Run(words, process, said)
    listening = asyncio.gather(run.listen(), run.listen_for_outages())
    try:
        yield run
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await listening


@dataclass
class Scene:
    """A user whose platform is the program, and another whose asset it owns."""

    spine: Spine
    words: list[str]
    user: str
    other: Platform
    said: list[dict[str, Any]] = field(default_factory=list)
    asset_id: str = ""
    count: int = 0

    async def change(self, times: int) -> None:
        """The other changes the asset: an event for its owner each time."""
        for _ in range(times):
            self.count += 1
            capability = {"capability": {"power_kw": 1 + self.count}}
            await self.other.ask("asset.update.v1", {"id": self.asset_id, **capability})

    def sequences(self, run: Run) -> list[int]:
        return [int(event["sequence"]) for event in run.all("event")]


@pytest.fixture(params=SOURCES)
async def scene(working: Spine, request: pytest.FixtureRequest, tmp_path: Path) -> Scene:
    words = program(request.param)
    party, other = await working.platform(listen=False), await working.platform()
    await party.close()
    url = working.addresses.amqp_as(party.user, party.password)
    scene = Scene(working, [*words, url, str(tmp_path / "state.json")], party.user, other)
    reply = await other.ask("asset.register.v1", asset(owner=party.user))
    scene.asset_id = reply.data["id"]
    return scene


async def test_a_platform_gets_through_a_lost_connection_and_a_lost_queue(scene: Scene) -> None:
    spine, user = scene.spine, scene.user
    async with running(scene.words, scene.said) as run:
        run.wish("asset.register.v1", asset())
        await run.until(lambda: len(run.all("reply")) == 1)
        # In the middle: some are written down, some confirmed, some answered.
        for _ in range(100):
            run.wish("asset.register.v1", asset())
        before = run.complaints
        await spine.inspector.kill_connections(user)
        # It has lost its connection, and waits a second before the next one.
        await run.until(lambda: run.complaints > before)
        for _ in range(20):
            run.wish("asset.register.v1", asset())
        await scene.change(3)
        await run.until(lambda: len(run.all("reply")) == 121)
        await run.until(lambda: len(scene.sequences(run)) == 4)
        await run.end()
    bindings = await spine.inspector.call("GET", f"queues/{{vhost}}/{user}.events/bindings")
    assert await spine.count("assets", registrant=user) == 121
    assert {reply["type"] for reply in run.all("reply")} == {"asset.register.accepted.v1"}
    assert max(Counter(reply["correlationid"] for reply in run.all("reply")).values()) == 1
    bound = {binding["routing_key"] for binding in bindings}
    # What is counted and not bound would be a gap that no replay fills.
    told = {one.message_type for one in events(build())}
    assert {one for one in told if not _is_bound(f"{user}.{one}", bound)} == set()

    # While it is away, its queue is lost with events in it; the next one shows the gap.
    await scene.change(5)
    await _lose(scene, 9)
    async with running(scene.words, scene.said) as run:
        await scene.change(2)
        await run.until(lambda: len(scene.sequences(run)) >= 12)
        await run.end()
    assert scene.sequences(run) == list(range(1, 13))
    replayed = [int(e["sequence"]) for e in run.all("event") if e.get("replayed")]
    assert set(replayed) >= {5, 6, 7, 8, 9}
    ids = [event["id"] for event in run.all("event")]
    assert len(set(ids)) == len(ids)


async def test_a_gap_that_no_replay_fills_is_passed_over(scene: Scene) -> None:
    """What may not be seen any more: the end of the replay says not to wait for it."""
    spine, user = scene.spine, scene.user
    await scene.change(3)
    await _lose(scene, 4)
    # The asset is another's from now on, and a second one is the user's.
    await spine.database["assets"].update_one(
        {"_id": scene.asset_id}, {"$set": {"owner": scene.other.user}}
    )
    await scene.other.ask("asset.register.v1", asset(owner=user))
    async with running(scene.words, scene.said) as run:
        await run.until(lambda: len(run.all("event")) == 2)
        await run.end()
    assert scene.sequences(run) == [5, 6]
    assert [e["type"] for e in run.all("event")] == [
        "asset.registered.v1",
        "event.replay-ended.v1",
    ]


async def test_a_type_that_no_register_has_is_dropped_and_said(scene: Scene) -> None:
    """Kept, it would end every connection to come, also after a restart."""
    async with running(scene.words, scene.said) as run:
        run.wish("nonsense.v1", {})
        run.wish("asset.register.v1", asset())
        run.wish("", {})
        run.wish("asset.register.v1", asset())
        await run.until(lambda: len(run.all("reply")) == 2)
        await run.end()
    assert [one["type"] for one in run.all("refused")] == ["nonsense.v1", ""]
    assert all("Compare its type" in one["advice"] for one in run.all("refused"))
    assert {reply["type"] for reply in run.all("reply")} == {"asset.register.accepted.v1"}
    assert _waiting(scene) == {}


@pytest.mark.parametrize("language", SOURCES)
def test_a_platform_is_short(language: str) -> None:
    assert len(SOURCES[language].read_text("utf-8").splitlines()) <= LINES_MAX


def _waiting(scene: Scene) -> dict[str, Any]:
    """The commands for which it has no answer yet, as it has written them down."""
    waiting: dict[str, Any] = json.loads(Path(scene.words[-1]).read_text("utf-8"))["waiting"]
    return waiting


def _is_bound(key: str, patterns: set[str]) -> bool:
    """Whether a topic exchange would bring a message with this key by one of the patterns."""
    return any(key == one or key.startswith(one.removesuffix("#")) for one in patterns)


async def _lose(scene: Scene, count: int) -> None:
    """Empty the user's queue of events when so many are in it, or were."""
    spine = scene.spine

    async def told() -> bool:
        kept = await spine.count("events", recipient=scene.user)
        return kept == count and await spine.count("outbox") == 0

    await eventually(told)
    queue = names.events_queue(scene.user)
    await spine.inspector.call("DELETE", f"queues/{{vhost}}/{queue}/contents")
