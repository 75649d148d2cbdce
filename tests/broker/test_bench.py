"""The benchmark measures what it says: the same outputs from all, on a register that is filled."""

import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import SecretStr
from pymongo import AsyncMongoClient

from bench import contest, measure, reading, report, seeding
from bench.figures import Figures
from bench.latency import Latencies
from bench.measure import Options, Scale
from bench.testbed import BASE, PREFIX, RUN, VHOST, Testbed, open_testbed
from tests.servers import TestServers
from tests.spine import MASTER, Inspector
from topology.apply import password_hash
from topology.catalog import build
from topology.sharding import build as build_plan
from workers.cli.measuring import Unmeasured, bench
from workers.settings import Settings
from workers.vault import Vault

pytestmark = [pytest.mark.connected, pytest.mark.timeout(300)]

SOMEBODY_S = f"{PREFIX}marks"
PLAN = build_plan(build())
TINY = Scale(commands=60, naive=20, replies=3, drain=0)
KEYS = {
    *(f"{name}_per_second" for name in ("spine", "bare", "naive")),
    *(f"reply_p{percent}_ms" for percent in (50, 95, 99)),
    *("ratio_bare", "ratio_naive", "cpu_us", "rounds", "drain_50000_s"),
}


@pytest.fixture(scope="module")
def given(servers: TestServers) -> Settings:
    """The servers of the test run, as those of others: with an administrator in the address."""
    return Settings.read(
        amqp_url=servers.amqp_url,
        management_url=servers.urls.management_url,
        mongo_url=servers.urls.mongo_url,
        master_key=SecretStr(MASTER.hex()),
    )


@pytest.fixture(scope="module")
async def figures(given: Settings) -> Figures:
    return await measure.compare(given, Options(TINY, rounds=1))


@pytest.fixture
async def testbed(given: Settings) -> AsyncIterator[Testbed]:
    async with open_testbed(given, None) as opened:
        yield opened


def test_each_contestant_gives_a_reply_and_an_event_for_each_command(figures: Figures) -> None:
    counts = {name: [run.outputs - run.repeats for run in r] for name, r in figures.runs.items()}
    assert counts == {"spine": [120], "bare": [120], "naive": [40]}


def test_the_figures_have_the_names_under_which_they_are_published(figures: Figures) -> None:
    told = figures.as_json()
    assert KEYS - told.keys() == set()
    assert told["rounds"] == 1
    assert told["cpu_us"].keys() == {"spine", "bare", "naive"}
    # These servers are nobody's children here, so what they cost is not known.
    assert all(cpu["broker"] is cpu["database"] is None for cpu in told["cpu_us"].values())
    assert told["reply_p50_ms"] <= told["reply_p95_ms"] <= told["reply_p99_ms"]
    assert told["drain_50000_s"] is None


def test_the_plot_is_an_svg(figures: Figures, tmp_path: Path) -> None:
    report.plot(figures, tmp_path / "plot.svg")
    assert "<svg" in (tmp_path / "plot.svg").read_text()


Shared = tuple[dict[str, dict[str, Any]], set[str], list[str]]


async def shared(servers: TestServers) -> Shared:
    """What all users of the servers share: accounts with their hashes, virtual hosts, databases."""
    account = (servers.administrator, servers.password)
    inspector = Inspector(servers.urls.management_url, account, "/")
    accounts = {row["name"]: row for row in await inspector.call("GET", "users")}
    hosts = {row["name"] for row in await inspector.call("GET", "vhosts")}
    await inspector.close()
    client: AsyncMongoClient[dict[str, Any]] = AsyncMongoClient(servers.urls.mongo_url)
    databases = sorted(await client.list_database_names())
    await client.close()
    return accounts, hosts, databases


@pytest.fixture
async def somebody_s(servers: TestServers) -> AsyncIterator[None]:
    """A database of somebody else whose name begins as ours do."""
    async with AsyncMongoClient[dict[str, Any]](servers.urls.mongo_url) as client:
        await client[SOMEBODY_S]["kept"].insert_one({})
        yield
        await client.drop_database(SOMEBODY_S)


@pytest.mark.usefixtures("somebody_s")
@pytest.mark.parametrize("is_there", [True, False], ids=["another-backbone-s", "absent"])
async def test_the_servers_of_others_are_left_as_they_were(
    given: Settings, servers: TestServers, *, is_there: bool
) -> None:
    """Accounts of the plan that another backbone made stay as they are; those of the bench go."""
    await _prepare_accounts(servers, is_there=is_there)
    before = await shared(servers)
    assert SOMEBODY_S in before[2]
    async with open_testbed(given, None) as testbed:
        await seeding.parties(testbed)
        assert sorted(await _databases(testbed)) == [BASE, SOMEBODY_S]
        during, hosts, _ = await shared(servers)
    assert hosts - before[1] == {VHOST}
    of_plan = {account.name for account in PLAN.accounts}
    assert of_plan <= during.keys()
    assert sum(name.startswith("USR-") for name in during.keys() - before[0].keys()) == 20
    assert await shared(servers) == before
    assert is_there == bool(of_plan & before[0].keys())


