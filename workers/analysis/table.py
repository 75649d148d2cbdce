"""The DuckDB file of a run: what was exported, what was found, and how far the run is."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from workers.analysis.options import AnalysisStopped

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS marks (name VARCHAR PRIMARY KEY, value VARCHAR);
CREATE TABLE IF NOT EXISTS found (one BIGINT, other BIGINT, weight DOUBLE);
CREATE TABLE IF NOT EXISTS cases (
    number BIGINT, id VARCHAR, other VARCHAR, verdict VARCHAR, score DOUBLE, reasons VARCHAR
);
"""
_RECORDS: Final[Mapping[str, str]] = {
    "number": "BIGINT",
    "id": "VARCHAR",
    "document": "VARCHAR",
    "blocks": "UBIGINT[]",
}
"""What is kept of a record of any register."""
_IN_PAGES: Final[Mapping[str, pa.DataType]] = {
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "VARCHAR[]": pa.list_(pa.string()),
    "UBIGINT[]": pa.list_(pa.string()),
}
"""By the type in DuckDB that of a page; blocks come as they are spelt, and are kept as numbers."""
_CASES: Final = pa.schema(
    [
        ("number", pa.int64()),
        *((name, pa.string()) for name in ("id", "other", "verdict")),
        ("score", pa.float64()),
        ("reasons", pa.string()),
    ]
)
_PREPARE: Final = """
CREATE OR REPLACE TABLE compared AS
WITH each AS (SELECT number, unnest(blocks) AS block FROM records),
     shared AS (SELECT block FROM each GROUP BY block HAVING count(*) BETWEEN 2 AND {most}),
     kept AS (
        SELECT number, list(block ORDER BY block) AS blocks
        FROM each JOIN shared USING (block) GROUP BY number
     )
SELECT records.* EXCLUDE (id, document, blocks), coalesce(kept.blocks, []) AS blocks
FROM records LEFT JOIN kept USING (number) ORDER BY number
"""
_PAIRS: Final = """
SELECT l.id, r.id, l.document, r.document
FROM (SELECT * FROM candidates WHERE number >= ? AND number < ?) AS c
JOIN records AS l ON l.number = c.one JOIN records AS r ON r.number = c.other
ORDER BY c.number
"""
SPILL: Final = "spill"
"""The folder of what did not go into memory."""


@contextmanager
def in_words(expected: str) -> Iterator[None]:
    """Say what DuckDB needs: a file that no other process has, memory, room on the disk."""
    try:
        yield
    except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
        got = str(error).splitlines()[0]
        raise AnalysisStopped(f"expected {expected}, got: {got}. {_advice(error)}") from error


def _advice(error: duckdb.Error) -> str:
    if isinstance(error, duckdb.OutOfMemoryException):
        return "Give more --memory, or room beside the file; the run goes on where it was."
    if "set lock" in str(error):
        return "End the other analysis in this folder, or name another --folder."
    return "Correct the rights of the folder, make room in it, or name another --folder."


