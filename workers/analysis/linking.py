"""Splink on the table of a run: the training without labels, and the pairs that are candidates."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import duckdb
from splink import DuckDBAPI, Linker
from splink import __version__ as splink_version
from splink.internals.exceptions import SplinkException

from workers.analysis.fields import Rule
from workers.analysis.learning import combined, settings_of, with_chances
from workers.analysis.registers import Register
from workers.analysis.table import Table

SEED: Final = 1
SAMPLED_PAIRS: Final = 2_000_000
"""Pairs at random from which it is learned how alike two things are."""
LEARNED_PAIRS: Final = 1_000_000
"""Of each rule about so many pairs at most are learned from."""
ROUNDS: Final = (25, 8, 3)
"""Of expectation maximisation at most; the next fewer where so many come to nothing."""
CHUNK: Final = 100_000
"""Of so many records at once the candidates are looked for."""
VERSIONS: Final = {"splink": splink_version, "duckdb": duckdb.__version__}
"""What decides beside our own code which pairs are found: also how blocks become numbers."""

Told = Callable[[int, int], None]
"""What is done, of how many."""


@contextmanager
def _as_it_was() -> Iterator[None]:
    """What DuckDB has said, which Splink puts into a page of SQL."""
    try:
        yield
    except SplinkException as error:
        raise (error.__cause__ or error) from error


def _linker(table: Table, settings: dict[str, Any]) -> Linker:
    logging.getLogger("splink").setLevel(logging.ERROR)
    source = DuckDBAPI(table.connection).register("compared")
    return Linker(source, settings, log_level=None, validate_settings=False)


@_as_it_was()
def train(table: Table, register: Register, path: Path, told: Told) -> dict[str, Any]:
    """Learn from the register itself, and keep the model beside the run.

    On one thread, with a seed, so that the same table teaches the same: sums of fractions depend
    on their order.
    """
    records = table.count("compared")
    table.connection.execute("SET threads = 1")
    settings, steps = settings_of(register, records), len(register.rules) + 1
    if records > 1:
        linker = _linker(table, settings)
        linker.training.estimate_u_using_random_sampling(
            max_pairs=SAMPLED_PAIRS, seed=SEED, min_count_per_level=None, num_chunks=1
        )
        settings = with_chances(register, settings, linker.misc.save_model_to_json())
    told(1, steps)
    lessons = []
    for done, rule in enumerate(register.rules, start=2):
        lessons.append(_lesson(table, settings, rule))
        told(done, steps)
    learned, kept = combined(register, settings, lessons)
    model = {
        "register": register.name,
        **VERSIONS,
        "records": records,
        "seed": SEED,
        "rules_without_result": [
            rule.of for rule, one in zip(register.rules, lessons, strict=True) if not one
        ],
        "untrained": kept,
        "settings": learned,
    }
    table.clear()
    table.connection.execute("RESET threads")
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(model, indent=1, sort_keys=True) + "\n")
    beside.replace(path)
    return model


def _lesson(table: Table, settings: dict[str, Any], rule: Rule) -> dict[str, Any] | None:
    """What the pairs of one rule teach; None where there are none, or nothing comes of them.

    Each is learned by itself: Splink forgets the field that a rule leaves out where it fails. It
    does so where a share becomes too small to be a number, which fewer rounds may not bring about.
    """
    if not table.has_pair(rule.of):
        return None
    for rounds in ROUNDS:
        linker = _linker(table, settings | {"max_iterations": rounds})
        with suppress(ValueError):
            linker.training.estimate_parameters_using_expectation_maximisation(
                rule.of, max_pairs=LEARNED_PAIRS
            )
            return linker.misc.save_model_to_json()
    return None


@_as_it_was()
def find(table: Table, model: dict[str, Any], least: float, told: Told) -> None:
    """Write down the candidates: pairs that share a block and that the model gives some chance.

    In portions of the register, each with its mark, so that a run that was ended goes on.
    """
    chunks = -(-max(1, table.count("compared")) // CHUNK)
    for chunk in range(table.number("chunks"), chunks):
        linker = _linker(table, model["settings"])
        found = linker.inference.predict_chunk(
            left_chunk=(chunk + 1, chunks),
            right_chunk=(1, 1),
            threshold_match_probability=least,
            warning_mode="never",
        )
        with table.at_once():
            table.connection.execute(
                "INSERT INTO found SELECT number_l, number_r, match_weight FROM "  # noqa: S608
                f"{found.physical_name}"
            )
            table.mark("chunks", chunk + 1)
        table.clear()
        told(chunk + 1, chunks)
