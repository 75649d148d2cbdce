"""The check of `doctor --quick`: whether the worker of this host is alive."""

from workers.cli.doctor_fault import Fault
from workers.cli.doctor_servers import broker_listens
from workers.cli.place import Place
from workers.store.protocol import Unavailable


async def worker(place: Place, host: str) -> str:
    """Whether a worker of a host is in `present`, where it says so while its event loop turns.

    A worker cannot say so while the database is away, and does not while the broker is: an outage
    is no reason to start it again, so nothing is said against it then.
    """
    try:
        async with place.inspection() as looking:
            owners = await looking.present(host)
    except Unavailable as error:
        return f"unknown, the database is away: {error}"
    if owners:
        return f"present: {', '.join(owners)}"
    try:
        await broker_listens(place)
    except Fault as away:
        return f"unknown, the broker is away: {away}"
    raise Fault(
        f"a worker of {host} in the collection `present`",
        "none",
        "Start it again; its log says why it has ended or what it waits for.",
    )
