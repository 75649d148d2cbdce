"""What each cell of the rights must be, written out by hand: nothing here is derived from a table.

A new type or group gets its row here; `python -m tests.golden.coverage` says which is missing.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tests.builders import OWNER, STRANGER, issued

THIRD: Final = issued("USR", 6000)
"""Somebody else, who is registered and has every role of the market."""
BATTERY: Final = issued("BAT", 4000)
MPAN: Final = "2000000000015"

ROLE_COLUMNS: Final = (
    "owner", "aggregator", "fsp", "mpp", "mo", "so", "special", "verifier", "operator",
    "front-desk",
)  # fmt: skip
ROLE_ROWS: Final[Mapping[str, str]] = {
    "account.end.check.v1": "+++++++++-",
    "account.end.v1": "+++++++++-",
    "account.set.check.v1": "+++++++++-",
    "account.set.v1": "+++++++++-",
    "agreement.get.v1": "++++++++++",
    "agreement.list.v1": "++++++++++",
    "agreement.publish.check.v1": "----++--+-",
    "agreement.publish.v1": "----++--+-",
    "agreement.revoke.check.v1": "+++++++++-",
    "agreement.revoke.v1": "+++++++++-",
    "agreement.sign.check.v1": "++++++++--",
    "agreement.sign.v1": "++++++++--",
    "asset.attest.check.v1": "-------+--",
    "asset.attest.v1": "-------+--",
    "asset.commission.check.v1": "++++++--+-",
    "asset.commission.v1": "++++++--+-",
    "asset.confirm.check.v1": "----++--+-",
    "asset.confirm.v1": "----++--+-",
    "asset.get.v1": "+++++++++-",
    "asset.link-id.check.v1": "+++++++++-",
    "asset.link-id.v1": "+++++++++-",
    "asset.move.check.v1": "++++++--+-",
    "asset.move.v1": "++++++--+-",
    "asset.refresh.check.v1": "+++++++++-",
    "asset.refresh.v1": "+++++++++-",
    "asset.register.check.v1": "++++++--+-",
    "asset.register.v1": "++++++--+-",
    "asset.relate.check.v1": "++++++--+-",
    "asset.relate.v1": "++++++--+-",
    "asset.retire.check.v1": "++++++--+-",
    "asset.retire.v1": "++++++--+-",
    "asset.transfer.check.v1": "++++++--+-",
    "asset.transfer.v1": "++++++--+-",
    "asset.translate.v1": "+++++++++-",
    "asset.unrelate.check.v1": "++++++-++-",
    "asset.unrelate.v1": "++++++-++-",
    "asset.update.check.v1": "++++++--+-",
    "asset.update.v1": "++++++--+-",
    "channel.send.check.v1": "++++++--+-",
    "channel.send.v1": "++++++--+-",
    "change.acknowledge.check.v1": "++++++++--",
    "change.acknowledge.v1": "++++++++--",
    "change.pending.v1": "++++++++--",
    "directory.rebuild.check.v1": "--------+-",
    "directory.rebuild.v1": "--------+-",
    "directory.search.v1": "+++++++++-",
    "event.replay.check.v1": "+++++++++-",
    "event.replay.v1": "+++++++++-",
    "interest.answer.check.v1": "----++----",
    "interest.answer.v1": "----++----",
    "interest.express.check.v1": "-++-------",
    "interest.express.v1": "-++-------",
    "interest.list.v1": "-++-++----",
    "interest.withdraw.check.v1": "-++-------",
    "interest.withdraw.v1": "-++-------",
    "interface.announce.check.v1": "--------+-",
    "interface.announce.v1": "--------+-",
    "mandate.end.check.v1": "++++++++--",
    "mandate.end.v1": "++++++++--",
    "mandate.give.check.v1": "++++++++--",
    "mandate.give.v1": "++++++++--",
    "notice.broadcast.check.v1": "----++--+-",
    "notice.broadcast.v1": "----++--+-",
    "notice.close.check.v1": "+++++++++-",
    "notice.close.v1": "+++++++++-",
    "notice.close.check.v2": "+++++++++-",
    "notice.close.v2": "+++++++++-",
    "notice.list.v1": "+++++++++-",
    "sharing.grant.check.v1": "++++++++--",
    "sharing.grant.v1": "++++++++--",
    "sharing.list.v1": "++++++++--",
    "sharing.revoke.check.v1": "++++++++--",
    "sharing.revoke.v1": "++++++++--",
    "subscription.set.check.v1": "+++++++++-",
    "subscription.set.v1": "+++++++++-",
    "user.attest.check.v1": "-------+--",
    "user.attest.v1": "-------+--",
    "user.confirm.check.v1": "--------+-",
    "user.confirm.v1": "--------+-",
    "user.get.v1": "+++++++++-",
    "user.grant-role.check.v1": "--------+-",
    "user.grant-role.v1": "--------+-",
    "user.erase.check.v1": "+++++++++-",
    "user.erase.v1": "+++++++++-",
    "user.history.v1": "+++++++++-",
    "user.link-id.check.v1": "+++++++++-",
    "user.link-id.v1": "+++++++++-",
    "user.register.check.v1": "-+++++--++",
    "user.register.v1": "-+++++--++",
    "user.reinstate.check.v1": "--------+-",
    "user.reinstate.v1": "--------+-",
    "user.reject.check.v1": "--------+-",
    "user.reject.v1": "--------+-",
    "user.requirements.v1": "++++++++++",
    "user.retire.check.v1": "+++++++++-",
    "user.retire.v1": "+++++++++-",
    "user.suspend.check.v1": "--------+-",
    "user.suspend.v1": "--------+-",
    "user.update.check.v1": "+++++++++-",
    "user.translate.v1": "+++++++++-",
    "user.update.v1": "+++++++++-",
}
"""Type -> for each role whether it may send it."""

PROVISIONAL_ROWS: Final[Mapping[str, str]] = {
    "account.end.v1": "+",
    "account.set.v1": "+",
    "agreement.get.v1": "+",
    "agreement.list.v1": "+",
    "agreement.publish.v1": "-",
    "agreement.revoke.v1": "+",
    "agreement.sign.v1": "+",
    "asset.attest.v1": "-",
    "asset.commission.v1": "+",
    "asset.confirm.v1": "-",
    "asset.get.v1": "+",
    "asset.link-id.v1": "+",
    "asset.move.v1": "+",
    "asset.refresh.v1": "+",
    "asset.register.v1": "+",
    "asset.relate.v1": "+",
    "asset.retire.v1": "+",
    "asset.transfer.v1": "+",
    "asset.translate.v1": "+",
    "asset.unrelate.v1": "+",
    "asset.update.v1": "+",
    "change.acknowledge.v1": "-",
    "change.pending.v1": "+",
    "channel.send.v1": "+",
    "directory.rebuild.v1": "-",
    "directory.search.v1": "+",
    "event.replay.v1": "+",
    "interest.answer.v1": "-",
    "interest.express.v1": "+",
    "interest.list.v1": "+",
    "interest.withdraw.v1": "+",
    "interface.announce.v1": "-",
    "mandate.end.v1": "+",
    "mandate.give.v1": "+",
    "notice.broadcast.v1": "-",
    "notice.close.v1": "+",
    "notice.close.v2": "+",
    "notice.list.v1": "+",
    "sharing.grant.v1": "+",
    "sharing.list.v1": "+",
    "sharing.revoke.v1": "+",
    "subscription.set.v1": "+",
    "user.attest.v1": "-",
    "user.confirm.v1": "-",
    "user.erase.v1": "+",
    "user.get.v1": "+",
    "user.grant-role.v1": "-",
    "user.history.v1": "+",
    "user.link-id.v1": "+",
    "user.register.v1": "+",
    "user.reinstate.v1": "-",
    "user.reject.v1": "-",
    "user.requirements.v1": "+",
    "user.retire.v1": "+",
    "user.suspend.v1": "-",
    "user.translate.v1": "+",
    "user.update.v1": "+",
}
"""Type -> whether a provisional user may send it, and its check."""

RIGHTS: Final[Mapping[str, str]] = {"n": "none", "m": "masked", "r": "read", "w": "write"}

GROUP_COLUMNS: Final[Mapping[str, Sequence[str]]] = {
    "users": (
        "self", "registrant", "delegate", "operator", "verifier", "registered", "reader",
        "others",
    ),
    "assets": (
        "registrant", "owner", "delegate", "operator",
        "aggregator", "fsp", "so", "mo", "verifier", "others",
    ),
}  # fmt: skip
GROUP_ROWS: Final[Mapping[str, Mapping[str, str]]] = {
    "users": {
        "name": "wrwwrrrn",
        "registrant": "rrrrnnnn",
        "claims": "wnwwrnrn",
        "address": "wnwwrnrn",
        "contacts": "wnwrnnrn",
        "bank": "wnmmnnrn",
        "insurance": "wnwrnnrn",
        "accreditation": "wnwwnnrn",
        "profile": "wrwwrrnn",
        "roles_requested": "wrwwnnnn",
        "relations": "wnnnnnnn",
    },
    "assets": {
        "registrant": "rrrrrrrrrn",
        "owner": "rrrrrrnnrn",
        "name": "wwwwrrrnrn",
        "expected_on": "wwwwrrrrrn",
        "commissioned_on": "wwwwrrrrrn",
        "identity": "wwwwrrrnrn",
        "connection": "wwwwrrwnrn",
        "location": "wwwwrrrnrn",
        "capability": "wwwwwwrrrn",
        "technologies": "wwwwrrrrrn",
        "relations": "wwwwnnnnnn",
        "service": "wwwwwwrrrn",
        "confirmations": "rrrrrrrrrn",
    },
}
"""Collection -> group -> for each relation what it may do with it."""

STORED: Final[Mapping[str, Mapping[str, Any]]] = {
    "users": {
        "name": "Ada Example",
        "registrant": STRANGER,
        "claims": {"company_number": "01234567"},
        "address": {"town": "Exampleton"},
        "contacts": [{"name": "Bo Desk", "purpose": "general", "email": "bo@example.com"}],
        "bank": {"account_name": "Ada Example", "account_number": "12345678"},
        "insurance": {"insurer": "Acme Mutual", "valid_until": "2030-01-01"},
        "accreditation": [{"scheme": "ISO 27001"}],
        "profile": {"areas": ["_A"], "services": ["DC"]},
        "roles_requested": ["so"],
    },
    "assets": {
        "registrant": STRANGER,
        "owner": OWNER,
        "name": "One",
        "expected_on": "2030-01-01",
        "commissioned_on": "2020-01-01",
        "identity": {"make": "Acme", "serial": "SN-4711"},
        "connection": {"mpan_import": MPAN},
        "location": {"town": "Exampleton"},
        "capability": {"power_kw": 5},
        "technologies": [{"source": "sun"}],
        "service": {"DC": {"power_up_kw": 5}},
        "confirmations": {
            "DC": {
                "status": "provisional",
                "at": "2026-02-28T12:00:00Z",
                "by": STRANGER,
                "grounds": "changed",
            }
        },
    },
}
"""Collection -> group -> what is stored of it."""
CHANGED_USER: Final[Mapping[str, Any]] = {
    "name": "Two",
    "claims": {"company_number": "07654321"},
    "address": {"town": "Two"},
    "contacts": [{"name": "Cy Desk", "email": "cy@example.com"}],
    "bank": {"account_name": "Two"},
    "insurance": {"insurer": "Two"},
    "accreditation": [{"scheme": "ISO 9001"}],
    "profile": {"services": ["DFS"]},
    "roles_requested": ["mo"],
}
"""Group of a user -> an update of it."""
AGAIN_USER: Final[Mapping[str, Any]] = {
    "name": "Three",
    "claims": {"company_number": "08765432"},
    "address": {"town": "Three"},
    "contacts": [{"name": "Di Desk", "email": "di@example.com"}],
    "bank": {"account_name": "Three"},
    "insurance": {"insurer": "Three"},
    "accreditation": [{"scheme": "ISO 14001"}],
    "profile": {"services": ["PR"]},
    "roles_requested": ["verifier"],
}
"""The same, another one."""
CHANGED: Final[Mapping[str, Any]] = {
    "name": "Two",
    "expected_on": "2031-01-01",
    "commissioned_on": "2021-01-01",
    "identity": {"model": "Two"},
    "connection": {"gsp": "Two"},
    "location": {"county": "Two"},
    "capability": {"power_kw": 6},
    "technologies": [{"source": "wind"}],
    "service": {"DC": {"power_up_kw": 6}},
}
"""Group of an asset -> an update of it."""
AGAIN: Final[Mapping[str, Any]] = {
    "name": "Three",
    "expected_on": "2032-01-01",
    "commissioned_on": "2022-01-01",
    "identity": {"model": "Three"},
    "connection": {"gsp": "Three"},
    "location": {"county": "Three"},
    "capability": {"power_kw": 7},
    "technologies": [{"source": "coal"}],
    "service": {"DC": {"power_up_kw": 7}},
}
"""The same, another one."""


def role_cells() -> Iterator[tuple[str, str, str]]:
    """Type, role, and `+` where the one may be sent by the other."""
    for message_type, row in ROLE_ROWS.items():
        for role, mark in zip(ROLE_COLUMNS, row, strict=True):
            yield message_type, role, mark


def group_cells() -> Iterator[tuple[str, str, str, str]]:
    """Collection, group, relation, and what the last may do with the others."""
    for collection, rows in GROUP_ROWS.items():
        for group, row in rows.items():
            for relation, letter in zip(GROUP_COLUMNS[collection], row, strict=True):
                yield collection, group, relation, RIGHTS[letter]
