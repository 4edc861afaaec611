"""Each source with the requests that it takes, and the gate that asks them all in their order."""

import base64
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import structlog
from issuer import RSA, SECRET, sign
from registered import Clocks, Office, registered

from framecast.accounts.attempts import Attempts
from framecast.accounts.gate import Gate, StrangerError, build_gate
from framecast.accounts.identity import Identity, Reach, Role
from framecast.accounts.logins import Logins
from framecast.accounts.passwords import Passwords
from framecast.accounts.register.service_tokens import NewToken
from framecast.accounts.register.users import NewUser
from framecast.accounts.secret import make_token
from framecast.accounts.sources.table import build_sources
from framecast.accounts.tokens.verifier import TokenVerifier, find_verifier
from framecast.errors import Refusal
from framecast.settings import Accounts, Proxy, Settings, Tokens
from heads import head_of

CHEAP: dict[str, Any] = {"password_kib": 8, "password_passes": 1}
HORSE = "correct horse"
NAME = Accounts().session_cookie


def basic(login: str, password: str) -> bytes:
    return b"Basic " + base64.b64encode(f"{login}:{password}".encode())


class World:
    """Ann is an Editor of org 1 and a Viewer of org 2; the agent's token is limited to lists."""

    def __init__(
        self, office: Office, settings: Settings, clocks: Clocks, verifier: TokenVerifier | None = None
    ) -> None:
        self.office = office
        self.register = office.register
        self.clocks = clocks
        self.passwords = Passwords(settings.accounts)
        self.attempts = Attempts(settings.accounts, lambda: clocks.steady)
        logins = Logins(office.register, self.passwords, self.attempts, lambda: clocks.steady)
        sources = build_sources(settings, office.register.directory, self.attempts, logins, verifier=verifier)
        self.gate: Gate = build_gate(sources)
        self.agent = ""
        self.cookie = ""

    async def ask(self, headers: Mapping[str, str | bytes] | None = None, query: str = "") -> Identity:
        pairs = [
            (name.lower().encode(), value if isinstance(value, bytes) else value.encode())
            for name, value in (headers or {}).items()
        ]
        return await self.gate(head_of("/", *pairs, query=query))

    async def refusal(self, headers: Mapping[str, str | bytes] | None = None, query: str = "") -> Refusal:
        with pytest.raises(Refusal) as caught:
            await self.ask(headers, query)
        return caught.value


@asynccontextmanager
async def open_world(
    folder: Path, *, tokens: Tokens | None = None, proxy: Proxy | None = None, **accounts: Any
) -> AsyncIterator[World]:
    settings = Settings(accounts=Accounts(**CHEAP, **accounts), tokens=tokens or Tokens(), proxy=proxy or Proxy())
    clocks = Clocks()
    async with registered(folder, clocks, settings.accounts) as office:
        world = World(office, settings, clocks, find_verifier(settings.tokens))
        register = office.register
        await register.orgs.create("Main Org.")
        await register.orgs.create("Other")
        ann = await register.users.create(NewUser("ann", await world.passwords.hash(HORSE), 1, Role.EDITOR))
        await register.users.set_role(ann.user_id, 2, Role.VIEWER)
        _, world.agent = await register.service_tokens.create(NewToken(1, "agent", reach=REACH))
        _, world.cookie = await register.sessions.begin(ann.user_id, 1)
        with structlog.testing.capture_logs():
            yield world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        yield world


REACH = Reach(("telegraf",), ("stream/telegraf/*",))
AGENT = Identity(1, "token:agent", Role.VIEWER, reach=REACH, credential="token:1")


async def test_a_token_gets_in_in_every_shape(world: World) -> None:
    for value in (
        f"Bearer {world.agent}",
        f"Token {world.agent}",
        f"Token telegraf:{world.agent}",
        basic("anybody", world.agent),
        basic("", world.agent),
    ):
        assert await world.ask({"Authorization": value}) == AGENT


async def test_a_token_that_is_no_good_is_refused_and_not_repeated(world: World) -> None:
    for token in (make_token(), world.agent[:-1], world.agent + "x", "fct_"):
        for value in (f"Bearer {token}", f"Token {token}", basic("ann", token)):
            refusal = await world.refusal({"Authorization": value})
            assert refusal.code == 401
            assert token not in refusal.message or token == "fct_"
    await world.register.service_tokens.revoke(1)
    assert (await world.refusal({"Authorization": f"Bearer {world.agent}"})).code == 401


