"""How letters are named on the command line: what is no id is said before anything is asked."""

from collections.abc import Mapping
from typing import Annotated, Final

import typer
from pydantic import TypeAdapter, ValidationError

from contracts.dead_values import LetterId

_LETTER: Final[TypeAdapter[str]] = TypeAdapter(LetterId)

POLL_S: Final = 1.0
"""How often it is looked for what has changed."""


def _letter(given: str | None) -> str | None:
    try:
        return given if given is None else _LETTER.validate_python(given)
    except ValidationError as error:
        raise typer.BadParameter(
            f"expected an id from `flexspine dead list`, all of it, got {given}"
        ) from error


Letter = Annotated[str, typer.Argument(help="Id of the letter.", callback=_letter)]
One = Annotated[str | None, typer.Option("--id", help="One letter.", callback=_letter)]
Reason = Annotated[str | None, typer.Option(help="Such as `poisoned` or `delivery-limit`.")]
Fingerprint = Annotated[str | None, typer.Option(help="A group, as `dead groups` names it.")]
Type = Annotated[str | None, typer.Option("--type", help="Type of the message.")]
Account = Annotated[str | None, typer.Option(help="The sender's account.")]
State = Annotated[str | None, typer.Option(help="Such as `open` or `failed-again`.")]
Since = Annotated[str | None, typer.Option(help="Died at this moment or later, in ISO 8601.")]
Until = Annotated[str | None, typer.Option(help="Died before this moment, in ISO 8601.")]


def chosen(**given: str | None) -> dict[str, str]:
    """Which letters are meant, by what was given."""
    return {name: value for name, value in given.items() if value is not None}


def counted(counts: Mapping[str, int]) -> str:
    """How many letters there are of each state."""
    return ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
