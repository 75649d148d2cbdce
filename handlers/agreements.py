"""Agreements: who publishes which text, what needs it, and who may read it (everybody)."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from contracts.agreements import (
    AgreementPage,
    AgreementPublished,
    AgreementRow,
    AgreementState,
    AgreementSuperseded,
    AgreementView,
    GetAgreement,
    ListAgreements,
    PublishAgreement,
)
from contracts.messages import Contract, operation_of
from handlers.agreement_rules import PUBLICATION_RULES, not_found
from handlers.conditions import CONDITIONS, Need, signed_version, with_need
from handlers.decision import Accepted, Context, Decision, Document, Put, Reads, Rejected, View
from handlers.edges import RELATIONS, edge
from handlers.paging import after_of, cursor_of, foreign
from handlers.rules import check, reject
from handlers.senders import RESERVED
from handlers.signature import reads
from handlers.spans import Span

AGREEMENTS: Final = "agreements"
VERSIONS: Final = "agreement_versions"
"""Collection: every version that was published, with its text; never changed."""
OF_A_TEXT: Final = ("title", "sha256", "url", "text")


def version_id(name: str, version: int) -> str:
    """Id of the row that keeps a version."""
    return f"{name}/{version:06d}"


def _publish_reads(command: PublishAgreement, context: Context) -> Reads:
    yield AGREEMENTS, command.id
    for operation in _operations(command.needed_for):
        yield CONDITIONS, operation


@reads(_publish_reads)
def publish_agreement(command: PublishAgreement, view: View, context: Context) -> Decision:
    """Keep the next version of an agreement, and make what needs it need this one.

    Rejects: agreement.not-yours, agreement.text-hash, agreement.not-gateable, agreement.gate-full
    Source: U4.
    """
    was = view.get(AGREEMENTS, command.id)
    if (rejected := check(PUBLICATION_RULES, command, view, context)) is not None:
        return rejected
    version = was["version"] + 1 if was is not None else 1
    if was is not None and _is_same(command, was, view):
        return Accepted(command.id, _state(was), context.sender.user)
    stays = was is not None and command.older_stay_good
    needed_for = sorted(set(command.needed_for))
    head: dict[str, Any] = {
        "_id": command.id,
        "revision": was["revision"] + 1 if was is not None else 1,
        "state": "published",
        "title": command.title,
        "version": version,
        "sha256": command.sha256,
        "good_from": was["good_from"] if was is not None and stays else version,
        "publisher": was["publisher"] if was is not None else context.sender.user,
        "for_all": was["for_all"] if was is not None else context.sender.is_operator,
        "needed_for": needed_for,
    }
    told = AgreementPublished if was is None or stays else AgreementSuperseded
    event = told(
        id=command.id,
        version=version,
        sha256=command.sha256,
        by=context.sender.user,
        needed_for=tuple(needed_for),
    )
    return Accepted(
        subject=command.id,
        keyed_to=context.sender.user,
        reply=_state(head),
        writes=(
            Put(AGREEMENTS, head, was),
            _version(command, head, context),
            *gates(was, head, view),
        ),
        events=(event,),
    )


def _operations(types: tuple[str, ...] | list[str]) -> list[str]:
    return sorted({operation_of(name) for name in types})


def _is_same(command: PublishAgreement, was: Document, view: View) -> bool:
    """Whether this is what is published already; how older signatures count is no difference."""
    current = view.get(VERSIONS, version_id(command.id, was["version"])) or {}
    return (
        was["state"] == "published"
        and sorted(set(command.needed_for)) == was["needed_for"]
        and all(current.get(name) == getattr(command, name) for name in OF_A_TEXT)
    )


def _version(command: PublishAgreement, head: Document, context: Context) -> Put:
    kept: dict[str, Any] = {
        "_id": version_id(command.id, head["version"]),
        "revision": 1,
        "by": context.sender.user,
        "at": context.now,
        "needed_for": head["needed_for"],
    }
    texts = {name: getattr(command, name) for name in OF_A_TEXT}
    return Put(VERSIONS, kept | {n: v for n, v in texts.items() if v is not None})


def _need(head: Document) -> Need:
    names = ("version", "sha256", "good_from", "publisher", "for_all")
    return {"name": head["_id"], **{name: head[name] for name in names}}


def gates(was: Document | None, head: Document, view: View) -> Iterator[Put]:
    """The rows of operations that need this version, and of those that need it no more."""
    needed = _operations(head["needed_for"]) if head["state"] == "published" else []
    before = _operations(was["needed_for"]) if was is not None else []
    view.require((CONDITIONS, operation) for operation in (*needed, *before))
    for operation in sorted({*needed, *before}):
        need = _need(head) if operation in needed else None
        yield with_need(view.get(CONDITIONS, operation), operation, head["_id"], need)


def _state(head: Document) -> AgreementState:
    return AgreementState(
        id=head["_id"],
        needed_for=tuple(head["needed_for"]) if head["state"] == "published" else (),
        **{n: head[n] for n in ("state", "version", "sha256", "publisher", "revision")},
    )


def _get_reads(query: GetAgreement, context: Context) -> Reads:
    yield AGREEMENTS, query.id
    yield RELATIONS, edge(query.id, context.sender.user)
    if query.version is not None:
        yield VERSIONS, version_id(query.id, query.version)


@reads(_get_reads)
def get_agreement(query: GetAgreement, view: View, context: Context) -> Contract | Rejected:
    """Answer with one version; texts are public.

    Rejects: agreement.not-found
    Source: U4.
    """
    head = view.get(AGREEMENTS, query.id)
    if head is None:
        return not_found(query.id)
    number = head["version"] if query.version is None else query.version
    version = view.get(VERSIONS, version_id(query.id, number))
    if version is None:
        return not_found(f"{query.id}, version {number}")
    return AgreementView(
        id=query.id,
        version=number,
        published_at=version["at"],
        state=head["state"],
        publisher=head["publisher"],
        current=head["version"],
        good_from=head["good_from"],
        needed_for=tuple(version["needed_for"]),
        **{name: version.get(name) for name in OF_A_TEXT},
        **_own_signature(query.id, view, context),
    )


def _own_signature(name: str, view: View, context: Context) -> Mapping[str, int]:
    """The version that the asker has signed; nothing for the shared accounts, which cannot."""
    if context.sender.user in RESERVED:
        return {}
    return {
        "signed": signed_version(view.get(RELATIONS, edge(name, context.sender.user)), context.now)
    }


def _list_reads(query: ListAgreements, context: Context) -> Reads:
    yield AGREEMENTS, _page(query, context)


def _question(query: ListAgreements) -> str:
    return f"agreement.list/{query.state}"


def _page(query: ListAgreements, context: Context) -> Span:
    return Span("state", query.state, after_of(query.cursor, _question(query), context))


@reads(_list_reads)
def list_agreements(query: ListAgreements, view: View, context: Context) -> Contract | Rejected:
    """Answer with a page of the agreements, and what the asker has signed of them.

    Rejects: cursor.foreign
    Source: U4.
    """
    question = _question(query)
    if findings := tuple(foreign(query.cursor, question, context)):
        return reject(*findings)
    heads, further = view.page(AGREEMENTS, _page(query, context))
    if context.sender.user not in RESERVED:
        view.require((RELATIONS, edge(head["_id"], context.sender.user)) for head in heads)
    names = ("title", "version", "sha256", "publisher", "good_from", "needed_for")
    return AgreementPage(
        agreements=tuple(
            AgreementRow(
                id=head["_id"],
                **{name: head[name] for name in names},
                **_own_signature(head["_id"], view, context),
            )
            for head in heads
        ),
        cursor=cursor_of(further, question, context) if further else None,
    )
