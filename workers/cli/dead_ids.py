"""How a letter is named on the command line: what is no id is said before anything is asked."""

from typing import Annotated, Final

import typer
from pydantic import TypeAdapter, ValidationError

from contracts.dead_values import LetterId

_LETTER: Final[TypeAdapter[str]] = TypeAdapter(LetterId)


def _letter(given: str | None) -> str | None:
    try:
        return given if given is None else _LETTER.validate_python(given)
    except ValidationError as error:
        raise typer.BadParameter(
            f"expected an id from `flexspine dead list`, all of it, got {given}"
        ) from error


Letter = Annotated[str, typer.Argument(help="Id of the letter.", callback=_letter)]
One = Annotated[str | None, typer.Option("--id", help="One letter.", callback=_letter)]
