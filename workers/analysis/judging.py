"""The candidates judged by the scorer of the registrations, and what is sent of them."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import Any, Final

from contracts.duplicates import PAIRS_MAX, OpenCases
from handlers.matching.clusters import clusters
from handlers.matching.comparing import compare
from workers.analysis.registers import Register
from workers.analysis.table import Table

MODEL: Final = "analysis-1"
"""By what the pairs are scored; another number where `handlers.matching` scores otherwise."""
PAGE: Final = 50_000
"""Candidates that are judged and written at once."""
PROFILES_KEPT: Final = 10_000
"""Profiles at hand: candidates of one record follow each other, and some are in many pairs."""

Told = Callable[[int, int], None]
"""What is done, of how many."""


def judge(table: Table, register: Register, told: Told, *, parts: bool) -> None:
    """Score each candidate; those that may be one are cases, and all are counted by verdict."""
    of_case = {"same", "unsure", "part_of"} if parts else {"same", "unsure"}
    total = table.count("candidates")
    profile = lru_cache(PROFILES_KEPT)(lambda written: register.profile(json.loads(written)))
    for first in range(table.number("judged"), total, PAGE):
        verdicts = Counter(table.marked("verdicts") or {})
        cases = []
        for one, other, ours, theirs in table.pairs(first, first + PAGE):
            found = compare(profile(ours), profile(theirs))
            verdicts[found.verdict] += 1
            if found.verdict in of_case:
                reasons = [asdict(reason) for reason in found.reasons]
                case = {"id": one, "other": other, "verdict": found.verdict, "score": found.score}
                cases.append(case | {"reasons": json.dumps(reasons)})
        number = table.count("cases")
        with table.at_once():
            table.add_cases([{"number": number + nth, **one} for nth, one in enumerate(cases)])
            table.mark("verdicts", dict(verdicts))
            table.mark("judged", first + PAGE)
        told(min(first + PAGE, total), total)


def portion(table: Table, number: int, joined: Mapping[str, str]) -> dict[str, Any]:
    """The data of the command that opens this portion of the cases.

    A cluster is named by the smallest id in it. It is said of each pair whose two records are in
    it, also of one that by itself is not the same.
    """
    pairs = []
    rows = table.cases(number * PAIRS_MAX, (number + 1) * PAIRS_MAX)
    for one, other, verdict, score, reasons in rows:
        pair = {"id": one, "other": other, "verdict": verdict, "score": score}
        pair |= {"reasons": json.loads(reasons)}
        if one in joined and joined[one] == joined.get(other):
            pair["cluster"] = joined[one]
        pairs.append(pair)
    # Through the contract, so that what the register would refuse is never sent.
    command = OpenCases.model_validate({"pairs": pairs, "model": MODEL})
    return command.model_dump(mode="json", exclude_none=True)


def joined(table: Table) -> Mapping[str, str]:
    """The clusters: of each record of a pair that is the same the name of its group."""
    return clusters(table.same())
