"""How letters are named on the command line: what is no id is said before anything is asked."""

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Annotated, Any, Final

import typer
from pydantic import TypeAdapter, ValidationError

from contracts.dead_values import LetterId, RunId
from handlers.dead_letters import UNKNOWN
from topology.catalog import build

_LETTER: Final[TypeAdapter[str]] = TypeAdapter(LetterId)
_RUN: Final[TypeAdapter[str]] = TypeAdapter(RunId)

POLL_S: Final = 1.0
"""How often it is looked for what has changed."""


def _letter(given: str | None) -> str | None:
    try:
        return given if given is None else _LETTER.validate_python(given)
    except ValidationError as error:
        raise typer.BadParameter(
            f"expected an id from `flexspine dead list`, all of it, got {given}"
        ) from error


def _run(given: str | None) -> str | None:
    try:
        return given if given is None else _RUN.validate_python(given)
    except ValidationError as error:
        raise typer.BadParameter(
            f"expected the id of a run, as `flexspine dead show` names it, got {given}"
        ) from error


Letter = Annotated[str, typer.Argument(help="Id of the letter.", callback=_letter)]
State = Annotated[str | None, typer.Option(help="Such as `open` or `failed-again`.")]

SELECTORS: Final[Mapping[str, Any]] = {
    "id": Annotated[str | None, typer.Option("--id", help="One letter.", callback=_letter)],
    "fingerprint": Annotated[str | None, typer.Option(help="A group, as `dead groups` names it.")],
    "reason": Annotated[str | None, typer.Option(help="Such as `poisoned` or `delivery-limit`.")],
    "type": Annotated[
        str | None,
        typer.Option(
            help="Type of the message; one that nobody knows as `dead list` names it, `unknown-…`."
        ),
    ],
    "account": Annotated[str | None, typer.Option(help="The sender's account.")],
    "queue": Annotated[str | None, typer.Option(help="Where it died, as `dead show` names it.")],
    "state": State,
    "run": Annotated[
        str | None,
        typer.Option(help="What a replay or discard has gone through.", callback=_run),
    ],
    "since": Annotated[str | None, typer.Option(help="Died at this moment or later, in ISO 8601.")],
    "until": Annotated[str | None, typer.Option(help="Died before this moment, in ISO 8601.")],
}
"""Field of `Which` -> the option by which letters are meant, the same for all commands."""


def selecting(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say which letters are meant; it gets them as `which`."""
    own = inspect.signature(command)

    @wraps(command)
    def chosen_of(**given: Any) -> None:
        command(which=chosen(**{n: given.pop(n) for n in SELECTORS}), **given)

    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
        for name, option in SELECTORS.items()
    ]
    rest = [one for name, one in own.parameters.items() if name != "which"]
    taken = own.replace(parameters=[*options, *rest])
    chosen_of.__signature__ = taken  # type: ignore[attr-defined]
    chosen_of.__annotations__ = {one.name: one.annotation for one in taken.parameters.values()}
    return chosen_of


def chosen(**given: str | None) -> dict[str, str]:
    """Which letters are meant, by what was given."""
    return {name: value for name, value in given.items() if value is not None}


def many(count: int, word: str = "letter") -> str:
    """So many of something."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def counted(counts: Mapping[str, int], outcomes: Mapping[str, int] | None = None) -> str:
    """How many letters there are of each state; of the resolved ones, what became of them."""
    ends = {"resolved": f" ({counted(outcomes)})"} if outcomes else {}
    said = sorted(counts.items())
    return ", ".join(f"{count} {name}{ends.get(name, '')}" for name, count in said)


def unfound(which: Mapping[str, str]) -> list[str]:
    """Why there may be none of a type: what a sender misspells is kept as a keyed fingerprint."""
    kind = which.get("type")
    if kind is None or kind.startswith(UNKNOWN) or kind in build():
        return []
    said = (
        f"{kind} is no command or query of this backbone: letters of what nobody knows have a type "
        f"that begins with `{UNKNOWN}`. flexspine dead list --reason unroutable lists them, and "
        "flexspine dead show <id> says what the type was"
    )
    return [said]