async def test_a_backbone_of_another_master_key_is_not_locked_out(
    given: Settings, servers: TestServers
) -> None:
    """Accounts are of the whole broker: nothing is made where one of the plan is another's."""
    await _prepare_accounts(servers, is_there=True)
    before = await shared(servers)
    another = given.model_copy(update={"master_key": SecretStr("ff" * 32)})
    with pytest.raises(Unmeasured, match=r"no account .*flex-accounts.*Set FLEXSPINE_MASTER_KEY"):
        async with open_testbed(another, None):
            pytest.fail("expected a refusal, got a testbed")
    assert await shared(servers) == before


async def _prepare_accounts(servers: TestServers, *, is_there: bool) -> None:
    """Make the accounts of the plan as a backbone of the test's master key does, or delete them."""
    account = (servers.administrator, servers.password)
    inspector = Inspector(servers.urls.management_url, account, "/")
    for one in PLAN.accounts:
        path = f"users/{quote(one.name, safe='')}"
        if is_there:
            hashed, tags = password_hash(Vault(MASTER).password(one.name)), ",".join(one.tags)
            await inspector.call("PUT", path, password_hash=hashed, tags=tags)
        else:
            await inspector.call("DELETE", path)
    await inspector.close()


async def _databases(testbed: Testbed) -> list[str]:
    names = await testbed.client.list_database_names()
    return [name for name in names if name.startswith(PREFIX)]


async def test_a_register_has_as_many_assets_as_it_was_seeded_to(testbed: Testbed) -> None:
    """Going on adds what is missing, again adds nothing, and nothing waits to be sent."""
    users = await seeding.parties(testbed)
    await testbed.copy(BASE, RUN)
    added = [
        (await seeding.seed(testbed, users, assets, lambda _line: None, RUN)).added
        for assets in (70, 250, 250)
    ]
    assert added == [70, 180, 0]
    held = testbed.database(RUN)
    assert await held["assets"].count_documents({}) == 250
    assert await held["inbox"].count_documents({"_id.id": {"$regex": "^seed-"}}) == 250
    assert await held["outbox"].count_documents({}) == 0


async def test_a_bulk_load_is_measured_too(testbed: Testbed) -> None:
    """The load may come by the accounts for bulk loads, and gives the same outputs."""
    users = await seeding.parties(testbed)
    await testbed.copy(BASE, RUN)
    run = await contest.run_spine(testbed, users, 60, RUN, bulk=True)
    assert run.outputs - run.repeats == 120


async def test_a_run_whose_outputs_are_missing_gives_no_figure(testbed: Testbed) -> None:
    """One account that is over its quota is refused, and refused commands are not counted."""
    users = await seeding.parties(testbed)
    await testbed.copy(BASE, RUN)
    strict = replace(testbed, settings=testbed.settings.model_copy(update={"quota_per_minute": 1}))
    with pytest.raises(Unmeasured, match="this run measures nothing"):
        await contest.run_spine(strict, users, 60, RUN)


async def test_parties_are_made_once(testbed: Testbed) -> None:
    assert await seeding.parties(testbed) == await seeding.parties(testbed)


async def test_register_sizes_are_compared(given: Settings) -> None:
    told = (await measure.compare_sizes(given, Options(TINY, rounds=1), [50, 150])).as_json()
    assert told["registers"].keys() == {"50", "150"}
    small, large = (told["registers"][size] for size in ("50", "150"))
    ratio = large["spine_per_second"] / small["spine_per_second"]
    assert told["ratio_throughput"] == pytest.approx(ratio, rel=0.01)
    assert told["ratio_p99"] == pytest.approx(
        large["reply_p99_ms"] / small["reply_p99_ms"], rel=0.05
    )


async def test_register_sizes_are_compared_under_a_bulk_load(given: Settings) -> None:
    """Its accounts have no quota: the load is accepted, and only the timed replies are refused."""
    strict = given.model_copy(update={"quota_per_minute": 1})
    options = Options(replace(TINY, replies=0), rounds=1, bulk=True)
    with pytest.raises(Unmeasured, match=r"every command to be accepted, got \d+ refused"):
        await measure.compare_sizes(strict, options, [50, 60])


async def test_assets_are_read_one_by_one_and_many_at_once(given: Settings) -> None:
    """Every question is answered, which the measuring itself insists on."""
    scale = reading.Scale(assets=600, queries=3, drained=40, at_once=20, rounds=1)
    found = await reading.measure(given, scale, None)
    assert found["assets"] == 600
    assert 0 < found["get_p50_ms"] <= found["get_p95_ms"] <= found["get_p99_ms"]
    assert found["answers_per_second"][0] > 0
    assert found["assets_per_second_20_at_once"][0] > 0


def test_what_is_not_measured_at_two_sizes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Unmeasured, match="expected --against without --assets, got both"):
        bench(assets="10,20", against=tmp_path / "rivals.py")
    with pytest.raises(Unmeasured, match="expected --plot without --assets, got both"):
        bench(assets="10,20", plot=tmp_path / "plot.svg")


def test_percentiles_are_times_that_were_measured() -> None:
    taken = Latencies(tuple(float(n) for n in range(100, 0, -1)))
    assert [taken.percentile(p) for p in (50, 95, 99)] == [50, 95, 99]
    assert Latencies((7.0,)).percentile(99) == 7


def test_without_the_package_the_command_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("bench", "bench.measure", "bench.report"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(Unmeasured, match="Measure from a checkout, after `make setup`"):
        bench()
