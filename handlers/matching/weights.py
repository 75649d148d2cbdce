"""How much each field tells, in bits: tables that a person can read and change.

A table of steps says from which value on a weight counts; the first step that is reached is taken.
The figures come from counts over real registers, rounded to half a bit; docs/matching.md says what
they come to.
"""

from typing import Final

Steps = tuple[tuple[float, float], ...]
"""(at least, bits), from the greatest down; what reaches none of them has the last."""

ORGANISATION_PRIOR: Final = -4.0
"""Of two records with a token in common few are one."""
PERSON_PRIOR: Final = -6.0
"""Many persons share a name."""
ASSET_PRIOR: Final = -6.0

NAME_LEAST: Final = -5.0
"""Two organisations whose names have nothing in common."""
NAME_RANGE: Final = 13.0
"""What all of a name in common adds to that."""
NAME_OTHER: Final = -2.0
"""Below this two names have nothing in common by which one is known."""
KEY_SAME: Final = 16.0
KEY_TYPED: Final = -9.0
"""One or two characters are others: a slip of the finger, or the next company."""
KEY_SLIPS: Final = 2
KEY_DIFFERS: Final = -25.0
"""Two numbers of one scheme are two organisations, whatever else they share."""
PHONE_SAME: Final = 6.0
PHONE_TYPED: Final = 0.5
"""One digit is another."""
PHONE_DIFFERS: Final = -1.0
"""An organisation has several numbers."""
DOMAIN_SAME: Final = 5.0
DOMAIN_DIFFERS: Final = -1.0

HOUSE_SAME: Final[Steps] = ((0.75, 8.0), (0.5, 6.0), (0.2, 3.0), (0.0, -2.0))
"""Share of the words of the street, where the numbers of the houses are the same."""
STREET_SAME: Final = 0.6
"""Share from which on it is the same street."""
STREET_DIFFERS: Final = -9.0
"""Another house in another street."""
HOUSE_NEAR: Final = -2.5
HOUSE_DIFFERS: Final = -5.0
STREET_ALONE: Final[Steps] = ((0.75, 3.0), (0.4, 1.0), (0.0, -4.0))
"""Share of the words of the street, where not both have the number of a house."""
SIDE_DIFFERS: Final = 0.4
"""How much less alike East and West make two streets."""
ADDRESS_SAME: Final = 5.0
"""Bits of house and street from which on it is the same address."""
POSTCODE: Final = (2.5, -2.5)
"""The same and another one, where the street does not say it."""
POSTCODE_BESIDE: Final = (1.0, -0.5)
"""The same and another one beside the same address, where a wrong one is a mistake."""
TOWN: Final[Steps] = ((0.6, 0.5), (0.2, 0.0), (0.0, -0.7))
OFFICES_KM: Final = ((1.0, 2.0), (10.0, 1.0))
"""(at most, bits) between two offices."""
OFFICES_APART: Final = -0.5

GIVEN_SAME: Final = 4.0
FAMILY_SAME: Final = 5.0
PERSON_TYPED: Final = 0.85
"""Likeness of two names from which on one may be a slip of the other."""
PERSON_NAME: Final[Steps] = ((0.75, 0.0), (0.0, -3.0))
"""Below that."""
BORN_SAME: Final = 9.0
BORN_TYPED: Final = 2.5
BORN_DIFFERS: Final = -4.0
BORN_SLIPS: Final = 2
"""How many digits may be another, or two of them exchanged."""
MAIL_SAME: Final = 9.0
CONTACT_DIFFERS: Final = -0.5
PERSON_KEY_TYPED: Final = 5.0
PERSON_KEY_DIFFERS: Final = -4.0

TYPE_SAME: Final = 1.0
TYPE_DIFFERS: Final = -16.0
ASSET_NAME_LEAST: Final = -3.0
"""Of an asset with another name: names change."""
ASSET_NAME_RANGE: Final = 10.0
NAMED: Final = 0.75
"""Share of the words from which on two assets bear one name, leaving parts aside."""
CODE: Final = 0.7
"""What a code made of a name is as a share of that name."""
CODE_BEGUN: Final = 0.5
PART_SAME: Final = 1.0
PART_ONE_SIDED: Final = -1.5
PART_DIFFERS: Final = -6.0
AWAY: Final = (
    (0.3, 6.0), (1.0, 5.0), (2.0, 3.5), (4.0, 1.5), (10.0, -1.5), (30.0, -5.0),
)  # fmt: skip
"""(at most, bits): a distance in sizes of the site."""
AWAY_FAR: Final = -8.0
SITE_AWAY: Final = 2.0
"""Sizes of a site up to which two stand on it."""
SPOT: Final = 5.0
"""Bits of a place from which on it is the same spot."""
SITE_POSTCODE: Final = (4.0, 0.0, -3.0)
"""The same postcode, the same but for its end, and another one."""
SITE_POSTCODE_BESIDE: Final = 3.0
"""What the same postcode is worth where two points do not agree."""
SITE_TOWN: Final[Steps] = ((0.7, 1.5), (0.0, -1.0))
SITE_COUNTRY: Final = -8.0
POWER: Final[Steps] = (
    (0.995, 4.0), (0.95, 3.0), (0.9, 1.5), (0.8, 0.0), (0.6, -2.0), (0.0, -4.0),
)  # fmt: skip
"""The smaller power as a share of the greater."""
POWER_ALONE: Final = 3.0
"""Bits of the power from which on it says which asset it is, where no name does."""
YEARS: Final = ((0.0, 2.0), (1.0, 1.0), (5.0, 0.0))
"""(at most, bits) between two years."""
YEARS_APART: Final = -1.0
FUEL: Final = (0.5, -1.5)
OWNER_SAME: Final = 2.5
OWNER: Final[Steps] = ((0.6, 1.5), (0.3, 0.0), (0.0, -0.5))
"""An asset is sold: another owner says little."""
MPAN_SAME: Final = 3.0
"""Several assets may stand behind one connection."""
MPAN_DIFFERS: Final = -6.0
DEVICE_SAME: Final = 14.0
DEVICE_DIFFERS: Final = -10.0
MODEL: Final = (1.0, -2.0)
REFERENCE: Final = (6.0, -7.0)
"""Whoever keeps two in its own list knows that there are two."""


def stepped(steps: Steps, value: float) -> float:
    """The bits of the first step that a value reaches."""
    for least, bits in steps:
        if value >= least:
            return bits
    return steps[-1][1]


def within(steps: Steps, value: float, beyond: float) -> float:
    """The bits of the first limit within which a value is, or what is said beyond all."""
    for most, bits in steps:
        if value <= most:
            return bits
    return beyond