async def test_a_token_is_of_one_org(world: World) -> None:
    headers = {"Authorization": f"Bearer {world.agent}"}
    assert await world.ask({**headers, "X-Grafana-Org-Id": "1"}) == AGENT
    assert (await world.refusal({**headers, "X-Grafana-Org-Id": "2"})).code == 403
    assert (await world.refusal(headers, "orgId=2")).code == 403
    assert (await world.refusal(headers, "orgId=x")).code == 400


async def test_a_token_ends_when_its_time_has_come_though_nobody_looked(world: World) -> None:
    _, secret = await world.register.service_tokens.create(NewToken(1, "short", expires=world.clocks.wall + 10))
    headers = {"Authorization": f"Bearer {secret}"}
    assert (await world.ask(headers)).login == "token:short"
    world.clocks.advance(10)
    assert (await world.refusal(headers)).code == 401
    world.clocks.wall -= 1_000
    assert (await world.refusal(headers)).code == 401


async def test_a_user_gets_in_by_its_password_in_one_of_its_orgs(world: World) -> None:
    headers: dict[str, str | bytes] = {"Authorization": basic("Ann", HORSE)}
    assert await world.ask(headers) == Identity(1, "ann", Role.EDITOR, credential="user:1")
    assert await world.ask(headers, "orgId=2") == Identity(2, "ann", Role.VIEWER, credential="user:1")
    assert (await world.refusal(headers, "orgId=3")).code == 403
    assert await world.ask({"Authorization": f"Token ann:{HORSE}"}) == await world.ask(headers)
    assert (await world.refusal({"Authorization": basic("ann", "wrong")})).code == 401
    await world.register.users.move(1, 2, session=None)
    assert (await world.ask(headers)).org_id == 2
    await world.register.users.leave(1, 2)
    assert (await world.ask(headers)).org_id == 1
    await world.register.users.leave(1, 1)
    assert "member of no org" in (await world.refusal(headers)).message


async def test_a_session_gets_in_by_its_cookie_until_it_ends(world: World) -> None:
    headers = {"Cookie": f"a=b; framecast_session={world.cookie}"}
    assert await world.ask(headers) == Identity(1, "ann", Role.EDITOR, credential="session:1")
    assert (await world.ask({**headers, "X-Grafana-Org-Id": "2"})).role is Role.VIEWER
    assert (await world.refusal({**headers, "X-Grafana-Org-Id": "3"})).code == 403
    await world.register.users.move(1, 2, session=1)
    assert (await world.ask(headers)).org_id == 2
    await world.register.sessions.end([1])
    assert isinstance(await world.refusal(headers), StrangerError)


async def test_a_session_lasts_while_it_is_used_and_no_longer_than_it_may(world: World) -> None:
    headers = {"Cookie": f"framecast_session={world.cookie}"}
    day = 86_400.0
    for _ in range(4):
        world.clocks.advance(6.9 * day)
        assert (await world.ask(headers)).login == "ann"
    world.clocks.wall -= 100 * day
    assert (await world.ask(headers)).login == "ann"
    world.clocks.advance(3 * day)
    assert isinstance(await world.refusal(headers), StrangerError)


@pytest.mark.parametrize(
    "cookie", ["framecast_session=x", "framecast_session=", "other=1", "framecast_session=a; framecast_session=b"]
)
async def test_a_cookie_that_is_no_good_counts_as_none(tmp_path: Path, cookie: str) -> None:
    async with open_world(tmp_path, anonymous=True, anonymous_org=2) as world:
        assert await world.ask({"Cookie": cookie}) == Identity(2, "", Role.VIEWER)


async def test_what_is_shown_on_purpose_goes_before_what_a_browser_sends_by_itself(world: World) -> None:
    cookie = f"framecast_session={world.cookie}"
    assert await world.ask({"Authorization": f"Bearer {world.agent}", "Cookie": cookie}) == AGENT
    for value in (f"Bearer {make_token()}", basic("ann", "wrong"), "Bearer glsa_x", "Negotiate x", "Bearer a.b.c", ""):
        assert (await world.refusal({"Authorization": value, "Cookie": cookie})).code == 401


