"""Broker accounts as documents, and what becomes of a user's standing."""

from typing import Any

import pytest

from contracts.taxonomy import OPERATOR
from handlers.accounts import ACCOUNTS_MAX
from handlers.decision import Secret
from handlers.edges import recorded
from tests.builders import NOW, PLATFORM, STRANGER, asset, command, issued, user_document
from tests.decider import Decider, events, reply, rules, said

HASH, OTHER = "A" * 48, "B" * 48
BULK = f"{PLATFORM}/bulk"


@pytest.fixture
def decider() -> Decider:
    return Decider()


class Sending:
    """Sends one command after the other and keeps count of the ids."""

    number = 0

    def __call__(
        self, decider: Decider, name: str, sender: str = PLATFORM, /, **data: Any
    ) -> tuple[str, Any]:
        """Type and data of the reply; what was said and written is in `outcome`."""
        Sending.number += 1
        (self.outcome,) = decider.decide(
            command(name, data, sender=sender, id=f"command-{self.number}")
        )
        return reply(self.outcome)


send = Sending()


def codes(answer: tuple[str, Any]) -> list[tuple[str, str]]:
    kind, data = answer
    assert ".rejected." in kind, data
    return rules(data)


def set_account(
    decider: Decider, account: str = PLATFORM, key: str = HASH, sender: str = PLATFORM
) -> Any:
    return send(decider, "account.set.v1", sender, account=account, key_hash=key)


# Accounts.


def test_an_account_is_made_and_its_key_is_a_secret_of_the_document_alone(
    decider: Decider,
) -> None:
    kind, data = set_account(decider, f"{PLATFORM}/control-room")
    assert (kind, data) == (
        "account.set.accepted.v1",
        {
            "id": PLATFORM,
            "account": f"{PLATFORM}/control-room",
            "state": "active",
            "revision": 1,
        },
    )
    assert decider.documents["accounts", f"{PLATFORM}/control-room"] == {
        "_id": f"{PLATFORM}/control-room",
        "revision": 1,
        "user": PLATFORM,
        "key_hash": Secret(HASH),
        "state": "active",
    }
    assert events(send.outcome) == [
        (
            "account.changed.v1",
            {
                "id": PLATFORM,
                "account": f"{PLATFORM}/control-room",
                "revision": 1,
                "by": PLATFORM,
            },
        )
    ]
    assert all(HASH.encode() not in letter.body for letter in send.outcome.letters)


def test_a_new_key_is_a_new_revision_and_the_same_key_is_nothing(decider: Decider) -> None:
    set_account(decider)
    assert set_account(decider, key=OTHER)[1]["revision"] == 2
    assert set_account(decider, key=OTHER)[1]["revision"] == 2
    assert events(send.outcome) == []
    assert decider.documents["accounts", PLATFORM]["key_hash"] == Secret(OTHER)


def test_a_registration_makes_two_accounts_with_a_key_of_their_own(decider: Decider) -> None:
    data = {"kind": "organisation", "name": "New", "roles": ["fsp"], "account_key_hash": HASH}
    user = send(decider, "user.register.v1", OPERATOR, **data)[1]["id"]
    set_account(decider, f"{user}/bulk", OTHER, sender=user)
    kept = {row["_id"]: row["key_hash"].value for row in decider.of("accounts")}
    assert kept == {user: HASH, f"{user}/bulk": OTHER}


@pytest.mark.parametrize(
    ("account", "code"),
    [
        (STRANGER, "account.not-yours"),
        (f"{STRANGER}/bulk", "account.not-yours"),
        (f"{PLATFORM}/", "account-name.format"),
        (f"{PLATFORM}/Bulk", "account-name.format"),
        (f"{PLATFORM}/a/b", "account-name.format"),
        (f"{PLATFORM}/" + "a" * 21, "account-name.format"),
        ("operator", "user-id.format"),
        ("flex-accounts", "user-id.format"),
    ],
)
def test_an_account_of_another_or_of_no_user_is_refused(
    decider: Decider, account: str, code: str
) -> None:
    assert codes(set_account(decider, account)) == [(code, "data.account")]
    assert codes(send(decider, "account.end.v1", account=account)) == [(code, "data.account")]
    assert decider.of("accounts") == []


def test_a_mandate_gives_nobody_the_key(decider: Decider) -> None:
    tie = {"as": "delegate", "from": NOW, "until": None}
    row = recorded(PLATFORM, STRANGER, [tie])
    decider.documents["relations", row["_id"]] = row
    answer = set_account(decider, sender=STRANGER)
    assert codes(answer) == [("account.not-yours", "data.account")]


def test_an_operator_may_for_whoever_is_registered(decider: Decider) -> None:
    assert set_account(decider, sender=OPERATOR)[0] == "account.set.accepted.v1"
    nobody = issued("USR", 9000)
    assert codes(set_account(decider, nobody, sender=OPERATOR)) == [
        ("user.not-found", "data.account")
    ]
    for status in ("rejected", "retired"):
        decider.documents["users", STRANGER] = user_document(STRANGER, status=status)
        assert codes(set_account(decider, STRANGER, sender=OPERATOR)) == [
            ("user.not-active", "data.account")
        ]


