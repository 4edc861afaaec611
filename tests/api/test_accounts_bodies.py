"""What the routes of accounts take: a key that they do not know is refused, where no client of Grafana's sends it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from account_site import HORSE, AccountSite, account_site
from site_of_app import check_problem


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[AccountSite]:
    async with account_site(tmp_path) as here:
        yield here


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/tokens", {"name": "agent"}),
        ("POST", "/api/orgs/1/tokens", {"name": "agent"}),
        ("POST", "/api/admin/users", {"login": "bob", "password": HORSE}),
        ("PUT", "/api/admin/users/1/password", {"password": HORSE}),
        ("PUT", "/api/admin/users/1/permissions", {"isGrafanaAdmin": True}),
        ("POST", "/api/org/users", {"loginOrEmail": "ann", "role": "Viewer"}),
        ("PATCH", "/api/org/users/1", {"role": "Viewer"}),
        ("POST", "/api/orgs/1/users", {"loginOrEmail": "ann", "role": "Viewer"}),
        ("PATCH", "/api/orgs/1/users/1", {"role": "Viewer"}),
        ("PUT", "/api/org", {"name": "Other"}),
        ("POST", "/api/orgs", {"name": "Other"}),
        ("PUT", "/api/orgs/1", {"name": "Other"}),
    ],
)
async def test_a_key_that_nobody_knows_is_refused_by_its_name_and_changes_nothing(
    here: AccountSite, method: str, path: str, body: dict[str, Any]
) -> None:
    await here.make_user("ann", role="Admin")
    admin = await here.admin()
    before = await state_of(admin)
    message = check_problem(await admin.request(method, path, json={**body, "expires": 60}), 400)
    assert message.startswith("Bad Request: body: unknown key 'expires'; known: ")
    assert set(body) <= set(message.partition("known: ")[2].split(", "))
    assert await state_of(admin) == before


async def state_of(admin: httpx.AsyncClient) -> list[Any]:
    paths = ("/api/tokens", "/api/users", "/api/orgs", "/api/org/users")
    return [(await admin.get(path)).json() for path in paths]


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("secondsToLife", "secondsToLive"),
        ("server_admin", "serverAdmin"),
        ("bodybytes", "bodyBytes"),
        ("pusch", "push"),
    ],
)
async def test_a_key_that_is_misspelt_is_answered_with_the_right_one(here: AccountSite, key: str, meant: str) -> None:
    answer = await (await here.admin()).post("/api/tokens", json={"name": "agent", key: None})
    assert f"unknown key '{key}'; did you mean {meant}? " in check_problem(answer, 400)


async def test_a_key_that_is_huge_or_acts_on_a_terminal_is_not_handed_back(here: AccountSite) -> None:
    admin = await here.admin()
    message = check_problem(await admin.post("/api/tokens", json={"name": "agent", "\u001b[2J" + "x" * 10_000: 1}), 400)
    assert "\\x1b[2J" in message
    assert len(message) < 500


async def test_grafana_s_clients_may_send_what_they_send_to_grafana(here: AccountSite) -> None:
    admin = await here.admin()
    other = (await admin.post("/api/orgs", json={"name": "Other"})).json()["orgId"]
    for login, key in (("ann", "OrgId"), ("bob", "orgId")):  # as its documentation has it, as its own clients send it
        body = {"login": login, "name": "", "email": "", "password": HORSE, key: other}
        made = await admin.post("/api/admin/users", json=body)
        assert (await admin.get(f"/api/users/{made.json()['id']}")).json()["orgId"] == other
    ann = await here.client()
    assert (await ann.post("/login", json={"user": "ann", "email": "", "password": HORSE})).status_code == 200
    confirmed = {"oldPassword": HORSE, "newPassword": f"new {HORSE}", "confirmNew": f"new {HORSE}"}
    assert (await ann.put("/api/user/password", json=confirmed)).status_code == 200
