"""What operators make one, or two again: the register of the ids says what is decided of them."""

from contracts.merging import MergeRecords, SplitRecords
from contracts.messages import register_of_entity
from handlers.decision import Context, Decision, Reads, View
from handlers.merging import merge_assets, merge_finding, pair_reads
from handlers.rules import reject
from handlers.signature import reads
from handlers.splitting import split_assets
from handlers.user_merging import merge_users, user_reads
from handlers.user_splitting import split_users


def _is_of_users(command: MergeRecords | SplitRecords) -> bool | None:
    """Whether both are users, or neither; None where they are of two registers."""
    registers = {register_of_entity(one) for one in (command.id, command.other)}
    return registers == {"users"} if len(registers) == 1 else None


def _reads(command: MergeRecords | SplitRecords, context: Context) -> Reads:
    of_users = _is_of_users(command)
    if of_users is not None:
        yield from (user_reads if of_users else pair_reads)(command, context)


@reads(_reads)
def merge_records(command: MergeRecords, view: View, context: Context) -> Decision:
    """Make one an alias of the other; a user and an asset are never one.

    Rejects: asset.not-found, user.not-found, merge.same, merge.unfit, merge.owner, merge.roles,
        merge.agreements, merge.too-many
    Source: duplicates are merged and unmerged, BUC.2.
    """
    of_users = _is_of_users(command)
    if of_users is None:
        wanted = "two assets, or two users"
        return reject(merge_finding("merge.unfit", wanted, command.other))
    return (merge_users if of_users else merge_assets)(command, view, context)


@reads(_reads)
def split_records(command: SplitRecords, view: View, context: Context) -> Decision:
    """Make an alias the record again that it was.

    Rejects: asset.not-found, user.not-found, merge.none
    Source: duplicates are merged and unmerged, BUC.2.
    """
    of_users = _is_of_users(command)
    if of_users is None:
        wanted = "an alias of the survivor"
        return reject(merge_finding("merge.none", wanted, command.other))
    return (split_users if of_users else split_assets)(command, view, context)
