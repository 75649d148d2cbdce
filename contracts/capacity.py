"""What the members of a portfolio can do together: the group `members` of an asset."""

from contracts.messages import Contract
from contracts.values import Amount


class Total(Contract):
    """One amount, summed over the members that say it."""

    total: Amount
    of: int
    """How many of the counted members say it; the others add nothing."""


class Members(Contract):
    """What a portfolio's members can do together, each asset counted once.

    Counted are all assets below the portfolio, to any depth; portfolios themselves add nothing.
    """

    count: int
    """Assets that are counted."""
    power_kw: Total | None = None
    power_up_kw: Total | None = None
    power_down_kw: Total | None = None
    export_max_kw: Total | None = None
    import_max_kw: Total | None = None
    energy_kwh: Total | None = None
    ramp_kw_per_min: Total | None = None
    revision: int
    """Of these sums: it rises with every change of them."""
    as_of: int
    """Revision of the portfolio's membership up to which everything is in these sums."""
    pending: int
    """Accepted changes of members, of the portfolio and of those below it, that are not in these
    sums yet; with 0 the sums are complete."""
    doubled: int
    """Assets that the portfolio holds by more than one way; each is counted once."""
    alike: int
    """Assets of the same type behind the same MPAN as another one here; each is counted."""
