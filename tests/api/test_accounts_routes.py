"""Tokens, users and orgs over HTTP: what each route does, and who may ask it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from account_site import HORSE, AccountSite, account_site
from site_of_app import check_problem

from framecast.accounts.identity import Quota
from framecast.accounts.permissions import Action
from framecast.api.accounts.login import PATHS as OPEN
from framecast.api.accounts.table import build_routes
from framecast.api.bodies import JsonBodies
from framecast.settings import Settings


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[AccountSite]:
    """Two orgs; ann is an Admin of the first and a Viewer of the second."""
    async with account_site(tmp_path) as here:
        admin = await here.admin()
        assert (await admin.post("/api/orgs", json={"name": "Other"})).json()["orgId"] == 2
        ann = await here.make_user("ann", role="Admin", name="Ann", email="ann@example.com")
        assert (
            await admin.post("/api/orgs/2/users", json={"loginOrEmail": "ANN", "role": "Viewer"})
        ).status_code == 200
        assert ann == 1
        yield here


async def ok(asking: Any) -> Any:
    answer = await asking
    assert answer.status_code == 200, answer.text
    return answer.json()


# Tokens.


async def test_a_token_is_told_once_and_lets_in_until_it_is_revoked(here: AccountSite) -> None:
    ann = await here.client(login="ann")
    made = await ok(ann.post("/api/tokens", json={"name": "agent", "role": "Editor"}))
    key = made.pop("key")
    assert key.startswith("fct_")
    assert {name: made[name] for name in ("id", "orgId", "name", "role", "push", "expiration", "hasExpired")} == {
        "id": 2,
        "orgId": 1,
        "name": "agent",
        "role": "Editor",
        "push": None,
        "expiration": None,
        "hasExpired": False,
    }
    listed = await ann.get("/api/tokens")
    assert made in listed.json()
    assert key not in listed.text
    agent = await here.client(token=key)
    assert (await ok(agent.get("/api/user")))["login"] == "token:agent"
    connected = await here.connect(agent)
    assert connected.credential == "token:2"
    await ok(ann.delete("/api/tokens/2"))
    assert here.connections.here == []
    assert here.connections.returning == []
    assert (await agent.get("/api/user")).status_code == 401
    check_problem(await ann.delete("/api/tokens/2"), 404)


async def test_a_token_may_be_limited_to_lists_and_to_a_time(here: AccountSite) -> None:
    ann = await here.client(login="ann")
    wanted = {"name": "agent", "push": ["telegraf", "edge-*"], "read": ["stream/telegraf/*"], "secondsToLive": 3600}
    made = await ok(ann.post("/api/tokens", json=wanted))
    assert (made["push"], made["read"], made["role"]) == (wanted["push"], wanted["read"], "Viewer")
    assert made["expiration"] > made["created"]
    agent = await here.client(token=made["key"])
    assert (await agent.post("/api/live/push/telegraf", content=b"m n=1i")).status_code == 204
    check_problem(await agent.post("/api/live/push/other", content=b"m n=1i"), 403)
    only_push = await ok(ann.post("/api/tokens", json={"name": "push only", "push": ["a"]}))
    assert (only_push["push"], only_push["read"]) == (["a"], [])
    assert (await ok(ann.post("/api/tokens", json={"name": "for ever", "secondsToLive": 0})))["expiration"] is None


async def test_a_token_may_say_how_much_is_sent_with_it(here: AccountSite) -> None:
    ann = await here.client(login="ann")
    limits = {"requestsPerSecond": 0.5, "bytesPerSecond": 1000.0, "bodyBytes": 6}
    made = await ok(ann.post("/api/tokens", json={"name": "agent", "role": "Editor", **limits}))
    assert {name: made[name] for name in limits} == limits
    agent = await here.client(token=made["key"])
    assert (await agent.post("/api/live/push/telegraf", content=b"m n=1i")).status_code == 204
    assert (await agent.post("/api/live/push/telegraf", content=b"m n=10i")).status_code == 413
    assert [token["bodyBytes"] for token in await ok(ann.get("/api/tokens"))] == [None, 6]
    for name, bad in (
        ("requestsPerSecond", -1),
        ("requestsPerSecond", 0.0009),
        ("requestsPerSecond", "5"),
        ("bytesPerSecond", 1e13),
        ("bodyBytes", 0),
        ("bodyBytes", 1.5),
        ("bodyBytes", 2**60),
    ):
        assert name in check_problem(await ann.post("/api/tokens", json={"name": "bad", name: bad}), 400)


async def test_the_limits_of_a_token_are_changed_and_nothing_that_it_let_in_ends(here: AccountSite) -> None:
    ann = await here.client(login="ann")
    await here.make_token(name="agent", role="Editor", bodyBytes=6)
    [agent] = [token for token in here.entrance.register.directory.tokens if token.name == "agent"]
    connected = here.entrance.register.directory.tokens.find_identity(agent.token_id, 0)
    assert connected is not None
    here.connections.here = [connected]
    path = f"/api/tokens/{agent.token_id}"
    changed = await ok(ann.patch(path, json={"requestsPerSecond": 20, "bodyBytes": 7}))
    assert (changed["requestsPerSecond"], changed["bytesPerSecond"], changed["bodyBytes"]) == (20, None, 7)
    changed = await ok(ann.patch(path, json={"requestsPerSecond": None, "bytesPerSecond": 0}))
    assert (changed["requestsPerSecond"], changed["bytesPerSecond"], changed["bodyBytes"]) == (None, 0, 7)
    assert changed in await ok(ann.get("/api/tokens"))
    assert (here.connections.here, here.connections.returning) == ([connected], [])
    assert connected.quota == Quota(None, 0, 7)
    for name, bad in (("requestsPerSecond", -1), ("bytesPerSecond", "5"), ("bodyBytes", 0), ("role", "Admin")):
        assert name in check_problem(await ann.patch(path, json={name: bad}), 400)
    assert changed in await ok(ann.get("/api/tokens"))
    viewer = await here.client(token=await here.make_token(name="viewer"))
    check_problem(await viewer.patch(path, json={"bodyBytes": None}), 403)


async def test_an_admin_of_an_org_rules_its_tokens_and_no_others(here: AccountSite) -> None:
    ann = await here.client(login="ann")
    foreign = await here.make_token(2, name="theirs")
    assert [token["name"] for token in await ok(ann.get("/api/tokens"))] == ["first start"]
    check_problem(await ann.delete("/api/tokens/2"), 404)
    check_problem(await ann.patch("/api/tokens/2", json={"bodyBytes": 1}), 404)
    assert "server admin" in check_problem(
        await ann.post("/api/tokens", json={"name": "more", "serverAdmin": True}), 403
    )
    for path in ("/api/orgs/1/tokens", "/api/orgs/2/tokens"):
        check_problem(await ann.get(path), 403)
        check_problem(await ann.post(path, json={"name": "x"}), 403)
    assert (await ok((await here.client(token=foreign)).get("/api/user")))["orgId"] == 2
    admin = await here.admin()
    assert [token["name"] for token in await ok(admin.get("/api/orgs/2/tokens"))] == ["theirs"]
    await ok(admin.patch("/api/tokens/2", json={"bodyBytes": 1}))
    await ok(admin.delete("/api/tokens/2"))
    check_problem(await admin.get("/api/orgs/7/tokens"), 404)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": 1},
        {"name": "a\u0000b"},
        {"name": "x" * 191},
        {"name": "a", "role": "Owner"},
        {"name": "a", "role": "viewer"},
        {"name": "a", "push": "telegraf"},
        {"name": "a", "push": [""]},
        {"name": "a", "read": [1]},
        {"name": "a", "push": ["x"] * 101},
        {"name": "a", "secondsToLive": -1},
        {"name": "a", "secondsToLive": 1e300},
        {"name": "a", "secondsToLive": "1"},
        {"name": "a", "serverAdmin": "yes"},
        {"name": "a", "serverAdmin": True, "push": ["x"]},
        [],
        None,
    ],
)
async def test_a_token_that_cannot_be_is_refused_and_nothing_is_stored(here: AccountSite, body: Any) -> None:
    admin = await here.admin()
    check_problem(await admin.post("/api/tokens", json=body), 400)
    assert len(await ok(admin.get("/api/tokens"))) == 1


# The caller itself.


async def test_whoever_calls_is_told_who_it_is(here: AccountSite) -> None:
    for client in (await here.client(login="Ann"), await here.browser("ann")):
        found = await ok(client.get("/api/user"))
        found.pop("createdAt")
        assert found == {
            "id": 1,
            "login": "ann",
            "name": "Ann",
            "email": "ann@example.com",
            "orgId": 1,
            "isGrafanaAdmin": False,
            "isDisabled": False,
            "isExternal": False,
        }
        assert await ok(client.get("/api/user/orgs")) == [
            {"orgId": 1, "name": "Main Org.", "role": "Admin"},
            {"orgId": 2, "name": "Other", "role": "Viewer"},
        ]
        assert await ok(client.get("/api/org")) == {"id": 1, "name": "Main Org."}
    root = await here.admin()
    found = await ok(root.get("/api/user"))
    assert (found["id"], found["login"], found["isGrafanaAdmin"]) == (0, "token:first start", True)
    assert await ok(root.get("/api/user/orgs")) == [{"orgId": 1, "name": "Main Org.", "role": "Admin"}]


async def test_a_user_is_in_the_org_that_it_chose_or_that_the_request_names(here: AccountSite) -> None:
    browser, script = await here.browser("ann"), await here.client(login="ann")
    other = await here.browser("ann")
    assert (await ok(browser.get("/api/org", headers={"X-Grafana-Org-Id": "2"})))["id"] == 2
    assert (await ok(browser.get("/api/org?orgId=2")))["id"] == 2
    check_problem(await browser.get("/api/org?orgId=3"), 403)
    check_problem(await browser.get("/api/org?orgId=x"), 400)
    await ok(browser.post("/api/user/using/2"))
    assert [(await ok(client.get("/api/org")))["id"] for client in (browser, script, other)] == [2, 2, 1]
    assert (await ok((await here.browser("ann")).get("/api/org")))["id"] == 2
    check_problem(await browser.post("/api/user/using/7"), 403)
    check_problem(await browser.post("/api/user/using/0"), 400)
    check_problem(await (await here.admin()).post("/api/user/using/2"), 403)


async def test_a_user_changes_its_password_and_keeps_the_session_in_which_it_did(here: AccountSite) -> None:
    browser, other = await here.browser("ann"), await here.browser("ann")
    staying, script = await here.connect(browser), await here.client(login="ann")
    for client in (other, script):
        await here.connect(client)
    wrong = {"oldPassword": "wrong", "newPassword": "another horse"}
    check_problem(await browser.put("/api/user/password", json=wrong), 401)
    short = {"oldPassword": HORSE, "newPassword": "short"}
    assert "accounts.password_characters" in check_problem(await browser.put("/api/user/password", json=short), 400)
    await ok(browser.put("/api/user/password", json={"oldPassword": HORSE, "newPassword": "another horse"}))
    assert [(await client.get("/api/user")).status_code for client in (browser, other, script)] == [200, 401, 401]
    assert here.connections.here == [staying]
    assert (await here.browser("ann", "another horse")).cookies
    check_problem(await (await here.admin()).put("/api/user/password", json=wrong), 403)


# Users, members and orgs.


async def test_users_are_made_looked_up_changed_and_removed(here: AccountSite) -> None:
    admin = await here.admin()
    made = await ok(
        admin.post("/api/admin/users", json={"email": "bob@example.com", "password": HORSE, "OrgId": 2, "name": "Bob"})
    )
    assert made == {"id": 2, "message": "User created"}
    bob = await ok(admin.get("/api/users/lookup?loginOrEmail=bob@example.com"))
    assert (bob["login"], bob["orgId"], bob["name"]) == ("bob@example.com", 2, "Bob")
    assert await ok(admin.get("/api/users/2")) == bob
    assert await ok(admin.get("/api/users/2/orgs")) == [{"orgId": 2, "name": "Other", "role": "Viewer"}]
    assert [user["id"] for user in await ok(admin.get("/api/users"))] == [1, 2]
    assert [user["id"] for user in await ok(admin.get("/api/users?query=BOB"))] == [2]
    assert [user["id"] for user in await ok(admin.get("/api/users?perpage=1&page=2"))] == [2]
    browser = await here.browser("bob@example.com")
    await here.connect(browser)
    await ok(admin.put("/api/admin/users/2/permissions", json={"isGrafanaAdmin": True}))
    assert len(here.connections.returning) == 1
    assert (await ok(browser.get("/api/user")))["isGrafanaAdmin"]
    assert (await browser.get("/api/orgs")).status_code == 200
    await ok(admin.put("/api/admin/users/2/password", json={"password": "another horse"}))
    assert (await browser.get("/api/user")).status_code == 401
    browser = await here.browser("bob@example.com", "another horse")
    await ok(admin.post("/api/admin/users/2/logout"))
    assert (await browser.get("/api/user")).status_code == 401
    browser = await here.browser("bob@example.com", "another horse")
    await ok(admin.post("/api/admin/users/2/disable"))
    assert (await browser.get("/api/user")).status_code == 401
    assert (await ok(admin.get("/api/users/2")))["isDisabled"]
    await ok(admin.post("/api/admin/users/2/enable"))
    await ok(admin.delete("/api/admin/users/2"))
    for method, path in (
        ("GET", "/api/users/2"),
        ("DELETE", "/api/admin/users/2"),
        ("POST", "/api/admin/users/2/logout"),
    ):
        check_problem(await admin.request(method, path), 404)
    check_problem(await admin.get("/api/users/lookup?loginOrEmail=bob@example.com"), 404)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"login": "bob"}, 400),
        ({"login": "bob", "password": "short"}, 400),
        ({"login": "b:b", "password": HORSE}, 400),
        ({"password": HORSE}, 400),
        ({"login": "aNn", "password": HORSE}, 409),
        ({"login": "bob", "password": HORSE, "OrgId": 7}, 404),
        ({"login": "bob", "password": HORSE, "OrgId": 0}, 400),
        ({"login": "bob", "password": HORSE, "role": "Boss"}, 400),
        ({"login": "bob", "password": "x" * 2_000}, 400),
    ],
)
async def test_a_user_that_cannot_be_is_refused(here: AccountSite, body: dict[str, Any], status: int) -> None:
    admin = await here.admin()
    message = check_problem(await admin.post("/api/admin/users", json=body), status)
    assert HORSE not in message
    assert len(await ok(admin.get("/api/users"))) == 1


@pytest.mark.parametrize("prefix", ["/api/org", "/api/orgs/1"])
async def test_members_come_change_and_go(here: AccountSite, prefix: str) -> None:
    boss = await (here.client(login="ann") if prefix == "/api/org" else here.admin())
    await here.make_user("bob", OrgId=2)
    check_problem(await boss.patch(f"{prefix}/users/2", json={"role": "Editor"}), 404)
    await ok(boss.post(f"{prefix}/users", json={"loginOrEmail": "bob", "role": "Viewer"}))
    members = await ok(boss.get(f"{prefix}/users"))
    assert [(member["login"], member["role"]) for member in members] == [("ann", "Admin"), ("bob", "Viewer")]
    bob = await here.client(login="bob", **{"X-Grafana-Org-Id": "1"})
    identity = await here.connect(bob)
    await ok(boss.patch(f"{prefix}/users/2", json={"role": "Editor"}))
    assert (here.connections.here, here.connections.returning) == ([], [identity])
    assert (await here.connect(bob)).role.value == "Editor"
    await ok(boss.delete(f"{prefix}/users/2"))
    assert here.connections.here == []
    check_problem(await bob.get("/api/user"), 403)
    check_problem(await boss.delete(f"{prefix}/users/2"), 404)
    check_problem(await boss.post(f"{prefix}/users", json={"loginOrEmail": "nobody", "role": "Viewer"}), 404)
    check_problem(await boss.post(f"{prefix}/users", json={"loginOrEmail": "bob", "role": "Boss"}), 400)


async def test_orgs_are_made_renamed_and_removed_with_all_that_is_in_them(here: AccountSite) -> None:
    admin = await here.admin()
    assert await ok(admin.get("/api/orgs")) == [{"id": 1, "name": "Main Org."}, {"id": 2, "name": "Other"}]
    assert await ok(admin.get("/api/orgs/name/Other")) == {"id": 2, "name": "Other"}
    check_problem(await admin.post("/api/orgs", json={"name": "Other"}), 409)
    await ok(admin.put("/api/orgs/2", json={"name": "Second"}))
    await ok((await here.client(login="ann")).put("/api/org", json={"name": "First"}))
    assert [org["name"] for org in await ok(admin.get("/api/orgs"))] == ["First", "Second"]
    agent = await here.client(token=await here.make_token(2, name="agent"))
    await here.connect(agent)
    await ok(admin.delete("/api/orgs/2"))
    assert here.connections.here == []
    assert (await agent.get("/api/user")).status_code == 401
    check_problem(await admin.get("/api/orgs/2"), 404)
    check_problem(await admin.delete("/api/orgs/1"), 400)
    check_problem(await admin.get("/api/orgs/name/Second"), 404)
    assert (await ok(admin.post("/api/orgs", json={"name": "Second"})))["orgId"] == 3


# Who may.


async def test_every_route_is_refused_to_whoever_has_no_right_to_it(here: AccountSite) -> None:
    clients: dict[str, httpx.AsyncClient] = {
        "nobody": await here.client(),
        "lists": await here.client(token=await here.make_token(name="lists", push=["*"], read=["*"])),
        "Viewer": await here.client(token=await here.make_token(name="viewer", role="Viewer")),
        "Editor": await here.client(token=await here.make_token(name="editor", role="Editor")),
        "Admin": await here.client(token=await here.make_token(name="admin", role="Admin")),
        "server admin": await here.admin(),
    }
    may: dict[Action | None, set[str]] = {
        None: set(clients) - {"nobody"},
        Action.MANAGE_ORG: {"Admin", "server admin"},
        Action.MANAGE_SERVER: {"server admin"},
    }
    routes = build_routes(here.entrance, JsonBodies(Settings().api), Settings())
    tried = 0
    for route in routes:
        if route.path in OPEN:
            continue
        path = route.path
        for name in ("org_id", "user_id", "token_id", "name"):
            path = path.replace(f"{{{name}}}", "999999")
        for method in sorted((route.methods or set()) - {"HEAD"}):
            for who, client in clients.items():
                status = (await client.request(method, path)).status_code
                tried += 1
                if who == "nobody":
                    assert status == 401, (method, path)
                elif who not in may[route.needs]:
                    assert status == 403, (method, path, who)
                else:
                    assert status not in {401} | ({403} if route.needs else set()), (method, path, who)
    assert tried > 200


async def test_what_is_foreign_does_not_show(here: AccountSite) -> None:
    """Tokens of another org's Admin answer as those that never were."""
    await here.make_token(2, name="theirs")
    ann = await here.client(login="ann")
    foreign = await ann.delete("/api/tokens/2")
    absent = await ann.delete("/api/tokens/999")
    assert foreign.status_code == absent.status_code == 404
    assert foreign.json()["message"].replace("2", "N") == absent.json()["message"].replace("999", "N")


