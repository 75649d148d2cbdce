"""Translating between external ids and ours: both ways, in bulk, by one's own links alone."""

from collections.abc import Iterator, Sequence

from contracts.envelope import Finding
from contracts.links import (
    TRANSLATED_MAX,
    ExternalId,
    Named,
    TranslateAssetIds,
    Translated,
    TranslateUserIds,
    Translation,
)
from contracts.messages import Contract
from handlers.aliases import survivors
from handlers.decision import Context, Document, Reads, Rejected, View
from handlers.links import LINKS, link_id, pair
from handlers.rules import finding, reject
from handlers.signature import reads
from handlers.spans import Span

Translate = TranslateUserIds | TranslateAssetIds


def _ids(query: Translate) -> tuple[str, ...]:
    return tuple(dict.fromkeys(query.ids))


def _asserter(query: Translate, context: Context) -> str:
    return query.asserter or context.sender.user


def _register(query: Translate) -> str:
    return "users" if isinstance(query, TranslateUserIds) else "assets"


def _keys(query: Translate, context: Context) -> list[str]:
    """Ids of the links of the external ids that are asked for, in their order."""
    asserter, register = _asserter(query, context), _register(query)
    return [link_id(register, asserter, e.scheme, e.value, context) for e in query.external]


def _translate_reads(query: Translate, context: Context) -> Reads:
    if len(query.external) + len(query.ids) > TRANSLATED_MAX:
        return
    yield from ((LINKS, key) for key in _keys(query, context))
    for entity in _ids(query):
        yield LINKS, Span("pair", pair(entity, _asserter(query, context)))


@reads(_translate_reads)
def translate_user_ids(
    query: TranslateUserIds, view: View, context: Context
) -> Contract | Rejected:
    """Answer by what the asker itself has linked, or whom an operator names.

    Rejects: link.not-yours, link.how-many
    Source: U2b.
    """
    return _translated(query, view, context)


@reads(_translate_reads)
def translate_asset_ids(
    query: TranslateAssetIds, view: View, context: Context
) -> Contract | Rejected:
    """Answer by what the asker itself has linked, or whom an operator names.

    Rejects: link.not-yours, link.how-many
    Source: U2b.
    """
    return _translated(query, view, context)


def _translated(query: Translate, view: View, context: Context) -> Contract | Rejected:
    if findings := tuple(_unanswerable(query, context)):
        return reject(*findings)
    held = [view.get(LINKS, key) for key in _keys(query, context)]
    return Translation(
        external=tuple(
            Translated(
                scheme=external.scheme,
                value=external.value,
                id=was["entity"] if was is not None else None,
            )
            for external, was in zip(query.external, held, strict=True)
        ),
        ids=_all_named(query, view, context),
    )


def _all_named(query: Translate, view: View, context: Context) -> tuple[Named, ...]:
    """What each id is called; an alias as its survivor is.

    Nobody calls an alias anything, so of what has a name it need not be looked what it is.
    """
    ids, register = _ids(query), _register(query)
    rows = {one: view.page(LINKS, _called(one, query, context))[0] for one in ids}
    nameless = [one for one in ids if not rows[one]]
    view.require((register, one) for one in nameless)
    taken = survivors(register, nameless, view, context)
    view.require((LINKS, _called(one, query, context)) for one in taken.values())
    for alias, survivor in taken.items():
        rows[alias] = view.page(LINKS, _called(survivor, query, context))[0]
    return tuple(_named(one, rows[one], query, taken.get(one)) for one in ids)


def _called(entity: str, query: Translate, context: Context) -> Span:
    return Span("pair", pair(entity, _asserter(query, context)))


def _named(entity: str, rows: Sequence[Document], query: Translate, survivor: str | None) -> Named:
    wanted = [row for row in rows if query.scheme in {None, row["scheme"]}]
    return Named(
        id=entity,
        external=tuple(
            ExternalId(scheme=row["scheme"], value=row["value"].value)
            for row in sorted(wanted, key=lambda row: (row["scheme"], row["_id"]))
            # One whose key was destroyed is not known any more.
            if row["value"].value is not None
        ),
        survivor=survivor,
    )


def _unanswerable(query: Translate, context: Context) -> Iterator[Finding]:
    asked = len(query.external) + len(query.ids)
    if not 0 < asked <= TRANSLATED_MAX:
        yield finding(
            "link.how-many",
            "",
            expected=f"1 to {TRANSLATED_MAX} of `external` and `ids` together",
            got=asked,
            advice="Ask in several questions.",
        )
    if query.asserter not in {None, context.sender.user} and not context.sender.is_operator:
        yield finding(
            "link.not-yours",
            "asserter",
            expected="yourself, or no asserter",
            got=query.asserter,
            advice="Translate by your own links; what others call it is theirs to say.",
        )