class Table:
    """One file; each page of work is written together with the mark that says that it is done."""

    def __init__(self, path: Path, memory: str) -> None:
        """Open or make the file; DuckDB keeps within `memory` and spills beside the file."""
        self._path, self._memory = path, memory
        self._records: Mapping[str, str] = _RECORDS
        self._open()

    def _open(self) -> None:
        # Not by SQL, in which a folder's name may mean something else.
        config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": self._memory,
            "temp_directory": str(self._path.parent / SPILL),
        }
        with in_words(f"to use {self._path} with --memory {self._memory}"):
            self.connection = duckdb.connect(str(self._path), config=config)
            self.connection.execute(SCHEMA)
            self.clear()

    def close(self) -> None:
        """Close the file."""
        self.connection.close()

    def strip(self, mark: str) -> None:
        """Keep the marks and one more, and the cases; of all else no byte stays.

        By a new file: DuckDB leaves in a file what is deleted from it.
        """
        beside = self._path.with_suffix(".new")
        beside.unlink(missing_ok=True)
        Table(beside, self._memory).close()
        quoted, execute = str(beside).replace("'", "''"), self.connection.execute
        with in_words(f"to write {beside}"):
            execute(f"ATTACH '{quoted}' AS kept")
            for name in ("marks", "cases"):
                execute(f"INSERT INTO kept.{name} SELECT * FROM {name}")  # noqa: S608
            execute("INSERT OR REPLACE INTO kept.marks VALUES (?, 'true')", [mark])
            execute("CHECKPOINT kept")
            execute("DETACH kept")
        self.close()
        beside.replace(self._path)
        self._open()

    def rows(self, question: str, *values: Any) -> list[Any]:
        """All rows of an answer: the connection does nothing else while any is left unread."""
        return self.connection.execute(question, list(values)).fetchall()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Write all of it or nothing."""
        self.connection.begin()
        try:
            yield
        except BaseException:
            self.connection.rollback()
            raise
        self.connection.commit()

    def mark(self, name: str, value: Any) -> None:
        """Keep a value by its name."""
        self.connection.execute(
            "INSERT OR REPLACE INTO marks VALUES (?, ?)", [name, json.dumps(value)]
        )

    def marked(self, name: str) -> Any:
        """What was kept by that name, None if nothing was."""
        rows = self.rows("SELECT value FROM marks WHERE name = ?", name)
        return json.loads(rows[0][0]) if rows else None

    def number(self, name: str) -> int:
        """A number that was kept, 0 if none was."""
        return int(self.marked(name) or 0)

    def count(self, table: str) -> int:
        """Rows of a table."""
        ((found,),) = self.rows(f"SELECT count(*) FROM {table}")  # noqa: S608
        return int(found)

    def hold(self, columns: Mapping[str, str]) -> None:
        """Make the table of records, with these columns and their types."""
        self._records = {**_RECORDS, **columns}
        typed = ", ".join(f"{name} {kind}" for name, kind in self._records.items())
        self.connection.execute(f"CREATE TABLE IF NOT EXISTS records ({typed})")

    def add_records(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add a page of the register; blocks are kept as numbers, which take less room."""
        self._add(
            "records",
            rows,
            pa.schema([(name, _IN_PAGES[kind]) for name, kind in self._records.items()]),
            "* REPLACE (list_transform(blocks, lambda b: hash(b)) AS blocks)",
        )

    def add_cases(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add pairs of which a person is to decide."""
        self._add("cases", rows, _CASES, "*")

    def _add(
        self, table: str, rows: Sequence[Mapping[str, Any]], schema: pa.Schema, taken: str
    ) -> None:
        self.connection.register("page", pa.Table.from_pylist(list(rows), schema=schema))
        self.connection.execute(f"INSERT INTO {table} SELECT {taken} FROM page")  # noqa: S608
        self.connection.unregister("page")

    def prepare(self, most: int) -> None:
        """Make the table that is compared: without blocks that more than `most` records share."""
        self.connection.execute(_PREPARE.format(most=most))

    def has_pair(self, rule: str) -> bool:
        """Whether any two records fulfil a rule of what is compared."""
        asked = f"SELECT 1 FROM compared l JOIN compared r ON ({rule}) AND l.number < r.number"  # noqa: S608
        return bool(self.rows(f"{asked} LIMIT 1"))

    def order(self) -> None:
        """Number the candidates in the order of their records, however they were found."""
        self.connection.execute(
            "CREATE OR REPLACE TABLE candidates AS SELECT "
            "row_number() OVER (ORDER BY one, other) - 1 AS number, one, other FROM found"
        )

    def pairs(self, first: int, end: int) -> list[tuple[str, str, str, str]]:
        """Candidates of these numbers: two ids, and what is compared of the two."""
        return self.rows(_PAIRS, first, end)

    def cases(self, first: int, end: int) -> list[tuple[str, str, str, float, str]]:
        """Pairs of these numbers for a person: ids, verdict, score, reasons."""
        return self.rows(
            "SELECT id, other, verdict, score, reasons FROM cases "
            "WHERE number >= ? AND number < ? ORDER BY number",
            first,
            end,
        )

    def likeliest(self, most: int, score_min: float) -> list[tuple[str, str, str, float]]:
        """Pairs for a person, those with the highest scores first: ids, verdict, score."""
        return self.rows(
            "SELECT id, other, verdict, score FROM cases WHERE score >= ? "
            "ORDER BY score DESC, number LIMIT ?",
            score_min,
            most,
        )

    def scored(self, score_min: float) -> int:
        """How many pairs for a person have so high a score."""
        ((found,),) = self.rows("SELECT count(*) FROM cases WHERE score >= ?", score_min)
        return int(found)

    def keep(self, score_min: float) -> None:
        """Drop the pairs with a lower score, and number the others anew."""
        self.connection.execute(
            "CREATE OR REPLACE TABLE cases AS SELECT * REPLACE ("
            "row_number() OVER (ORDER BY number) - 1 AS number) FROM cases WHERE score >= ?",
            [score_min],
        )

    def same(self) -> list[tuple[str, str]]:
        """The pairs that are one."""
        return self.rows("SELECT id, other FROM cases WHERE verdict = 'same' ORDER BY number")

    def clear(self) -> None:
        """Drop what Splink has made on the way."""
        names = self.rows(
            "SELECT table_name FROM duckdb_tables() WHERE starts_with(table_name, '__splink__')"
        )
        for (name,) in names:
            self.connection.execute(f'DROP TABLE IF EXISTS "{name}"')
