"""Logins, sessions and logouts over HTTP, and which pages may ask for them."""

import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from account_site import HORSE, AccountSite, account_site
from site_of_app import check_problem

from framecast.store.database import DATABASE_NAME
from framecast.store.users import User

LOGIN: dict[str, Any] = {"user": "ann", "password": HORSE}


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[AccountSite]:
    async with account_site(tmp_path, "accounts.attempts_per_login=3") as here:
        await here.make_user("ann", role="Editor")
        yield here


def sessions_in(folder: Path) -> int:
    with closing(sqlite3.connect(folder / DATABASE_NAME)) as connection:
        return int(connection.execute("SELECT count(*) FROM sessions").fetchone()[0])


async def test_a_login_begins_a_session_whose_cookie_lets_in(here: AccountSite, tmp_path: Path) -> None:
    client = await here.client()
    assert (await client.get("/api/user")).status_code == 401
    answer = await client.post("/login", json=LOGIN)
    assert (answer.status_code, answer.json()) == (200, {"message": "Logged in"})
    cookie = answer.headers["set-cookie"]
    assert re.fullmatch(r"framecast_session=[A-Za-z0-9]{43}; Path=/; Max-Age=2592000; HttpOnly; SameSite=Lax", cookie)
    found = (await client.get("/api/user")).json()
    assert (found["login"], found["orgId"], found["isGrafanaAdmin"]) == ("ann", 1, False)
    assert sessions_in(tmp_path) == 1
    [secret] = re.findall("=([A-Za-z0-9]{43});", cookie)
    assert secret.encode() not in (tmp_path / DATABASE_NAME).read_bytes()


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_logout_ends_the_session_for_good_and_its_connections(
    here: AccountSite, tmp_path: Path, method: str
) -> None:
    client, other = await here.browser("ann"), await here.browser("ann")
    stolen = dict(client.cookies)
    await here.connect(client)
    staying = await here.connect(other)
    answer = await client.request(method, "/logout")
    assert (answer.status_code, answer.json()) == (200, {"message": "Logged out"})
    assert "framecast_session=; Path=/; Max-Age=0;" in answer.headers["set-cookie"]
    assert here.connections.here == [staying]
    assert sessions_in(tmp_path) == 1
    thief = await here.client()
    thief.cookies.update(stolen)
    assert (await thief.get("/api/user")).status_code == 401
    assert (await other.get("/api/user")).status_code == 200
    assert (await thief.request(method, "/logout")).status_code == 200
    assert (await (await here.client()).request(method, "/logout")).status_code == 200
    assert sessions_in(tmp_path) == 1


async def test_a_wrong_password_is_refused_and_too_many_are_not_even_read(here: AccountSite) -> None:
    client = await here.client()
    for wrong in ({**LOGIN, "password": "wrong"}, {"user": "nobody", "password": HORSE}):
        message = check_problem(await client.post("/login", json=wrong), 401)
        assert message == "Unauthorized: login or password is wrong"
    for _ in range(2):
        await client.post("/login", json={**LOGIN, "password": "wrong"})
    answer = await client.post("/login", json=LOGIN)
    assert HORSE not in check_problem(answer, 429)
    assert 1 <= int(answer.headers["retry-after"]) <= 100
    assert "framecast_session" not in client.cookies


async def test_a_login_that_is_overtaken_by_another_password_begins_no_session(
    here: AccountSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entrance = here.entrance
    find = entrance.logins.find

    async def find_and_change(login: str, password: str, address: str) -> User:
        user = await find(login, password, address)
        await entrance.register.users.set_password(user.user_id, await entrance.passwords.hash("another horse"))
        return user

    monkeypatch.setattr(entrance.logins, "find", find_and_change)
    client = await here.client()
    check_problem(await client.post("/login", json=LOGIN), 401)
    assert sessions_in(tmp_path) == 0
    assert "framecast_session" not in client.cookies


async def test_a_password_that_an_admin_sets_is_not_overtaken_by_one_of_the_user(
    here: AccountSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    users, passwords = here.entrance.register.users, here.entrance.passwords
    client = await here.browser("ann")
    reset, slow = await passwords.hash("of the admin"), await passwords.hash("of an attacker")

    async def hash_slowly(password: str) -> str:
        await users.set_password(1, reset)
        return slow

    monkeypatch.setattr(passwords, "hash", hash_slowly)
    wanted = {"oldPassword": HORSE, "newPassword": "of an attacker"}
    check_problem(await client.put("/api/user/password", json=wanted), 401)
    assert (await (await here.client(login="ann", password="of the admin")).get("/api/user")).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"user": "ann"},
        {"user": 1, "password": HORSE},
        {"user": "ann", "password": None},
        [],
        "x",
        {"user": ["ann"]},
    ],
)
async def test_a_body_that_is_no_login_is_refused_and_not_repeated(here: AccountSite, body: Any) -> None:
    assert HORSE not in check_problem(await (await here.client()).post("/login", json=body), 400)


