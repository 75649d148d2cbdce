"""All that is written down, whichever file it is in."""

import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path

from tests.unit.operations.table import Operation


def every() -> Mapping[str, Operation]:
    """By type, in the order of the types."""
    here = Path(__file__)
    names = (one.name for one in pkgutil.iter_modules([str(here.parent)]) if one.name != here.stem)
    modules = [importlib.import_module(f"{__package__}.{name}") for name in names]
    found = [one for module in modules for one in vars(module).get("OPERATIONS", ())]
    types = [one.type for one in found]
    if twice := {name for name in types if types.count(name) > 1}:
        raise TypeError(f"expected one Operation for a type, got several for {sorted(twice)}")
    return {one.type: one for one in sorted(found, key=lambda one: one.type)}