def test_accounts_are_limited_and_an_end_makes_room(decider: Decider) -> None:
    for number in range(ACCOUNTS_MAX):
        assert set_account(decider, f"{PLATFORM}/a-{number}")[0] == "account.set.accepted.v1"
    assert codes(set_account(decider)) == [("account.too-many", "data.account")]
    # One that there is may have a new key.
    assert set_account(decider, f"{PLATFORM}/a-0", OTHER)[0] == "account.set.accepted.v1"
    kind, data = send(decider, "account.end.v1", account=f"{PLATFORM}/a-0")
    assert (kind, data["state"]) == ("account.end.accepted.v1", "ended")
    assert [name for name, _ in events(send.outcome)] == ["account.ended.v1"]
    assert set_account(decider)[0] == "account.set.accepted.v1"


# Standing.


def suspend(decider: Decider, user: str = PLATFORM, **more: Any) -> tuple[str, Any]:
    return send(decider, "user.suspend.v1", OPERATOR, id=user, reason="security", **more)


def test_a_suspension_has_its_date_and_its_note_stays_sealed(decider: Decider) -> None:
    _, data = suspend(decider, note="Mr Smith called")
    user = decider.documents["users", PLATFORM]
    assert (data["status"], data["revision"]) == ("suspended", 2)
    assert data["status_at"].startswith(f"{NOW:%Y-%m-%dT%H:%M:%S}")
    assert (user["status"], user["status_before"], user["status_at"]) == (
        "suspended",
        "provisional",
        NOW,
    )
    assert user["suspension_note"] == Secret("Mr Smith called")
    assert events(send.outcome) == [
        (
            "user.suspended.v1",
            {
                "id": PLATFORM,
                "revision": 2,
                "status": "suspended",
                "by": "operator",
                "reason": "security",
            },
        )
    ]
    assert all(b"Smith" not in letter.body for letter in send.outcome.letters)


def test_the_suspended_user_itself_is_told_whatever_it_has_chosen(decider: Decider) -> None:
    suspend(decider)
    told = decider.consequences([send.outcome])
    assert [(letter.recipient, letter.type) for letter in told] == [(PLATFORM, "user.suspended.v1")]
    choice = {"kinds": {"user.suspended.v1": "off"}}
    answer = send(decider, "subscription.set.v1", STRANGER, **choice)
    assert codes(answer)[0][0] == "notice.mandatory"


@pytest.mark.parametrize("status", ["suspended", "rejected", "retired"])
@pytest.mark.parametrize(
    ("kind", "data"),
    [
        ("asset.register.v1", asset()),
        ("asset.register.check.v1", asset()),
        ("user.get.v1", {"id": PLATFORM}),
        ("asset.register.v1", {"not": "even valid"}),
    ],
)
def test_whoever_takes_no_part_is_refused_with_one_code(
    decider: Decider, status: str, kind: str, data: dict[str, Any]
) -> None:
    decider.documents["users", PLATFORM] = user_document(status=status)
    given = command(kind, data)
    is_command = kind == "asset.register.v1"
    _, told = reply(decider.decide(given)[0]) if is_command else said(decider.ask(given))
    (finding,) = told["findings"]
    assert (told["code"], finding["rule"], finding["got"]) == (
        "sender.suspended",
        "sender.suspended",
        status,
    )


def test_a_reinstated_user_is_what_it_was(decider: Decider) -> None:
    decider.documents["users", PLATFORM] = user_document(status="confirmed")
    before = dict(decider.documents["users", PLATFORM])
    suspend(decider, note="for a while")
    kind, data = send(decider, "user.reinstate.v1", OPERATOR, id=PLATFORM)
    assert (kind, data["status"]) == ("user.reinstate.accepted.v1", "confirmed")
    assert decider.documents["users", PLATFORM] == {**before, "revision": 3}
    assert [name for name, _ in events(send.outcome)] == ["user.reinstated.v1"]
    assert send(decider, "asset.register.v1", **asset())[0] == "asset.register.accepted.v1"


def test_what_is_so_already_is_accepted_and_no_event(decider: Decider) -> None:
    for kind, more in (("reinstate", {}), ("suspend", {"reason": "other"}), ("retire", {})):
        for _ in range(2):
            answer = send(decider, f"user.{kind}.v1", OPERATOR, id=PLATFORM, **more)
            assert answer[0] == f"user.{kind}.accepted.v1"
        assert events(send.outcome) == []


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        ("rejected", "suspend", "user.not-active"),
        ("retired", "suspend", "user.not-active"),
        ("rejected", "reinstate", "user.not-suspended"),
        ("retired", "reinstate", "user.not-suspended"),
        ("rejected", "retire", "user.not-active"),
        (None, "suspend", "user.not-found"),
        (None, "reinstate", "user.not-found"),
        (None, "retire", "user.not-found"),
    ],
)
def test_wrong_states_are_named(decider: Decider, status: str | None, kind: str, code: str) -> None:
    if status is None:
        del decider.documents["users", PLATFORM]
    else:
        decider.documents["users", PLATFORM] = user_document(status=status)
    more = {"reason": "other"} if kind == "suspend" else {}
    answer = send(decider, f"user.{kind}.v1", OPERATOR, id=PLATFORM, **more)
    assert codes(answer) == [(code, "data.id")]
    assert events(send.outcome) == []