async def test_anonymous_visitors_have_one_org_and_role_and_show_nothing(tmp_path: Path) -> None:
    async with open_world(tmp_path, anonymous=True, anonymous_org=2, anonymous_role="Editor") as world:
        anonymous = Identity(2, "", Role.EDITOR)
        assert await world.ask() == anonymous
        assert await world.ask(query="orgId=2") == anonymous
        assert (await world.refusal(query="orgId=1")).code == 403
        assert (await world.refusal({"Authorization": "Bearer glsa_x"})).code == 401
        await world.register.orgs.remove(2)
        assert (await world.refusal()).code == 401


async def test_without_anonymous_who_shows_nothing_is_a_stranger(world: World) -> None:
    assert isinstance(await world.refusal(), StrangerError)
    assert isinstance(await world.refusal(query="orgId=1"), StrangerError)


@pytest.mark.parametrize("switch", ["service_tokens", "passwords", "sessions"])
async def test_each_source_can_be_switched_off(tmp_path: Path, switch: str) -> None:
    off: dict[str, Any] = {switch: False}
    async with open_world(tmp_path, **off) as world:
        shown: dict[str, dict[str, str | bytes]] = {
            "service_tokens": {"Authorization": f"Bearer {world.agent}"},
            "passwords": {"Authorization": basic("ann", HORSE)},
            "sessions": {"Cookie": f"framecast_session={world.cookie}"},
        }
        assert (await world.refusal(shown.pop(switch))).code == 401
        for headers in shown.values():
            assert (await world.ask(headers)).org_id == 1


async def test_good_tokens_pass_behind_an_address_that_sends_many_wrong_ones(tmp_path: Path) -> None:
    async with open_world(tmp_path, attempts_per_address=3) as world:
        wrong = {"Authorization": f"Bearer {make_token()}"}
        assert [(await world.refusal(wrong)).code for _ in range(5)] == [401, 401, 401, 429, 429]
        assert await world.ask({"Authorization": f"Bearer {world.agent}"}) == AGENT
        assert (await world.ask({"Cookie": f"framecast_session={world.cookie}"})).login == "ann"
        for value in ("Bearer other", basic("ann", "wrong"), basic("ann", HORSE)):
            assert (await world.refusal({"Authorization": value})).code == 429
        world.clocks.advance(200)
        assert (await world.ask({"Authorization": basic("ann", HORSE)})).login == "ann"


