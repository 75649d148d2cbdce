"""One run of one contestant in a fresh process, so that its processor time is its own.

Everything is imported before the word `begun` is said. `begun` comes when connections are open and
before the first command is asked for; `ended` comes with the last output confirmed. The spine says
only `begun`, since it runs until it is stopped: who started it sees the end in its database.
"""

import importlib.util
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import uvloop
from pydantic import SecretStr

from bench import bare, naive
from bench.places import Servers
from workers import logs
from workers.addresses import Addresses
from workers.app import work
from workers.settings import Settings

Rival = Callable[[Servers, int, Callable[[], None]], Awaitable[None]]
RIVALS: Final[dict[str, Rival]] = {"bare": bare.run, "naive": naive.run}


def say(word: str) -> None:
    """Tell the parent a moment, by the clock that both processes share."""
    sys.stdout.write(f"{word} {time.monotonic()}\n")
    sys.stdout.flush()


def begun() -> None:
    """Say that the first command may come."""
    say("begun")


async def spine(order: dict[str, Any]) -> None:
    """The production workers with the production settings, until SIGTERM."""
    given = {**order["settings"], "master_key": SecretStr(order["settings"]["master_key"])}
    addresses = Addresses(**order["addresses"])
    await work(Settings.read(**given), addresses, begun)


async def rival(order: dict[str, Any]) -> None:
    """A rival of ours, or a function of that name in somebody else's file."""
    servers, count, name = Servers(**order["servers"]), int(order["count"]), str(order["name"])
    if order.get("against") is None:
        await RIVALS[name](servers, count, begun)
    else:
        theirs = getattr(load(Path(order["against"])), name)
        # Their function opens its connections itself; that time cannot be taken off.
        begun()
        await theirs(servers.amqp_url, servers.mongo_url, count)
    say("ended")


def load(path: Path) -> Any:
    """Import a file by its path."""
    found = importlib.util.spec_from_file_location("against", path)
    if found is None or found.loader is None:
        raise ImportError(f"expected a Python file, got {path}")
    module = importlib.util.module_from_spec(found)
    sys.modules["against"] = module
    found.loader.exec_module(module)
    return module


def main() -> None:
    """Do what one line of standard input orders, then wait until the parent has looked."""
    order = json.loads(sys.stdin.readline())
    logs.configure(json=True)
    uvloop.run(spine(order) if order["name"] == "spine" else rival(order))
    sys.stdin.readline()


if __name__ == "__main__":
    main()