async def test_no_secret_is_told_by_any_list_or_log(here: AccountSite, capsys: pytest.CaptureFixture[str]) -> None:
    key = await here.make_token(name="agent")
    browser = await here.browser("ann")
    cookie = browser.cookies["framecast_session"]
    await browser.get("/logout")
    admin = await here.admin()
    told = [(await admin.get(path)).text for path in ("/api/tokens", "/api/users", "/api/org/users", "/api/orgs")]
    said = "".join([*told, *capsys.readouterr()])
    for secret in (key, cookie, here.root, HORSE, "argon2"):
        assert secret not in said


@pytest.mark.parametrize(
    ("path", "begin", "end"),
    [
        ("/api/tokens", b'{"name": ', b'"another"}'),
        ("/api/live/publish", b'{"channel": "grafana/broadcast/a"', b', "data": 1}'),
    ],
)
async def test_a_body_that_arrives_behind_the_end_of_its_token_changes_nothing(
    here: AccountSite, path: str, begin: bytes, end: bytes
) -> None:
    root, client = await here.admin(), await here.client(token=await here.make_token(role="Admin"))
    last = (await root.get("/api/tokens")).json()[-1]["id"]

    async def revoked_meanwhile() -> AsyncIterator[bytes]:
        yield begin
        assert (await root.delete(f"/api/tokens/{last}")).status_code == 200
        yield end

    answer = await client.post(path, content=revoked_meanwhile(), headers={"Content-Type": "application/json"})
    assert "while its body was arriving" in check_problem(answer, 401)
    assert len((await root.get("/api/tokens")).json()) == 1


async def test_a_body_that_arrives_behind_another_role_of_its_user_is_not_taken_by_the_former_one(
    here: AccountSite,
) -> None:
    number = await here.make_user("eve", role="Admin")
    root, client = await here.admin(), await here.browser("eve")

    async def demoted_meanwhile() -> AsyncIterator[bytes]:
        yield b'{"role": '
        assert (await root.patch(f"/api/org/users/{number}", json={"role": "Viewer"})).status_code == 200
        yield b'"Admin"}'

    content_type = {"Content-Type": "application/json"}
    answer = await client.patch(f"/api/org/users/{number}", content=demoted_meanwhile(), headers=content_type)
    check_problem(answer, 401)
    [eve] = [user for user in (await root.get("/api/org/users")).json() if user["login"] == "eve"]
    assert eve["role"] == "Viewer"