async def test_with_a_grafana_beside_us_logins_that_are_not_ours_are_left_to_it(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        logins = Logins(world.register, world.passwords, world.attempts)
        settings = Settings(accounts=Accounts(**CHEAP))
        taken: list[str] = []

        class Beside:
            async def find(self, head: Any) -> Identity | None:
                taken.append((head.find_text(b"authorization") or "").partition(" ")[0])
                return None

        sources = build_sources(settings, world.register.directory, world.attempts, logins, grafana=Beside())
        world.gate = build_gate(sources)
        for value in (basic("bob", "x"), b"Bearer glsa_x"):
            assert (await world.refusal({"Authorization": value})).code == 401
        assert (await world.refusal({"Authorization": basic("ann", "wrong")})).code == 401
        assert (await world.refusal({"Authorization": f"Bearer {make_token()}"})).code == 401
        assert taken == ["Basic", "Bearer"]


# JSON Web Tokens.

KEYS: dict[str, Any] = {"hmac_secret": SECRET, "org_claim": "org", "role_claim": "role", "server_admin_claim": "admin"}
ALICE = Identity(1, "alice", Role.VIEWER)


def jwt(**claims: Any) -> str:
    return sign({"sub": "alice", **claims})


def in_all_places(token: str) -> list[tuple[dict[str, str | bytes], str]]:
    """As headers and query."""
    return [
        ({"Authorization": f"Bearer {token}"}, ""),
        ({"X-JWT-Assertion": token}, ""),
        ({}, f"a=b&auth_token={token}"),
    ]


@asynccontextmanager
async def open_jwt_world(folder: Path, **settings: Any) -> AsyncIterator[World]:
    tokens = Tokens(**{**KEYS, "header": "X-JWT-Assertion", **settings})
    async with open_world(folder, tokens=tokens) as world:
        yield world


async def test_a_jwt_gets_in_from_every_place_where_it_may_stand(tmp_path: Path) -> None:
    async with open_jwt_world(tmp_path) as world:
        for headers, query in in_all_places(jwt()):
            assert await world.ask(headers, query) == ALICE
        expires = time.time() + 60
        for headers, query in in_all_places(jwt(exp=expires, org=2, role="Editor", admin=True)):
            identity = await world.ask(headers, query)
            assert identity == Identity(2, "alice", Role.EDITOR, server_admin=True)
            assert identity.lasts_until == pytest.approx(expires + 5)


async def test_a_jwt_that_is_no_good_is_refused_wherever_it_stands(tmp_path: Path) -> None:
    bad = [
        jwt()[:-3],
        jwt(exp=1),
        jwt(role="Owner"),
        jwt(org=3),
        jwt(channel="stream/a/b"),
        "a.b.c",
        sign({}, alg="none"),
    ]
    tokens = Tokens(**KEYS, header="X-JWT-Assertion")
    async with open_world(tmp_path, tokens=tokens, attempts_per_address=1_000) as world:
        for token in bad:
            for headers, query in in_all_places(token):
                refusal = await world.refusal({**headers, "Cookie": f"{NAME}={world.cookie}"}, query)
                assert refusal.code == 401
                assert token not in refusal.message
        assert "expired" in (await world.refusal({}, f"auth_token={jwt(exp=1)}")).message


async def test_a_jwt_is_of_one_org(tmp_path: Path) -> None:
    async with open_jwt_world(tmp_path) as world:
        headers = {"Authorization": f"Bearer {jwt(org=2)}"}
        assert (await world.ask({**headers, "X-Grafana-Org-Id": "2"})).org_id == 2
        assert (await world.refusal({**headers, "X-Grafana-Org-Id": "1"})).code == 403


async def test_where_requests_with_jwts_are_switched_off_they_show_nothing(tmp_path: Path) -> None:
    async with open_jwt_world(tmp_path, requests=False) as world:
        refused, *others = in_all_places(jwt())
        assert (await world.refusal(*refused)).code == 401
        for headers, query in others:
            assert isinstance(await world.refusal(headers, query), StrangerError)


async def test_each_kind_of_token_goes_to_its_own_source(tmp_path: Path) -> None:
    """Tokens of ours are looked up and no signature is tried; JWTs are tried and not looked up."""
    async with open_jwt_world(tmp_path) as world:
        assert await world.ask({"Authorization": f"Bearer {world.agent}"}) == AGENT
        assert await world.ask({"Authorization": f"Bearer {world.agent}", "X-JWT-Assertion": "no.good.one"}) == AGENT
        assert "revoked" in (await world.refusal({"Authorization": f"Bearer fct_{jwt()}"})).message
        assert (await world.refusal({"X-JWT-Assertion": world.agent})).code == 401
        assert (await world.ask({"Authorization": basic("ann", HORSE)}, "auth_token=x")).login == "ann"


async def test_many_jwts_that_are_no_good_are_limited_and_good_ones_are_not(tmp_path: Path) -> None:
    async with open_world(tmp_path, tokens=Tokens(**KEYS), attempts_per_address=2) as world:
        bad = {"Authorization": f"Bearer {jwt()[:-3]}"}
        assert [(await world.refusal(bad)).code for _ in range(4)] == [401, 401, 429, 429]
        assert await world.ask({"Authorization": f"Bearer {jwt()}"}) == ALICE


async def test_a_jwt_whose_keys_cannot_be_had_is_503(tmp_path: Path) -> None:
    tokens = Tokens(jwks_url="http://127.0.0.1:1/keys")
    async with open_world(tmp_path, tokens=tokens) as world:
        token = sign({"sub": "alice"}, RSA, "RS256", kid="one")
        assert (await world.refusal({"Authorization": f"Bearer {token}"})).code == 503


# A proxy in front.


async def test_a_proxy_names_its_users_unless_they_show_something_themselves(tmp_path: Path) -> None:
    proxy = Proxy(login_header="X-WEBAUTH-USER", login_addresses=("127.0.0.1",))
    async with open_world(tmp_path, proxy=proxy) as world:
        named = {"X-WEBAUTH-USER": "bob"}
        assert (await world.ask({**named, "Cookie": f"{NAME}={world.cookie}"})).login == "bob"
        assert await world.ask({**named, "Authorization": f"Bearer {world.agent}"}) == AGENT
