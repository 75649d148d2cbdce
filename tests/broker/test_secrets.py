"""Secrets are ciphertext wherever the database keeps them, and their owner is answered anyway."""

import base64
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from io import StringIO
from typing import Any, Final, NamedTuple

import pytest
import structlog
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument

from tests.spine import Platform, Spine, eventually, user
from topology import names
from workers.logs import DRIVERS, configure

pytestmark = pytest.mark.connected

SECRETS: Final[Mapping[str, str]] = {
    "iban": "GB33BUKB20201555555555",
    "account number": "31926819",
    "person": "Zebedee Quillfeather",
    "email": "zebedee.quillfeather@example.org",
    "phone": "+442079460999",
    "street": "77 Marmalade Yard",
}
REGISTER: Final = "user.register.v1"
EVERYWHERE: Final = {
    "users", "accounts", "inbox", "outbox", "history", "commands", "dead_letters", "dead_contents",
}  # fmt: skip


class Stored(NamedTuple):
    """What was left where, by messages that the answers of these marks belong to."""

    sender: Platform
    marks: Sequence[str]
    held: Mapping[str, bytes]
    log: str


def person(key: str | None = None, **data: Any) -> dict[str, Any]:
    """A person whose every detail is a secret."""
    return user(
        key,
        kind="person",
        name=SECRETS["person"],
        roles=["owner"],
        address={"line_1": SECRETS["street"], "country": "GB"},
        contacts=[
            {"name": SECRETS["person"], "email": SECRETS["email"], "phone": SECRETS["phone"]}
        ],
        bank={
            "account_name": SECRETS["person"],
            "sort_code": "20-20-15",
            "account_number": SECRETS["account number"],
            "iban": SECRETS["iban"],
        },
        **data,
    )


def written_as(text: str) -> Iterator[bytes]:
    """Every way in which a careless program might have written a text."""
    plain = text.encode()
    yield from (plain, plain.upper(), plain.lower(), text.encode("utf-16-le"))
    yield from (plain.hex().encode(), text.encode("ascii", "xmlcharrefreplace"))
    for lead in range(3):
        # Base64 of a text depends on where in the encoded whole it begins.
        encoded = base64.b64encode(b"\x00" * lead + plain)
        yield encoded[2 * lead : -4]
        yield base64.urlsafe_b64encode(b"\x00" * lead + plain)[2 * lead : -4]


def found_in(dump: bytes) -> set[str]:
    return {name for name, text in SECRETS.items() if any(w in dump for w in written_as(text))}


async def dumps(spine: Spine) -> dict[str, bytes]:
    """Every byte of every collection."""
    options = CodecOptions(document_class=RawBSONDocument)
    held: dict[str, bytes] = {}
    for name in await spine.database.list_collection_names():
        collection = spine.database.get_collection(name).with_options(options)
        held[name] = b"\n".join([bytes(document.raw) async for document in collection.find()])
    return held


@contextmanager
def logged() -> Iterator[StringIO]:
    """What the workers' own logging writes, in place of the tests'."""
    before, written = structlog.get_config(), StringIO()
    drivers = [logging.getLogger(name) for name in DRIVERS]
    handlers = [(logger, logger.handlers, logger.propagate) for logger in drivers]
    with redirect_stderr(written):
        configure(json=True)
    try:
        yield written
    finally:
        structlog.configure(**before)
        for logger, former, propagate in handlers:
            logger.handlers, logger.propagate = former, propagate


