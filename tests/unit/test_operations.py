"""Every operation, tried in every way in which it can go: see `tests/unit/operations`."""

import importlib
import json
import pkgutil
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest

import handlers
from contracts.envelope import Header
from contracts.messages import ROLES, check_type, reply_type
from contracts.taxonomy import FRONT_DESK
from contracts.values import Point
from contracts.values.text import OneLine
from handlers.accounts import set_account
from handlers.admission import admit
from handlers.asking import answer
from handlers.collection import unrouted
from handlers.entry import over_quota
from handlers.fold import fold
from tests import registers
from tests.builders import issued
from tests.codes.fields import KEY, Field, fields
from tests.codes.reach import codes_of, spelled, spelled_otherwise
from tests.codes.rows import rows
from tests.decider import ENTRIES, rules
from tests.unit.operations.every import every
from tests.unit.operations.table import (
    ABSENT,
    OPERATOR,
    OPERATORS,
    Because,
    Operation,
    Otherwise,
    Said,
    confirmed,
)
from tests.unit.operations.trial import REMEMBERED, Trial, codes, told, written
from tests.unit.operations.wrong import WRONG, with_wrong
from topology.catalog import REGISTER_MODULES

FOLDER: Final = "tests/unit/operations"
OPERATIONS: Final = every()
TRIED: Final = sorted(OPERATIONS.keys() & rows().keys())
EACH: Final = pytest.mark.parametrize("name", TRIED)
SENDER: Final = issued("USR", 7000)
"""Who has one role, and no other."""
SHARED: Final = (fold, answer, admit, over_quota, unrouted)
"""What gives the codes of every message."""


def each_rejection() -> Iterator[Any]:
    for name in TRIED:
        for code in OPERATIONS[name].rejected:
            yield pytest.param(name, code, id=f"{name}-{code}")


def each_value() -> Iterator[Any]:
    for name in TRIED:
        for code, places in rows()[name].of_values.items():
            yield pytest.param(name, code, places, id=f"{name}-{code}")


def test_every_operation_is_tried() -> None:
    missing = rows().keys() - OPERATIONS.keys()
    assert not missing, f"write an Operation of each into the file of its register in {FOLDER}"
    assert OPERATIONS.keys() - rows().keys() == set(), "no such type any more: delete it"


@EACH
def test_every_code_of_its_row_has_a_case(name: str) -> None:
    wanted, there = set(rows()[name].own), OPERATIONS[name].rejected.keys()
    assert wanted - there == set(), f"add to `rejected` of {name} in {FOLDER}: what makes it come"
    assert there - wanted == set(), f"name it in `Rejects:` of the handler of {name}, or delete it"


@pytest.mark.parametrize("name", [*rows()])
def test_handler_and_contract_name_every_code_that_the_source_leads_to(name: str) -> None:
    """So that what is published is what can come; that it does come, its case shows."""
    row = rows()[name]
    where = f"{row.decided_by.function.__module__}.{row.decided_by.function.__name__}"
    assert row.found - set(row.own) == set(), f"name it in `Rejects:` of {where}"
    assert set(row.own) - row.found == set(), f"{where} cannot give it: take it out of `Rejects:`"
    assert set(row.errors) == set(row.own), f"`Errors:` of {row.contract.__name__} differs"


def test_no_code_is_made_where_nobody_finds_it() -> None:
    """Put together from pieces it could not be found; made elsewhere it would be nobody's."""
    modules = [f"handlers.{module.name}" for module in pkgutil.iter_modules(handlers.__path__)]
    for name in modules:
        importlib.import_module(name)
    pieces = {one for name in modules for one in spelled_otherwise(name)}
    assert pieces == {"f'message.{reason}'"}, "spell a code out where the finding is made"
    everywhere = {code for name in modules for code in spelled(name)}
    of_operations = {code for row in rows().values() for code in row.found}
    of_all = {code for function in SHARED for code in codes_of(function)}
    assert everywhere - of_operations - of_all == set()


