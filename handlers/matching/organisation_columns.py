"""An organisation as a row of the table that a whole register is analysed in."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any, Final

from handlers.matching.profiles import Organisation
from handlers.matching.tokens import telling, tokens

_BEGINS: Final = 4
"""Letters of a word that people seldom get wrong."""
_WORDS_MAX: Final = 4
"""Words of a name that are taken two by two."""
_WORD_LENGTH_MIN: Final = 3
_SLIPS_MIN: Final = 4
"""Letters of a name from which on one that is mistyped is looked for."""
_WHOLE_MAX: Final = 24
"""Up to so many letters of a whole name one is left out."""
_TELLING_MAX: Final = 13
"""The same of the words that tell which, where the others may be others."""
_HALVES_MIN: Final = 13
"""From so many letters on a half is a block: no more than the limit above, since one of two may
have lost a letter."""


def columns_of(profile: Organisation) -> dict[str, Any]:
    """What two organisations are compared by in that table; None where it is not known."""
    address = profile.address
    is_door = bool(address.house and address.street)
    return {
        "name": " ".join(profile.name) or None,
        "letters": "".join(profile.name) or None,
        "telling": sorted(set(telling(profile.name))) or None,
        "house": address.house if is_door else None,
        "street": " ".join(address.street) if is_door else None,
        "postcode": address.postcode or None,
        "town": " ".join(address.town) or None,
        "numbers": sorted(f"{scheme}|{value}" for scheme, value in profile.keys) or None,
        "schemes": sorted(scheme for scheme, _ in profile.keys) or None,
        "blocks": list(blocks(profile)),
    }


def blocks(profile: Organisation) -> tuple[str, ...]:
    """Two that share one of these are looked at, unless too many share it.

    The narrow tokens, which often want the same postcode; the beginning of a word with the town;
    and whatever of a name few others have, wherever they are: all of it, the words that tell which,
    each of these, the beginnings of two, and what is left of them where one letter is mistyped.
    """
    words = telling(profile.name)
    told, whole = "".join(words), "".join(profile.name)
    found = {*map("|".join, tokens(profile)), *_of_words(profile.name, words)}
    found.update(_slips(told, _TELLING_MAX), _slips(whole, _WHOLE_MAX), _halves(told))
    # Behind the middle of a whole name is what it is rather than which, as in many others.
    found.update(one for one in _halves(whole) if one.startswith("first|"))
    if town := "".join(profile.address.town):
        found.update(f"word-town|{one[:_BEGINS]}|{town}" for one in words[:_WORDS_MAX])
    return tuple(sorted(found))


def _of_words(name: tuple[str, ...], words: list[str]) -> Iterator[str]:
    if not name:
        return
    yield f"name|{''.join(name)}"
    yield f"telling|{' '.join(sorted(set(words)))}"
    yield from (f"word|{one}" for one in words if len(one) >= _WORD_LENGTH_MIN)
    begins = sorted({one[:_BEGINS] for one in words[:_WORDS_MAX]})
    yield from (f"begins|{one}|{other}" for one, other in combinations(begins, 2))


def _slips(letters: str, most: int) -> Iterator[str]:
    """What a name has in common with the same one in which a letter is lost, another, or exchanged.

    Leaving out a letter of either makes them the same.
    """
    if _SLIPS_MIN <= len(letters) <= most:
        yield f"slip|{letters}"
        yield from (f"slip|{letters[:at]}{letters[at + 1 :]}" for at in range(len(letters)))


def _halves(letters: str) -> Iterator[str]:
    """Of a long name the halves, of which one is without the mistake.

    Those of an even length are taken a letter shorter too: two letters that are exchanged across
    the middle are in both halves.
    """
    length = len(letters)
    if length >= _HALVES_MIN:
        for half in ((length - 1) // 2, (length + 1) // 2):
            yield f"first|{letters[:half]}"
            yield f"last|{letters[-half:]}"
