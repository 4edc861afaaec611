"""Roles and their order."""

import pytest

from framecast.accounts.identity import Role


@pytest.mark.parametrize(
    ("role", "covered"),
    [
        (Role.VIEWER, {Role.VIEWER}),
        (Role.EDITOR, {Role.VIEWER, Role.EDITOR}),
        (Role.ADMIN, {Role.VIEWER, Role.EDITOR, Role.ADMIN}),
    ],
)
def test_a_role_covers_itself_and_those_before_it(role: Role, covered: set[Role]) -> None:
    assert {other for other in Role if role.covers(other)} == covered
