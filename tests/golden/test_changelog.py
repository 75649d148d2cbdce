"""Whoever relies on a released contract is broken by a new major only, and finds every change."""

from collections.abc import Mapping
from typing import Any, Final, Literal

import pytest
from pydantic import BaseModel, Field

from contracts.messages import Contract
from tests.golden import changelog
from tests.golden.changelog import (
    Change,
    changes,
    page,
    present,
    release,
    released,
    section,
    shape,
    unanswered,
)

TYPE: Final = "thing.make.v1"


class Part(Contract):
    """A part."""

    size: int


class Thing(Contract):
    """What was released."""

    id: str = Field(max_length=10)
    colour: Literal["red", "green"]
    one: Literal["only"] = "only"
    parts: tuple[Part, ...] = ()
    note: str | None = None


def of(model: type[BaseModel], *, is_read: bool = True) -> Mapping[str, Any]:
    return {TYPE: shape(model.model_json_schema(), is_read=is_read)}


def found(model: type[BaseModel], *, is_read: bool) -> list[tuple[str, str, str]]:
    """What differs from what was released: field, change, effect."""
    both = of(Thing, is_read=is_read), of(model, is_read=is_read)
    return [(one.field, one.what, one.effect) for one in changes(*both)]


class More(Thing):
    """With a field that may be left out, whose part may not."""

    extra: Part | None = None


class Demands(Thing):
    """With a field that has to be there."""

    extra: str


class Noted(Thing):
    """With what was a matter of choice."""

    note: str


class Nullable(Thing):
    """With a list that may be null, which is never written."""

    parts: tuple[Part, ...] | None = ()  # type: ignore[assignment]


class Loose(Thing):
    """Without what had to be there."""

    colour: Literal["red", "green"] = "red"


class Longer(Thing):
    """With more room."""

    id: str = Field(max_length=20)


class Shorter(Thing):
    """With less room."""

    id: str = Field(max_length=5)


class Choosier(Thing):
    """With fewer values."""

    colour: Literal["red"]


class Colourful(Thing):
    """With more values, also where there was one."""

    colour: Literal["red", "green", "blue"]  # type: ignore[assignment]
    one: Literal["only", "other"] = "only"  # type: ignore[assignment]


class BigPart(Part):
    """A part that says more."""

    weight: int


class Heavier(Thing):
    """With more to say inside a list that was there."""

    parts: tuple[BigPart, ...] = ()


class Fewer(Contract):
    """With a field taken away."""

    id: str = Field(max_length=10)
    colour: Literal["red", "green"]
    one: Literal["only"] = "only"
    parts: tuple[Part, ...] = ()


class Retyped(Thing):
    """With another type."""

    id: int  # type: ignore[assignment]


EXTRA: Final = [
    ("extra", "field added", "compatible"),
    ("extra.size", "required field added", "compatible"),
]
CASES: Final = [
    (Thing, [], []),
    (
        More,
        [
            ("extra", "field added", "compatible"),
            ("extra.size", "required field added", "compatible"),
        ],
        [
            ("extra", "field added", "compatible"),
            ("extra.size", "required field added", "compatible"),
        ],
    ),
    (
        Demands,
        [("extra", "required field added", "breaking")],
        [("extra", "required field added", "compatible")],
    ),
    (
        Heavier,
        [("parts[].weight", "required field added", "breaking")],
        [("parts[].weight", "required field added", "compatible")],
    ),
    (
        Nullable,
        [("parts", "type `array` → `array` or `null`", "compatible")],
        [],
    ),
    (
        Loose,
        [("colour", "made optional", "compatible")],
        [("colour", "made optional", "breaking")],
    ),
    (
        Longer,
        [("id", "maxLength `10` → `20`", "compatible")],
        [("id", "maxLength `10` → `20`", "breaking")],
    ),
    (
        Shorter,
        [("id", "maxLength `10` → `5`", "breaking")],
        [("id", "maxLength `10` → `5`", "compatible")],
    ),
    (
        Choosier,
        [("colour", "values removed: green", "breaking")],
        [("colour", "values removed: green", "compatible")],
    ),
    (
        Colourful,
        [
            ("colour", "values added: blue", "compatible"),
            ("one", "values added: other", "compatible"),
        ],
        [
            ("colour", "values added: blue", "announced"),
            ("one", "values added: other", "announced"),
        ],
    ),
    (Fewer, [("note", "field removed", "breaking")], [("note", "field removed", "breaking")]),
    (
        Noted,
        [
            ("note", "made required", "breaking"),
            ("note", "type `null` or `string` → `string`", "breaking"),
        ],
        [("note", "made required", "compatible")],
    ),
]