def test_a_new_operation_is_found_with_the_codes_that_it_leads_to() -> None:
    """Whatever its docstring says: through helpers, tables of rules, methods and partials."""
    more = rows((*REGISTER_MODULES, registers))
    assert more.keys() - OPERATIONS.keys() == {n for n in ENTRIES if n in more and "trial." in n}
    assert more["trial.weigh.v1"].found == more["trial.weigh.v2"].found == {"trial.weightless"}
    assert codes_of(set_account) >= {"account.not-yours", "account.too-many"}
    assert codes_of(OneLine(5).parse) == {"text.control", "text.empty", "text.length", "value.text"}
    latitude, longitude = (field.codes for field in fields(Point))
    assert latitude ^ longitude == {"latitude.range", "longitude.range"}


@EACH
def test_accepted(name: str) -> None:
    trial = Trial(OPERATIONS[name])
    if ENTRIES[name].kind == "command":
        kind, data = trial.check()
        assert kind == reply_type(check_type(name), "accepted"), data
    kind, data, outcome = trial.send()
    assert kind == reply_type(name, "accepted"), data
    if outcome is not None:
        assert told(outcome) == list(OPERATIONS[name].events)


def refused(trial: Trial) -> Mapping[str, Any]:
    """The answer to what is rejected: nothing is written, and the check says the same."""
    name, checked = trial.operation.type, None
    if ENTRIES[name].kind == "command":
        checked = trial.check()
    kind, data, outcome = trial.send()
    assert kind == reply_type(name, "rejected"), data
    if outcome is not None:
        assert written(outcome) <= REMEMBERED
    if checked is not None:
        passed = trial.otherwise.unchecked != ""
        verdict = reply_type(check_type(name), "accepted" if passed else "rejected")
        assert checked[0] == verdict, checked[1]
        assert passed or checked[1] == data
    return data


@pytest.mark.parametrize(("name", "code"), [*each_rejection()])
def test_rejected(name: str, code: str) -> None:
    operation = OPERATIONS[name]
    case = operation.rejected[code]
    found = rules(refused(Trial(operation, case)))
    assert {rule for rule, _ in found} == {code}
    named = {at.removeprefix("data.").partition(".")[0] for _, at in found}
    assert named <= places(operation, case), "say in `at` which field it is about"


def places(operation: Operation, case: Otherwise) -> set[str]:
    """What a finding may be about: a field that differs, or what is sent as a whole."""
    if case.at:
        return {case.at}
    if not (case.given or case.first or case.sender or case.attributes):
        return {*case.data, ""}
    return {*ENTRIES[operation.type].contract.model_fields, *Header.model_fields, ""}


@pytest.mark.parametrize(("name", "code", "places"), [*each_value()])
def test_rejected_for_a_value(name: str, code: str, places: tuple[Field, ...]) -> None:
    """In each field that takes such a value; what is missing beside it is said as well."""
    assert code in WRONG, f"add a value to WRONG in {FOLDER}/wrong.py that breaks {code}"
    trial = Trial(OPERATIONS[name])
    for field in places:
        data = with_wrong(trial.data, field, code)
        findings = rules(refused(Trial(OPERATIONS[name], Otherwise(data))))
        path = field.path.partition(f".{KEY}")[0]
        found = [(rule, at) for rule, at in findings if rule != "field.missing"]
        assert [rule for rule, at in found if at.startswith(path)] == [code], findings
        assert len(found) == 1, findings


