"""What is wrong here, check by check: `doctor`."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from socket import gethostname
from typing import Annotated, Final, Literal

import typer
from rich.console import Console
from rich.table import Column, Table

from workers.cli import doctor_machine as machine
from workers.cli import doctor_servers as servers
from workers.cli.doctor_fault import Fault
from workers.cli.doctor_worker import worker
from workers.cli.faults import FAILED, FAULTS
from workers.cli.place import Place
from workers.settings import Settings, SettingsError

LIMIT_S: Final = 15.0
"""For one check: whoever looks for a fault has no time for a server that says nothing."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at; `needs` are checks without which it says nothing new."""

    name: str
    look: Callable[[], Awaitable[str]]
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a check."""

    check: str
    state: Literal["ok", "fault", "skipped"]
    said: str


def doctor(
    *,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only whether a worker of this host is alive.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The results as JSON.")] = False,
) -> None:
    """Check settings, machine, servers and topology; exit code 2 if anything is wrong.

    Each fault says what was expected, what came and what to do. Nothing is changed. With `--quick`,
    for what supervises a worker, a server that is away is no fault: a restart would not help.
    """
    try:
        settings = Settings.read()
    except SettingsError as error:
        results = [Result("settings", "fault", str(error))]
    else:
        results = [Result("settings", "ok", "readable")]
        given = alive(settings) if quick else checks(settings)
        results += asyncio.run(examine(given))
    if as_json:
        typer.echo(json.dumps([asdict(result) for result in results], indent=2))
    else:
        Console(markup=False).print(_table(results))
    if any(result.state == "fault" for result in results):
        raise typer.Exit(FAILED)


async def examine(given: Iterable[Check]) -> list[Result]:
    """Run the checks in their order; one that needs what is wrong is skipped."""
    results: list[Result] = []
    wrong: set[str] = set()
    for check in given:
        if lacking := [name for name in check.needs if name in wrong]:
            wrong.add(check.name)
            results.append(Result(check.name, "skipped", f"needs {', '.join(lacking)}"))
            continue
        result = await _result(check)
        if result.state == "fault":
            wrong.add(check.name)
        results.append(result)
    return results


async def _result(check: Check) -> Result:
    try:
        async with asyncio.timeout(LIMIT_S):
            return Result(check.name, "ok", await check.look())
    except TimeoutError:
        said = f"expected an answer within {LIMIT_S:.0f} s, got none. Is the server overloaded?"
        return Result(check.name, "fault", said)
    except (Fault, *FAULTS) as fault:
        return Result(check.name, "fault", str(fault))


def checks(settings: Settings) -> Sequence[Check]:
    """Everything that is looked at, in the order in which one thing rests upon another."""
    return (*_here(settings), *_there(settings))


def alive(settings: Settings) -> Sequence[Check]:
    """What a supervisor looks at: whether to start the worker of this host again."""
    return (
        Check("master key", _soon(lambda: machine.master_key(settings))),
        Check("worker", lambda: worker(Place.of(settings), gethostname()), ("master key",)),
    )


def _here(settings: Settings) -> Iterable[Check]:
    yield Check("folder", _soon(lambda: machine.folder(settings.home)))
    yield Check("master key", _soon(lambda: machine.master_key(settings)))
    yield Check("python", _soon(machine.python))
    yield Check("packages", _soon(machine.packages))
    if not settings.amqp_url:
        yield Check("programs", _soon(machine.programs))
    yield Check("disk", _soon(lambda: machine.disk(settings.home)))
    yield Check("open files", _soon(machine.open_files))


def _there(settings: Settings) -> Iterable[Check]:
    def at(look: Callable[[Place], Awaitable[str]]) -> Callable[[], Awaitable[str]]:
        return lambda: look(Place.of(settings))

    yield Check("addresses", at(servers.reachable), ("master key",))
    yield Check("broker", at(servers.broker), ("addresses",))
    yield Check("database", at(servers.database), ("addresses",))
    yield Check("replica set", at(servers.replica_set), ("database",))
    yield Check("transactions", at(servers.transactions), ("replica set",))
    yield Check("clock", at(servers.clock), ("database",))
    yield Check("topology", at(servers.topology), ("broker", "database"))
    yield Check("keys", at(servers.keys), ("broker", "database"))
    yield Check("consumers", at(servers.consumers), ("broker",))
    yield Check("consumer timeout", at(servers.consumer_timeout), ("broker",))
    yield Check("outbox", at(servers.outbox), ("database",))


def _soon(look: Callable[[], str]) -> Callable[[], Awaitable[str]]:
    async def later() -> str:
        return look()

    return later


def _table(results: Iterable[Result]) -> Table:
    table = Table("check", "state", Column("what was found", overflow="fold"))
    for result in results:
        table.add_row(result.check, result.state, result.said)
    return table
