"""The message of a dead letter is shown as it came, wherever it may be that it is dead of that."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tests.unit.test_cli import LETTER, letter_shown
from workers.cli import dead
from workers.cli.main import build


def body_shown(text: str) -> str:
    said = letter_shown(body=b64encode(text.encode()).decode())
    return said.partition("\nmessage\n")[2]


@pytest.mark.parametrize(
    "text",
    [
        '{"id":"a","id":"b"}',
        '{"data":[{"id":"a","id":"a"}]}',
        '{"kw":1.50}',
        '{"kw":1e3}',
        '{"kw":-0}',
        '{"kw":0.1000000000000000055511151231257827}',
        '{"kw":1e999}',
        '{"kw":' + "1" * 1900 + ".5}",
    ],
)
def test_what_would_be_lost_by_laying_it_out_is_shown_as_it_came(text: str) -> None:
    assert body_shown(text).strip() == text


def test_what_loses_nothing_is_laid_out() -> None:
    said = body_shown('{"kw":[1,-2.5,1e+16,12345678901234567890],"ö":"\\u00e4","on":true,"x":null}')
    lines = [line.strip() for line in said.splitlines()]
    assert lines[:5] == ["{", '"kw": [', "1,", "-2.5,", "1e+16,"]
    assert '"ö": "ä",' in lines


def test_no_text_of_a_letter_becomes_a_picture(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def whole(_place: object, _letter: str) -> dict[str, Any]:
        body = b64encode(b'{"id": "a:bank:b"}').decode()
        return {"letter": LETTER, "notes": [], "body": body}

    async def letters(*_: object) -> Any:
        yield {**LETTER, "times": 1, "exception": "a:bank:b"}

    monkeypatch.setattr(dead, "_here", lambda: None)
    monkeypatch.setattr(dead, "whole", whole)
    monkeypatch.setattr(dead, "letters", letters)
    for words in (["dead", "show", str(LETTER["id"])], ["dead", "list"]):
        assert "a:bank:b" in CliRunner().invoke(build(), words).output
