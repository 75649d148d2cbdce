"""The language of roles that an operator grants."""

from pydantic import Field

from contracts.groups import SubRole
from contracts.messages import Command, Contract, Event, Role
from contracts.patches import Revision
from contracts.users import UserStatus
from contracts.values import AnyUserId, UserId


class UserRoles(Contract):
    """What a user may be in the market from now on."""

    id: UserId
    status: UserStatus
    revision: int
    roles: tuple[Role, ...]
    sub_roles: tuple[SubRole, ...]
    roles_requested: tuple[Role, ...]
    """Roles that still wait."""


class GrantRole(Command, type="user.grant-role.v1", senders={"operator"}, accepted=UserRoles):
    """Grant roles to a user, those that it has asked for or others.

    Of a system operator also say what it does in particular: `sub_roles` replaces what was granted
    before. Granting what the user has is accepted and changes nothing.
    Errors: `user.not-found`, `user.not-active`, `user.role-reserved`, `user.sub-role`,
    `user.stale`.
    Source: the requirement's table of actors.
    """

    id: UserId
    expected_revision: Revision | None = None
    roles: tuple[Role, ...] = Field(default=(), max_length=10)
    sub_roles: tuple[SubRole, ...] | None = Field(default=None, max_length=4)
    """Of an `so`; absent: as they are."""


class UserRolesGranted(Event, type="user.roles-granted.v1"):
    """A user has roles that it did not have before."""

    id: UserId
    revision: int
    status: UserStatus
    by: AnyUserId
    roles: tuple[Role, ...]
    """All that it has by now."""
    sub_roles: tuple[SubRole, ...] = ()
