"""What a token makes of its user: only what the settings name counts, and what it says must be said rightly."""

from typing import Any

import pytest
from issuer import NOW, refusal, sign, verifier

from framecast.accounts.identity import Role
from framecast.accounts.tokens.standing import Standing

NAMED = {"org_claim": "org", "role_claim": "https://example.com/role", "server_admin_claim": "admin"}
ROLE = NAMED["role_claim"]


async def standing(claims: dict[str, Any], **settings: Any) -> Standing:
    return (await verifier(**settings).connection(sign({"sub": "u", **claims}), now=NOW)).standing


async def test_without_settings_everybody_is_a_viewer_of_org_1_whatever_the_token_says() -> None:
    told = {"org": 2, "role": "Admin", ROLE: "Admin", "admin": True, "server_admin": True, "": "Admin"}
    assert await standing(told) == Standing(1, Role.VIEWER, server_admin=False)


async def test_claims_count_that_the_settings_name() -> None:
    told = {"org": 2, ROLE: "Admin", "admin": True}
    assert await standing(told, **NAMED) == Standing(2, Role.ADMIN, server_admin=True)
    assert await standing({"admin": False}, **NAMED) == Standing(1, Role.VIEWER, server_admin=False)


async def test_what_a_token_does_not_say_the_settings_do() -> None:
    settings = {**NAMED, "org": 7, "role": "Editor"}
    assert await standing({}, **settings) == Standing(7, Role.EDITOR, server_admin=False)
    assert await standing({"org": None, ROLE: None, "admin": None}, **settings) == await standing({}, **settings)


WRONG: dict[str, list[Any]] = {
    ROLE: ["admin", "ADMIN", "Owner", "", "GrafanaAdmin", 1, True, ["Admin"], {}],
    "org": [0, -1, 10**18, "1", 1.5, True, [1], {}],
    "admin": ["true", 1, 0, "", ["true"], {}],
}


@pytest.mark.parametrize(("claim", "value"), [(claim, value) for claim, values in WRONG.items() for value in values])
async def test_a_token_that_says_it_wrongly_is_no_good(claim: str, value: Any) -> None:
    assert await refusal(verifier(**NAMED), sign({"sub": "u", claim: value})) == 3500
