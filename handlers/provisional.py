"""What a provisional user may do: one table over the types of requests, data and nothing else."""

from collections.abc import Mapping
from typing import Final

PROVISIONAL: Final[Mapping[str, bool]] = {
    "account.end.v1": True,
    "account.set.v1": True,
    "agreement.get.v1": True,
    "agreement.list.v1": True,
    "agreement.publish.v1": False,
    "agreement.revoke.v1": True,
    "agreement.sign.v1": True,
    # It would vouch for others.
    "asset.attest.v1": False,
    "asset.commission.v1": True,
    "asset.confirm.v1": False,
    "asset.get.v1": True,
    "asset.link-id.v1": True,
    "asset.move.v1": True,
    "asset.register.v1": True,
    "asset.relate.v1": True,
    "asset.retire.v1": True,
    "asset.transfer.v1": True,
    "asset.translate.v1": True,
    "asset.unrelate.v1": True,
    "asset.update.v1": True,
    "channel.send.v1": True,
    # Nothing is shared with it yet that it could have taken over.
    "change.acknowledge.v1": False,
    "change.pending.v1": True,
    "directory.rebuild.v1": False,
    "directory.search.v1": True,
    "event.replay.v1": True,
    # What is expressed to it is answered by whom the register vouches for.
    "interest.answer.v1": False,
    "interest.express.v1": True,
    "interest.list.v1": True,
    "interest.withdraw.v1": True,
    "interface.announce.v1": False,
    "mandate.end.v1": True,
    "mandate.give.v1": True,
    # It speaks to people in the backbone's name, as it were.
    "notice.broadcast.v1": False,
    "notice.close.v1": True,
    "notice.close.v2": True,
    "notice.list.v1": True,
    "sharing.grant.v1": True,
    "sharing.list.v1": True,
    "sharing.revoke.v1": True,
    "subscription.set.v1": True,
    "user.attest.v1": False,
    "user.confirm.v1": False,
    "user.erase.v1": True,
    "user.get.v1": True,
    "user.grant-role.v1": False,
    "user.history.v1": True,
    "user.link-id.v1": True,
    # The front desk is open to everybody: what it gives is not worth withholding.
    "user.register.v1": True,
    "user.reinstate.v1": False,
    "user.reject.v1": False,
    "user.requirements.v1": True,
    "user.retire.v1": True,
    "user.suspend.v1": False,
    "user.translate.v1": True,
    "user.update.v1": True,
}
"""Type -> whether a provisional user may send it, and its check; what has no row it may not."""
