"""The table of roles: who may do what, and how far it goes for an account of some sites."""

import pytest

from mpi.domain.audit import Actor
from mpi.domain.errors import NotAllowed
from mpi.domain.roles import PERMISSIONS, REACH, Permission, Reach, Role, check_actor, may_be_bound, permitted, reaches

EVERY = [pytest.param(role, permission, id=f"{role} {permission}") for role in Role for permission in Permission]
BOUND = frozenset({"RXX"})


def test_every_role_and_every_permission_stands_in_the_tables() -> None:
    assert set(PERMISSIONS) == set(Role)
    assert set(REACH) == set(Permission)
    assert set().union(*PERMISSIONS.values()) == set(Permission)


@pytest.mark.parametrize(("role", "permission"), EVERY)
def test_an_actor_may_what_its_role_may_and_what_reaches_its_sites(role: Role, permission: Permission) -> None:
    by_role = permission in PERMISSIONS[role]
    assert permitted(Actor("somebody", role.value), permission) is by_role
    bound = Actor("somebody", role.value, BOUND)
    allowed = by_role and REACH[permission] is Reach.SITE
    assert permitted(bound, permission) is allowed
    if allowed:
        assert check_actor(bound, permission) is role
    else:
        with pytest.raises(NotAllowed):
            check_actor(bound, permission)


@pytest.mark.parametrize("role", ["feed", "system", ""])
def test_what_is_no_role_may_nothing(role: str) -> None:
    assert not any(permitted(Actor("somebody", role), permission) for permission in Permission)
    with pytest.raises(NotAllowed):
        check_actor(Actor("somebody", role), Permission.SEARCH)


REACHED = [
    pytest.param(None, ["RYY"], True, id="every site reaches anybody"),
    pytest.param(None, [], True, id="every site reaches who has no record"),
    pytest.param(BOUND, ["RXX"], True, id="the site itself"),
    pytest.param(BOUND, ["RYY", "RXX"], True, id="one record of several"),
    pytest.param(BOUND, ["RYY"], False, id="another site"),
    pytest.param(BOUND, [], False, id="nobody's record"),
    pytest.param(frozenset(), ["RXX"], False, id="bound to no site"),
]


@pytest.mark.parametrize(("sites", "authorities", "answer"), REACHED)
def test_bound_actors_reach_people_with_a_record_at_their_sites(
    sites: frozenset[str] | None, authorities: list[str], answer: bool
) -> None:
    assert reaches(Actor("somebody", Role.VIEWER.value, sites), authorities) is answer


def test_roles_that_concern_every_site_cannot_be_bound_to_some() -> None:
    assert [role for role in Role if not may_be_bound(role)] == [Role.IG_AUDITOR, Role.ADMINISTRATOR]
