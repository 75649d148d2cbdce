"""The directory on a whole backbone: found by those who may, and made anew by one command."""

from pathlib import Path

import pytest

from tests.broker.test_send import place_of
from tests.spine import Spine, user
from workers.cli.rebuilding import rebuilt

pytestmark = [pytest.mark.connected, pytest.mark.timeout(120)]


async def test_users_are_found_page_by_page_and_made_findable_again(
    working: Spine, tmp_path: Path
) -> None:
    operator, platform = await working.operator(), await working.platform(name="Seeker Ltd")
    for number in range(5):
        data = user(name=f"Ørsted Wind {number} Ltd")
        assert (await operator.ask("user.register.v1", data)).type.endswith("accepted.v1")
    person = user(name="Zoë Quillfeather", kind="person", roles=["owner"])
    registered = await platform.ask("user.register.v1", person, onbehalfof="customer 7")
    assert registered.type == "user.register.accepted.v1"

    async def found(text: str) -> list[str]:
        ids: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            asked = {"text": text, "limit": 2, **cursor}
            answer = (await platform.ask("directory.search.v1", asked)).data
            ids += [entry["id"] for entry in answer["entries"]]
            if "cursor" not in answer:
                return ids
            cursor = {"cursor": answer["cursor"]}

    first = await found("orsted WIN")
    assert len(first) == 5
    assert first == sorted(set(first))
    # It is provisional: it sees what everybody sees.
    assert await found("quillfeather") == []
    entries = await working.raw("directory")
    assert len(entries) == 7
    assert not [e for e in entries if "uillf" in str(e).casefold()]

    # The command line is the operator too, and wants its replies alone.
    await operator.close()
    await working.database["directory"].delete_many({})
    assert await found("orsted") == []
    assert await rebuilt(place_of(working, tmp_path)) == (7, 1)
    assert await found("orsted") == first
    assert await rebuilt(place_of(working, tmp_path)) == (0, 1)
    assert [{**e, "revision": 1} for e in await working.raw("directory")] == [
        {**e, "revision": 1} for e in entries
    ]