@pytest.mark.parametrize(
    ("model", "read", "written"), CASES, ids=[model.__name__ for model, _, _ in CASES]
)
def test_a_change_is_judged_by_who_reads_the_message(
    model: type[BaseModel], read: list[Any], written: list[Any]
) -> None:
    assert found(model, is_read=True) == read
    assert found(model, is_read=False) == written


@pytest.mark.parametrize("is_read", [True, False])
def test_another_type_of_value_breaks_everybody(is_read: bool) -> None:  # noqa: FBT001
    effects = {what: effect for _, what, effect in found(Retyped, is_read=is_read)}
    assert effects["type `string` → `integer`"] == "breaking"


def test_only_a_newer_major_makes_up_for_a_type_that_is_gone() -> None:
    before, none = of(Thing), dict[str, Any]()
    newer = {"thing.make.v2": before[TYPE]}
    gone = Change(TYPE, "removed type", "", "breaking")
    assert unanswered(changes(before, none), none) == [gone]
    assert unanswered(changes(before, newer), newer) == []
    other = {"thing.mend.v2": before[TYPE]}
    assert unanswered(changes(before, other), other) == [gone]


def test_a_newer_major_is_no_excuse_to_change_the_older_one() -> None:
    both = {**of(Fewer), "thing.make.v2": of(Thing)[TYPE]}
    (change,) = unanswered(changes(of(Thing), both), both)
    assert (change.type, change.what, change.field) == (TYPE, "field removed", "note")


def test_nothing_that_was_released_is_broken() -> None:
    """A breaking change wants a new major beside the older one: docs/adr/0016-majors.md."""
    now = present()
    assert unanswered(changes(released()["contracts"], now), now) == []


@pytest.mark.parametrize("name", ["notice.close.v1", "asset.get.accepted.v1", "user.registered.v1"])
def test_it_would_be_noticed_if_a_released_field_went(name: str) -> None:
    now = present()
    # One that is new since may still go.
    known = released()["contracts"][name]["fields"]
    path = next(one for one in now[name]["fields"] if one in known)
    fields = {p: f for p, f in now[name]["fields"].items() if p != path}
    spoilt = {**now, name: {**now[name], "fields": fields}}
    broken = unanswered(changes(released()["contracts"], spoilt), spoilt)
    assert [(one.type, one.field) for one in broken] == [(name, path)]


def test_a_release_begins_a_new_section_and_keeps_the_former(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, file in (("FOLDER", "."), ("RELEASED", "contracts.json"), ("PAST", "past.md")):
        monkeypatch.setattr(changelog, name, tmp_path / file)
    release("1.0.0")
    assert page().endswith("## Since 1.0.0, not released yet\n\nNothing.\n")
    monkeypatch.setattr(changelog, "present", lambda: of(Thing))
    release("1.1.0")
    assert (
        "## Since 1.1.0, not released yet\n\nNothing.\n\n## 1.1.0\n\nNew, compatible: `thing"
        in page()
    )


def test_new_types_are_named_by_their_operation() -> None:
    names = ("thing.make.v1", "thing.make.check.v1", "thing.make.check.accepted.v1")
    after = {name: of(Thing)[TYPE] for name in names}
    assert section(changes({}, after)) == "New, compatible: `thing.make.v1`.\n"