FOREIGN: list[dict[str, str]] = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]
OWN: list[dict[str, str]] = [
    {},
    {"Origin": "http://localhost"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
]


@pytest.mark.parametrize("headers", FOREIGN)
async def test_no_page_of_another_site_logs_anybody_in_or_out_or_changes_anything_by_a_cookie(
    here: AccountSite, headers: dict[str, str]
) -> None:
    client = await here.browser("ann")
    forged: list[tuple[str, str, Any]] = [
        ("POST", "/login", LOGIN),
        ("GET", "/logout", None),
        ("POST", "/logout", None),
        ("POST", "/api/user/using/1", None),
        ("PUT", "/api/user/password", {"oldPassword": HORSE, "newPassword": "of an attacker"}),
        ("POST", "/api/live/push/s", None),
    ]
    for method, path, body in forged:
        assert "Origin" in check_problem(await client.request(method, path, json=body, headers=headers), 403)
        plain = {**headers, "Content-Type": "text/plain"}
        answer = await client.request(method, path, content=b'{"user":"ann","password":"correct horse"}', headers=plain)
        check_problem(answer, 403)
    assert (await client.get("/api/user", headers=headers)).status_code == 200
    assert (await here.browser("ann")).cookies


@pytest.mark.parametrize("headers", FOREIGN)
async def test_a_line_break_behind_a_path_leads_nobody_around_the_rules_for_pages(
    here: AccountSite, headers: dict[str, str]
) -> None:
    client = await here.browser("ann")
    for path in ("/logout%0A", "/logout%0D%0A", "/api/health%0A", "/metrics%0A"):
        answer = await client.get(path, headers=headers)
        check_problem(answer, 404)
        assert "set-cookie" not in answer.headers
    assert (await client.get("/api/user")).status_code == 200


@pytest.mark.parametrize("headers", OWN)
async def test_our_own_pages_and_programs_do_it_all(here: AccountSite, headers: dict[str, str]) -> None:
    client = await here.client()
    assert (await client.post("/login", json=LOGIN, headers=headers)).status_code == 200
    assert (await client.post("/api/user/using/1", headers=headers)).status_code == 200
    assert (await client.get("/logout", headers=headers)).status_code == 200


async def test_a_login_must_be_json(here: AccountSite) -> None:
    """What a form of any page can send is none."""
    client = await here.client()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        headers = {"Content-Type": kind} if kind else {}
        answer = await client.post("/login", content=b'{"user":"ann","password":"correct horse"}', headers=headers)
        check_problem(answer, 415)


async def test_behind_https_the_cookie_goes_over_https_alone(tmp_path: Path) -> None:
    async with account_site(tmp_path, "server.root_url=https://live.example.com/") as here:
        await here.make_user("ann")
        client = await here.client()
        assert (await client.post("/login", json=LOGIN)).headers["set-cookie"].endswith("; SameSite=Lax; Secure")
        assert (await client.post("/logout")).headers["set-cookie"].endswith("; SameSite=Lax; Secure")


@pytest.mark.parametrize("switch", ["passwords", "sessions"])
async def test_where_either_is_switched_off_nobody_logs_in(tmp_path: Path, switch: str) -> None:
    async with account_site(tmp_path, f"accounts.{switch}=false") as here:
        await here.make_user("ann")
        assert f"accounts.{switch}" in check_problem(await (await here.client()).post("/login", json=LOGIN), 404)


async def test_a_user_who_is_disabled_or_of_no_org_does_not_log_in(here: AccountSite) -> None:
    admin = await here.admin()
    assert (await admin.post("/api/admin/users/1/disable")).status_code == 200
    check_problem(await (await here.client()).post("/login", json=LOGIN), 401)
    assert (await admin.post("/api/admin/users/1/enable")).status_code == 200
    assert (await here.browser("ann")).cookies
    assert (await admin.delete("/api/orgs/1/users/1")).status_code == 200
    assert "no org" in check_problem(await (await here.client()).post("/login", json=LOGIN), 403)


async def test_one_session_too_many_ends_the_one_that_was_idle_for_longest(tmp_path: Path) -> None:
    async with account_site(tmp_path, "accounts.sessions_per_user=2") as here:
        await here.make_user("ann")
        browsers: list[httpx.AsyncClient] = [await here.browser("ann") for _ in range(2)]
        assert (await browsers[0].get("/api/user")).status_code == 200
        browsers.append(await here.browser("ann"))
        assert [(await browser.get("/api/user")).status_code for browser in browsers] == [200, 401, 200]


async def test_every_answer_says_to_browsers_what_it_is_not(here: AccountSite) -> None:
    client = await here.browser("ann")
    for path in ("/api/user", "/api/nothing", "/api/health", "/api/tokens", "/"):
        headers = (await client.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-frame-options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
