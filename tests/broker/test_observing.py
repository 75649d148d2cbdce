"""What a running backbone tells of itself: a command's trace, health, readiness and metrics."""

import asyncio
import json
import secrets
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from contracts.trace import TRACEPARENT
from tests.collector import collecting
from tests.spine import LIMIT_S, Spine, asset, eventually
from workers.embedded.ports import of_folder

pytestmark = [pytest.mark.connected, pytest.mark.timeout(120)]
STOP_LIMIT_S: Final = 15
"""Far less than the half minute for which the library waits by itself."""


def spans_of(path: Path, trace_id: str) -> list[dict[str, Any]]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [span for span in map(json.loads, lines) if span["trace_id"] == trace_id]


async def test_one_commands_trace_with_all_its_spans(
    lone: Spine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All of them are looked for, on a machine that may be busy.
    monkeypatch.setattr("workers.spans.CLOSE_S", LIMIT_S)
    path = tmp_path / "spans.jsonl"
    trace_id, parent_id = secrets.token_hex(16), secrets.token_hex(8)
    async with collecting() as collector, lone.running(spans_file=path, spans_url=collector.url):
        first, second = await lone.platform(), await lone.platform(roles=["aggregator"])
        registered = await first.ask("asset.register.v1", asset())
        data = {"id": registered.data["id"], "party": second.user, "relation": "aggregator"}
        envelope = first.envelope("asset.relate.v1", data)
        headers = {TRACEPARENT: f"00-{trace_id}-{parent_id}-01"}
        await first.publish(json.dumps(envelope).encode(), "asset.relate.v1", headers=headers)
        assert (await first.answer(envelope["id"])).type == "asset.relate.accepted.v1"
        await second.until(lambda: [r for r in second.received if r.type == "asset.related.v1"])
    found = spans_of(path, trace_id)
    by_name = {span["name"]: span for span in found}
    command = by_name["command asset.relate.v1"]
    assert command["parent_span_id"] == parent_id
    assert command["attributes"]["flexspine.outcome"] == "accepted"
    assert command["attributes"]["messaging.destination.name"] == "mailbox.assets.0"
    ids = {span["span_id"]: span["name"] for span in found}
    tree = {(ids.get(span["parent_span_id"], "sender"), span["name"]) for span in found}
    assert tree >= {
        ("sender", "command asset.relate.v1"),
        ("command asset.relate.v1", "batch"),
        ("command asset.relate.v1", "reply asset.relate.accepted.v1"),
        ("command asset.relate.v1", "event asset.related.v1"),
        ("event asset.related.v1", "fact asset.related.v1"),
        ("fact asset.related.v1", "batch"),
        ("fact asset.related.v1", "notice asset.related.v1"),
    }
    # No span tells a value of anybody's.
    assert not [span for span in found if first.user in str(span) or second.user in str(span)]
    # What was sent without a trace has none.
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert {line["trace_id"] for line in lines} == {trace_id}
    # A collector gets what the file gets; some of it twice, where an answer was late.
    assert {one["span_id"]: one for one in collector.spans} == {
        line["span_id"]: line for line in lines
    }


async def test_a_collector_that_says_nothing_keeps_no_process_from_ending(lone: Spine) -> None:
    headers = {TRACEPARENT: f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"}
    async with collecting(is_mute=True) as collector:
        async with lone.process(spans_url=collector.url) as process:
            party = await lone.platform()
            envelope = party.envelope("asset.register.v1", asset())
            body = json.dumps(envelope).encode()
            await party.publish(body, "asset.register.v1", headers=headers)
            await party.answer(envelope["id"])
            process.terminate()
            async with asyncio.timeout(STOP_LIMIT_S):
                assert await process.wait() == 0
        assert collector.heads


async def test_it_says_whether_it_lives_can_work_and_what_it_did(
    lone: Spine, tmp_path: Path
) -> None:
    port = of_folder(tmp_path).amqp
    async with (
        lone.running(http_port=port),
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):

        async def is_ready() -> bool:
            return (await client.get("/ready")).status_code == httpx.codes.OK

        assert (await client.get("/live")).text == "live\n"
        await eventually(is_ready)
        assert (await client.get("/other")).status_code == httpx.codes.NOT_FOUND
        party = await lone.platform()
        for _ in range(3):
            await party.ask("asset.register.v1", asset())
        await party.ask("asset.register.v1", {"asset_type": "none"})
        text = (await client.get("/metrics")).text
        assert (
            _value(text, 'flexspine_messages_total{mailbox="mailbox.assets.0",outcome="accepted"}')
            == 3
        )
        assert (
            _value(text, 'flexspine_messages_total{mailbox="mailbox.assets.0",outcome="rejected"}')
            == 1
        )
        assert _value(text, 'flexspine_mailbox_owned{mailbox="mailbox.assets.0"}') == 1
        assert _value(text, "flexspine_ready") == 1
        assert _value(text, 'flexspine_sent_total{kind="reply",result="delivered"}') >= 4
        assert _value(text, "flexspine_dead_letters_open") == 0
        # However many users there are: labels are mailboxes, outcomes and kinds.
        assert party.user not in text
    with pytest.raises(httpx.ConnectError):
        await httpx.AsyncClient(trust_env=False).get(f"http://127.0.0.1:{port}/live")


def _value(text: str, series: str) -> float:
    (line,) = [one for one in text.splitlines() if one.startswith(f"{series} ")]
    return float(line.rpartition(" ")[2])