async def publish_everything(sender: Platform) -> list[str]:
    """Every way for a message to end; gives what the answers can be known by."""
    marks = [
        await sender.send(REGISTER, person(), onbehalfof="customer 1"),
        await sender.send(REGISTER, person(nonsense=SECRETS["iban"]), onbehalfof="customer 2"),
        await sender.send(REGISTER, person(), dataref=SECRETS["email"], onbehalfof="customer 3"),
        await sender.send(f"{REGISTER[:-2]}check.v1", person(), onbehalfof="customer 4"),
        await sender.send("asset.explode.v1", {"words": " ".join(SECRETS.values())}),
        await sender.send("asset.keep.v1", {"value": [2**70, *SECRETS.values()]}),
        await sender.send("asset.ponder.v1", {"words": " ".join(SECRETS.values())}),
        "undecodable",
        "unreadable",
        "source",
        "oversized",
    ]
    body = json.dumps(sender.envelope(REGISTER, person())).encode()
    headers = {"note": SECRETS["person"]}
    await sender.publish(body[:-1], REGISTER, message_id="undecodable", headers=headers)
    unreadable = json.dumps(sender.envelope(REGISTER, person(), id=SECRETS["email"])).encode()
    await sender.publish(unreadable, REGISTER, message_id="unreadable")
    others = sender.envelope(REGISTER, person(), source=f"urn:flexspine:user:{SECRETS['person']}")
    await sender.publish(json.dumps(others).encode(), REGISTER, message_id="source")
    await sender.publish(body + b" " * 300_000, REGISTER, message_id="oversized")
    await sender.publish(body, REGISTER, user_id=None)
    return marks


@pytest.fixture(scope="module")
async def stored(spine: Spine) -> Stored:
    """The database while everything waits in the outbox, and again when it was sent; the log."""
    async with spine.running():
        sender = await spine.platform(roles=["aggregator"])
    with logged() as log:
        async with spine.running() as workers:
            # It runs, and nothing is its to send: what is committed waits.
            workers.relay.partitions = dict
            marks = await publish_everything(sender)
            await eventually(lambda: _all_there(spine))
            before = await dumps(spine)
        async with spine.running():
            await sender.answered(marks)
    after = await dumps(spine)
    held = {name: before[name] + after.get(name, b"") for name in before}
    return Stored(sender, marks, held, log.getvalue())


async def _all_there(spine: Spine) -> bool:
    letters = [row["reason"] for row in await spine.raw("dead_letters")]
    expected = ["identity", "poisoned", "rejected", "source", "undecodable", "undecodable"]
    return sorted(letters) == expected and await spine.count("outbox") >= 10


def test_the_search_finds_what_is_there() -> None:
    for text in SECRETS.values():
        for lead in (b"", b"x", b"xy", b"xyz"):
            hidden = base64.b64encode(lead + text.encode() + b"tail")
            assert any(way in hidden for way in written_as(text)), (text, lead)


async def test_no_secret_is_in_clear_anywhere(
    stored: Stored,
) -> None:
    assert {name for name in EVERYWHERE if stored.held.get(name)} == EVERYWHERE
    assert {name: found for name, dump in stored.held.items() if (found := found_in(dump))} == {}


def test_no_secret_is_in_the_log(stored: Stored) -> None:
    # The bug of a query and the batches are there, so that this looks at the right thing.
    assert "query.failed" in stored.log
    assert '"poisoned": 1' in stored.log
    assert found_in(stored.log.encode()) == set()


async def test_the_answers_come_and_the_secrets_can_be_opened(spine: Spine, stored: Stored) -> None:
    sender = stored.sender
    registered = sender.answers(stored.marks[0])[0]
    async with spine.running():
        shown = await sender.ask("user.get.v1", {"id": registered.data["id"]})

    assert registered.type == "user.register.accepted.v1"
    assert shown.data["name"] == SECRETS["person"]
    assert SECRETS["iban"] not in shown.body.decode()
    (document,) = await spine.opened("users", _id=registered.data["id"])
    assert document["bank"].value["iban"] == SECRETS["iban"]
    letters = await spine.opened("dead_contents")
    assert all(SECRETS["person"].encode() in letter["body"].value for letter in letters)


async def test_domain_events_carry_no_secret(spine: Spine, stored: Stored) -> None:
    operator = await spine.operator()
    events = await operator.until(
        lambda: [r for r in operator.received if r.queue == names.domain_queue(operator.user)]
    )

    assert found_in(b"\n".join(event.body for event in events)) == set()