@EACH
def test_the_same_again_changes_nothing(name: str) -> None:
    operation = OPERATIONS[name]
    if ENTRIES[name].kind == "query":
        return
    trial = Trial(operation)
    trial.send()
    if isinstance(operation.again, Because):
        _, data, outcome = trial.send()
        assert codes(data) or not is_nothing(outcome), "it does apply: leave `again` out"
        return
    trial.otherwise = operation.again
    before = dict(trial.decider.documents)
    kind, data, outcome = trial.send()
    assert kind == reply_type(name, "accepted"), data
    assert is_nothing(outcome)
    after = {key: row for key, row in trial.decider.documents.items() if key[0] not in REMEMBERED}
    assert after == {key: row for key, row in before.items() if key[0] not in REMEMBERED}


def is_nothing(outcome: Any) -> bool:
    """Whether nothing follows from a command but its answer."""
    return not told(outcome) and written(outcome) <= REMEMBERED and not outcome.erases


@EACH
def test_a_stale_revision_is_rejected(name: str) -> None:
    takes_one = "expected_revision" in ENTRIES[name].contract.model_fields
    cases = OPERATIONS[name].rejected
    stale = [code for code in cases if code.endswith(".stale")]
    assert len(stale) == takes_one, f"{name} takes a revision: it needs a code for a stale one"
    assert all("expected_revision" in cases[code].data for code in stale)


@EACH
def test_what_there_is_not_is_not_found(name: str) -> None:
    operation = OPERATIONS[name]
    if isinstance(operation.unknown, Because):
        return
    case = operation.rejected.get(operation.unknown)
    assert case is not None, f"`unknown` of {name} is no code of `rejected`"
    given = {k: v for k, v in case.data.items() if v is not ABSENT}
    named = {json.dumps(v) for k, v in given.items() if v != operation.data.get(k)}
    there = {json.dumps(row["_id"]) for row in Trial(operation, case).decider.documents.values()}
    assert named - there, "name something that there is not"


@EACH
def test_who_may_not_see_it_is_answered_as_if_there_were_nothing(name: str) -> None:
    operation = OPERATIONS[name]
    if isinstance(operation.hidden, Because):
        return
    assert not isinstance(operation.unknown, Because), f"say in `unknown` of {name} which code"
    trial = Trial(operation, operation.hidden)
    hidden = refused(trial)
    assert codes(hidden) == [operation.unknown]
    missing = Trial(operation, operation.hidden)
    assert missing.forget(), "let `hidden` be about something that there is"
    assert refused(missing) == hidden
    assert missing.decider.rounds == trial.decider.rounds, "it takes another time"


@EACH
def test_what_operators_alone_see_they_alone_may_send(name: str) -> None:
    is_said = OPERATIONS[name].hidden is OPERATORS
    assert not is_said or ENTRIES[name].contract.senders == {OPERATOR}


@EACH
def test_who_may_see_it_and_may_not_do_it_is_told_so(name: str) -> None:
    operation = OPERATIONS[name]
    if isinstance(operation.may_not, Because):
        return
    case = operation.rejected.get(operation.may_not)
    assert case is not None, f"`may_not` of {name} is no code of `rejected`"
    trial = Trial(operation, case)
    is_another = trial.sender != operation.sender or case.given or case.first
    assert is_another, "let it be sent by somebody else"
    entity = trial.data.get("id", "")
    for collection, register in (("users", "user"), ("assets", "asset")):
        if (collection, entity) in trial.decider.documents:
            asked = Said(f"{register}.get.v1", {"id": entity}, trial.sender)
            assert codes(trial.ask(asked)[1]) == [], "let somebody send it who may see it"


@EACH
def test_a_role_that_may_not_send_it_is_told_so(name: str) -> None:
    wrong = sorted(ROLES - ENTRIES[name].contract.senders)
    for role in wrong:
        sender = FRONT_DESK if role == FRONT_DESK else SENDER
        given = [("users", confirmed(SENDER, roles=[role]))]
        attributes = dict.fromkeys(OPERATIONS[name].attributes, ABSENT)
        case = Otherwise(sender=sender, given=given, attributes=attributes)
        assert codes(refused(Trial(OPERATIONS[name], case))) == ["sender.role"]
