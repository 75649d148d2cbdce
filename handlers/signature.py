"""How a function becomes a handler: its annotation says what it decides, a decorator what it reads.

Decorating only attaches attributes; nothing is registered by importing a module.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final, TypeVar

from contracts.messages import Command, Query, Request
from handlers.decision import Context, Decision, Reads, View
from handlers.provisional import PROVISIONAL

RequestT = TypeVar("RequestT", bound=Request)
_READS: Final = "__flexspine_reads__"

Decide = Callable[[Any, View, Context], Decision]


@dataclass(frozen=True, slots=True)
class Handler:
    """One function of a register: what it takes, what it reads and what it says."""

    contract: type[Any]
    """The model of the request, or of the event, that it takes."""
    function: Callable[[Any, View, Context], Any]
    reads: Callable[[Any, Context], Reads]
    for_provisional: bool = False
    """Whether a provisional user may send it."""
    off_by: str = ""
    """By which setting this backbone lets nobody send it; empty where it takes it."""
    newer: type[Any] | None = None
    """The major that takes the place of this one."""

    @property
    def is_command(self) -> bool:
        """Whether it decides (a command) or only answers (a query)."""
        return issubclass(self.contract, Command)


def reads(function: Callable[[RequestT, Context], Reads]) -> Callable[[Callable[..., Any]], Any]:
    """Say which documents a handler looks at, so that a batch is read in one query."""

    def attach(handler: Callable[..., Any]) -> Callable[..., Any]:
        setattr(handler, _READS, function)
        return handler

    return attach


def handlers_in(module: ModuleType) -> Iterator[Handler]:
    """Find the handlers of a register module: functions whose first parameter is a request."""
    # A register that is no part of the backbone's own says it itself.
    table = {**PROVISIONAL, **vars(module).get("PROVISIONAL", {})}
    for name, function in inspect.getmembers(module, inspect.isfunction):
        if function.__module__ != module.__name__ or name.startswith("_"):
            continue
        annotations = [
            p.annotation for p in inspect.signature(function, eval_str=True).parameters.values()
        ]
        contract = annotations[0] if annotations else None
        if not (isinstance(contract, type) and issubclass(contract, (Command, Query))):
            continue
        if annotations[1:] != [View, Context] or not hasattr(function, _READS):
            raise TypeError(
                f"expected {name} to be (request, View, Context) with @reads, got {annotations}; "
                "decorate it and complete its signature"
            )
        may = table.get(contract.message_type, False)
        yield Handler(contract, function, getattr(function, _READS), may)
