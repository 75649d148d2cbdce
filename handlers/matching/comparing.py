"""Two profiles of one kind compared; those of two kinds are different."""

from handlers.matching.assets import compare_assets
from handlers.matching.organisations import compare_organisations
from handlers.matching.people import compare_people
from handlers.matching.profiles import Asset, Organisation, Person, Profile
from handlers.matching.verdict import Comparison, Reason


def compare(left: Profile, right: Profile) -> Comparison:
    """The verdict on two profiles, whichever way round they are given."""
    if isinstance(left, Asset) and isinstance(right, Asset):
        return compare_assets(left, right)
    if isinstance(left, Organisation) and isinstance(right, Organisation):
        return compare_organisations(left, right)
    if isinstance(left, Person) and isinstance(right, Person):
        return compare_people(left, right)
    return Comparison("different", 0.0, (Reason("kind", "differs", -40.0),))
