"""Who a visitor is, by what Grafana's releases answer; and how little it takes for them not to be believed."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog.testing
import trio
from prometheus_client import REGISTRY
from trio.testing import MockClock

from framecast.accounts.attempts import Attempts
from framecast.accounts.grafana.credential import Credential, Credentials
from framecast.accounts.grafana.questions import Questions, check_url
from framecast.accounts.grafana.visitors import GrafanaVisitors
from framecast.accounts.identity import Identity, Role
from framecast.accounts.secret import make_token
from framecast.errors import ConfigurationError, Refusal
from framecast.settings import Accounts, Grafana
from grafana_stand_in import COOKIE, ServiceAccount, StandIn, User, stand_in
from heads import head_of

ANN = User(7, "ann", {1: "Viewer", 2: "Editor", 3: "Admin", 4: "None"}, current_org=2, password="secret-word")
ROOT = User(1, "root", {1: "Admin"}, server_admin=True)
PEER = "203.0.113.9"


@pytest.fixture
def clock(autojump_clock: MockClock) -> MockClock:
    """Jumps only when the loopback had its time: with 0, a deadline could pass while bytes are on their way."""
    autojump_clock.autojump_threshold = 0.02
    return autojump_clock


def basic(login: str, password: str) -> tuple[str, str]:
    return "Authorization", "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()


class Desk:
    """The source over a stand-in; `ended` has the credentials whose connections were ended."""

    def __init__(self, settings: Grafana) -> None:
        self.settings = settings
        self.questions = Questions(settings)
        self.connected: list[Identity] = []
        self.ended: list[str] = []
        self.first_ended = trio.Event()
        self.visitors = GrafanaVisitors(
            settings,
            self.questions,
            attempts=Attempts(Accounts(attempts_per_address=20, attempts_per_login=20)),
            connected=lambda: self.connected,
            end=self._end,
        )

    def _end(self, credential: str) -> None:
        self.ended.append(credential)
        self.first_ended.set()

    async def find(self, *headers: tuple[str, str], path: str = "/api/live/ws") -> Identity | None:
        raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
        return await self.visitors.find(head_of(path, *raw, peer=PEER))

    async def known(self, *headers: tuple[str, str]) -> Identity:
        found = await self.find(*headers)
        assert found is not None
        return found

    async def code(self, *headers: tuple[str, str]) -> int:
        with pytest.raises(Refusal) as caught:
            await self.find(*headers)
        return caught.value.code


@asynccontextmanager
async def desk(grafana: StandIn, **settings: Any) -> AsyncIterator[Desk]:
    made = Desk(Grafana(url=grafana.url, **settings))
    async with made.questions.open(), trio.open_nursery() as nursery:
        await nursery.start(made.visitors.run)
        yield made
        nursery.cancel_scope.cancel()


async def test_a_session_is_its_user_in_the_org_where_it_is(clock: MockClock) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        cookie = grafana.login(ANN, "s1")
        found = await made.known(("Cookie", cookie))
        assert found == Identity(2, "ann", Role.EDITOR, credential=found.credential)
        assert found.credential.startswith("grafana:")
        assert isinstance(found.proof, Credential)
        assert (await made.known(("Cookie", grafana.login(ROOT, "s2")))).server_admin
        assert grafana.paths() == ["/api/user", "/api/user/orgs"] * 2
        assert {asked.headers["x-forwarded-for"] for asked in grafana.asked} == {PEER}


async def test_a_request_may_name_another_of_its_users_orgs(clock: MockClock) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        cookie = ("Cookie", grafana.login(ANN, "s1"))
        for org, role in ((1, Role.VIEWER), (2, Role.EDITOR), (3, Role.ADMIN)):
            found = await made.known(cookie, ("X-Grafana-Org-Id", str(org)))
            assert (found.org_id, found.role) == (org, role)
        for text in ("4", "5"):
            assert await made.code(cookie, ("X-Grafana-Org-Id", text)) == 403
        for text in ("0", "-1", "x", "1, 2", "9" * 30, ""):
            assert await made.code(cookie, ("X-Grafana-Org-Id", text)) == 400
        assert await made.code(cookie, ("X-Grafana-Org-Id", "1"), ("X-Grafana-Org-Id", "2")) == 400
        assert len(grafana.asked) == 2


async def test_who_has_no_role_where_it_is_does_not_get_in(clock: MockClock) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        cookie = ("Cookie", grafana.login(User(8, "eve", {4: "None", 5: "Overlord"}, current_org=4), "s1"))
        assert await made.code(cookie) == 403
        assert await made.code(cookie, ("X-Grafana-Org-Id", "5")) == 403


async def test_who_has_no_role_where_it_is_may_be_where_it_has_one(clock: MockClock) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        cookie = ("Cookie", grafana.login(User(8, "eve", {4: "None", 9: "Viewer", 7: "Editor"}, current_org=4), "s1"))
        assert (await made.known(cookie)).org_id == 7
        assert (await made.known(cookie, ("X-Grafana-Org-Id", "9"))).org_id == 9


async def test_only_what_is_for_grafana_is_shown_to_it(clock: MockClock) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        cookie = grafana.login(ANN, "s1")
        await made.known(
            ("Cookie", f"theme=dark; framecast_session=ours; {cookie}; grafana_session_expiry=1"), ("X-Secret", "1")
        )
        [user, orgs] = grafana.asked
        assert user.headers["cookie"] == orgs.headers["cookie"] == cookie
        allowed = {"host", "cookie", "accept", "accept-encoding", "user-agent", "x-forwarded-for"}
        assert set(user.headers) <= allowed
        assert "framecast" in user.headers["user-agent"]


async def test_more_cookies_go_along_where_they_are_named(clock: MockClock) -> None:
    async with stand_in() as grafana, desk(grafana, cookies=(COOKIE, "affinity")) as made:
        cookie = grafana.login(ANN, "s1")
        await made.known(("Cookie", f"affinity=b; x=1; {cookie}"))
        assert grafana.asked[0].headers["cookie"] == f"affinity=b; {cookie}"


async def test_a_cookie_that_grafana_sets_is_kept_for_nobody(clock: MockClock) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        grafana.extra_headers = [("Set-Cookie", f"{COOKIE}=stolen; Path=/")]
        await made.known(("Cookie", grafana.login(ANN, "s1")))
        grafana.tokens["glsa_1"] = ServiceAccount("sa-1-x", 1, "Viewer")
        await made.known(("Authorization", "Bearer glsa_1"))
        assert [asked.headers.get("cookie") for asked in grafana.asked[2:]] == [None, None]


async def test_authorization_goes_before_cookies(clock: MockClock) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        cookie = ("Cookie", grafana.login(ANN, "s1"))
        grafana.users["root"] = User(1, "root", {1: "Admin"}, password="r")
        assert (await made.known(cookie, basic("root", "r"))).login == "root"
        assert "cookie" not in grafana.asked[0].headers
        assert await made.code(cookie, basic("root", "wrong")) == 401
        assert await made.code(basic("root", "r"), basic("ann", "secret-word")) == 401
        assert await made.find(cookie, ("Authorization", "Negotiate x")) is None


@pytest.mark.parametrize(
    "headers", [(), (("Cookie", "other=1"),), (("Authorization", "Negotiate x"),), (("Cookie", ""),)]
)
async def test_a_request_with_nothing_of_grafanas_is_left_to_others(
    clock: MockClock, headers: tuple[tuple[str, str], ...]
) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        assert await made.find(*headers) is None
        assert grafana.asked == []


@pytest.mark.parametrize("answers_tokens", [True, False])
@pytest.mark.parametrize("orgs_refusal", [304, 403])
@pytest.mark.parametrize("role", ["Viewer", "Editor", "Admin"])
async def test_a_service_account_is_what_its_token_may_do_whatever_the_release(
    clock: MockClock, answers_tokens: bool, orgs_refusal: int, role: str
) -> None:
    async with (
        stand_in(answers_tokens=answers_tokens, orgs_refusal=orgs_refusal) as grafana,
        desk(grafana) as made,
    ):
        grafana.tokens["glsa_1"] = ServiceAccount("sa-3-telegraf", 3, role)
        found = await made.known(("Authorization", "Bearer glsa_1"))
        assert (found.org_id, found.role, found.server_admin) == (3, Role(role), False)
        assert found.login == ("sa-3-telegraf" if answers_tokens else "")
        assert await made.code(("Authorization", "Bearer glsa_1"), ("X-Grafana-Org-Id", "1")) == 403
        assert await made.code(("Authorization", "Bearer glsa_2")) == 401


async def test_a_service_account_that_is_stored_as_a_user_is_one(clock: MockClock) -> None:
    """Grafana 9 answers its token as a user's; some release after it refuses the list of orgs all the same."""
    async with stand_in() as grafana, desk(grafana) as made:
        grafana.tokens["glsa_1"] = ServiceAccount("sa-3-telegraf", 3, "Editor")
        user = {"id": 12, "login": "sa-3-telegraf", "orgId": 3, "isGrafanaAdmin": False}
        grafana.raw["/api/user"] = (200, json.dumps(user).encode())
        assert (await made.known(("Authorization", "Bearer glsa_1"))).role is Role.EDITOR


@pytest.mark.parametrize("answers_tokens", [True, False])
async def test_a_token_that_may_do_nothing_does_not_get_in(clock: MockClock, answers_tokens: bool) -> None:
    async with stand_in(answers_tokens=answers_tokens) as grafana, desk(grafana) as made:
        grafana.tokens["glsa_1"] = ServiceAccount("sa-3-none", 3, "None")
        assert await made.code(("Authorization", "Bearer glsa_1")) == 403


@pytest.mark.parametrize("shown", ["Bearer glsa_1", "bearer glsa_1", "Token glsa_1", basic("any", "glsa_1")[1]])
async def test_a_token_is_one_in_whatever_shape_clients_put_it(clock: MockClock, shown: str) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        grafana.tokens["glsa_1"] = ServiceAccount("sa-3-influx", 3, "Editor")
        assert (await made.known(("Authorization", shown))).login == "sa-3-influx"
        assert {asked.headers["authorization"] for asked in grafana.asked} == {"Bearer glsa_1"}


async def test_a_token_of_ours_is_not_shown_to_grafana(clock: MockClock) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        ours = make_token()
        for shown in (f"Bearer {ours}", f"Token {ours}", basic("any", ours)[1]):
            assert await made.find(("Authorization", shown), ("Cookie", grafana.login(ANN, "s1"))) is None
        assert grafana.asked == []


async def test_a_session_that_is_none_is_nobody_and_a_wrong_password_is_refused(clock: MockClock) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        grafana.login(ANN, "s1")
        assert await made.find(("Cookie", f"{COOKIE}=ended")) is None
        assert await made.code(basic("ann", "guessed")) == 401
        assert await made.code(("Authorization", "Bearer glsa_guessed")) == 401


async def test_passwords_are_not_guessed_by_way_of_us_and_who_was_known_stays_in(clock: MockClock) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        grafana.login(ANN, "s1")
        assert (await made.known(basic("ann", "secret-word"))).login == "ann"
        codes = [await made.code(basic("ann", f"guess {number}")) for number in range(100)]
        assert codes == [401] * 20 + [429] * 80
        assert grafana.paths().count("/api/user") == 1 + 20
        assert (await made.known(basic("ann", "secret-word"))).login == "ann"
        assert (await made.known(("Cookie", f"{COOKIE}=s1"))).login == "ann"


GOOD_USER = b'{"id":7,"login":"ann","orgId":1,"isGrafanaAdmin":false}'


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/api/user", (500, b"{}")),
        ("/api/user", (429, b"{}")),
        ("/api/user", (502, b"<html>")),
        ("/api/user", (302, b"")),
        ("/api/user", (400, b"{}")),
        ("/api/user", (200, b"<html>Grafana</html>")),
        ("/api/user", (200, b"[]")),
        ("/api/user", (200, b'{"id":"7","login":"ann"}')),
        ("/api/user", (200, b'{"id":7}')),
        ("/api/user", (200, b'{"id":7,"login":"' + b"a" * 256 + b'"}')),
        ("/api/user", (200, b'{"id":7,"login":"\xff"}')),
        ("/api/user", (200, b"[" * 100_000)),
        ("/api/user", (200, GOOD_USER + b" " * 300_000)),
        ("/api/user/orgs", (500, b"")),
        ("/api/user/orgs", (200, b"{}")),
        ("/api/user/orgs", (200, b'[{"orgId":-1,"role":"Admin"}]')),
        ("/api/user/orgs", (200, b'[{"orgId":1,"role":null}]')),
    ],
)
async def test_whatever_else_stands_there_lets_nobody_in(
    clock: MockClock, path: str, answer: tuple[int, bytes]
) -> None:
    with structlog.testing.capture_logs() as logs:
        async with stand_in() as grafana, desk(grafana) as made:
            grafana.raw[path] = answer
            assert await made.code(("Cookie", grafana.login(ANN, "top-secret"))) == 503
    assert [entry["event"] for entry in logs] == ["grafana cannot be asked"]
    assert "top-secret" not in repr(logs)


async def test_a_grafana_that_hangs_up_or_says_nothing_is_no_answer(clock: MockClock) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        cookie = ("Cookie", grafana.login(ANN, "s1"))
        grafana.down = True
        assert await made.code(cookie) == 503
        grafana.down = False
        await trio.sleep(2)
        assert (await made.known(cookie)).login == "ann"
        grafana.answering = trio.Event()
        began = trio.current_time()
        assert await made.code(("Cookie", grafana.login(ROOT, "s2"))) == 503
        assert trio.current_time() - began == pytest.approx(5, abs=1)
        grafana.answering.set()


async def test_a_connection_that_grafana_closed_in_between_is_no_trouble(clock: MockClock) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        with structlog.testing.capture_logs() as logs:
            for number in range(5):
                await made.known(("Cookie", grafana.login(ANN, f"s{number}")))
                await grafana.hang_up()
        assert logs == []


async def test_an_outage_is_told_once_in_a_while_and_its_end_once(clock: MockClock) -> None:
    with structlog.testing.capture_logs() as logs:
        async with stand_in() as grafana, desk(grafana) as made:
            cookie = ("Cookie", grafana.login(ANN, "s1"))
            grafana.down = True
            for _ in range(33):
                assert await made.code(cookie) == 503
                await trio.sleep(2)
            grafana.down = False
            await made.known(cookie)
            await made.known(("Cookie", grafana.login(ROOT, "s2")))
    events = [(entry["event"], entry.get("unlogged")) for entry in logs]
    assert [event for event, _ in events] == ["grafana cannot be asked"] * 2 + ["grafana answers again"]
    assert events[0][1] == 0
    assert (events[1][1] or 0) > 20


async def test_figures_name_nobody(clock: MockClock) -> None:
    def figure(outcome: str) -> float:
        labels = {"about": "visitors", "outcome": outcome}
        return REGISTRY.get_sample_value("framecast_grafana_questions_total", labels) or 0.0

    before = {outcome: figure(outcome) for outcome in ("told", "denied", "deferred", "unreachable")}
    async with stand_in() as grafana, desk(grafana) as made:
        await made.known(("Cookie", grafana.login(ANN, "s1")))
        assert await made.find(("Cookie", f"{COOKIE}=forged")) is None
        due = grafana.login(ANN, "s2")
        grafana.due.add("s2")
        assert await made.code(("Cookie", due)) == 401
        grafana.down = True
        assert await made.code(("Cookie", f"{COOKIE}=other")) == 503
    assert {outcome: figure(outcome) - count for outcome, count in before.items()} == dict.fromkeys(before, 1)


async def test_a_secret_is_in_no_text_of_an_identity(clock: MockClock) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        found = await made.known(("Cookie", grafana.login(ANN, "top-secret")))
        told = repr(found) + str(found) + repr(found.proof)
        assert "top-secret" not in told
        assert found.credential in told


def test_the_name_of_a_credential_cannot_be_found_by_trying() -> None:
    head = head_of("/", (b"authorization", b"Basic YTpi"))
    one, other = Credentials(()), Credentials(())
    first, again, elsewhere = one.find(head), one.find(head), other.find(head)
    assert first is not None
    assert again is not None
    assert elsewhere is not None
    assert first.name == again.name != elsewhere.name


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:3000",
        "ftp://x",
        "http://",
        "http://u:p@x",
        "http://u:p@[",
        "http://x?y=1",
        "http://x/#f",
        "http://[",
        "http:///a",
    ],
)
def test_a_url_that_cannot_be_asked_is_refused_at_the_start(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"grafana\.url") as caught:
        check_url(url)
    assert "u:p" not in str(caught.value)


@pytest.mark.parametrize("slash", ["", "/"])
async def test_a_sub_path_is_kept(clock: MockClock, slash: str) -> None:
    async with stand_in() as grafana:
        grafana.url += f"/grafana{slash}"
        async with desk(grafana) as made:
            with pytest.raises(Refusal):
                await made.find(("Cookie", grafana.login(ANN, "s1")))
            assert grafana.paths()[0] == "/grafana/api/user"


async def test_a_user_who_is_still_connected_is_asked_about_again(clock: MockClock) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        found = await made.known(("Cookie", grafana.login(ANN, "s1")))
        await made.known(("Cookie", grafana.login(ROOT, "s2")))
        made.connected.append(found)
        await trio.sleep(310)
        assert 2 + 4 <= grafana.paths().count("/api/user") <= 2 + 5
        assert made.ended == []


async def test_a_logout_ends_the_connections_of_that_session_within_its_time(clock: MockClock) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        one = await made.known(("Cookie", grafana.login(ANN, "s1")))
        other = await made.known(("Cookie", grafana.login(ANN, "s2")))
        made.connected += [one, one, other]
        await trio.sleep(100)
        grafana.logout("s1")
        began = trio.current_time()
        await made.first_ended.wait()
        assert trio.current_time() - began <= made.settings.fresh_seconds * 1.25 + 2
        made.connected[:] = [other]
        await trio.sleep(200)
        assert made.ended == [one.credential]


@pytest.mark.parametrize(
    "orgs", [{1: "Admin", 2: "Viewer"}, {1: "Viewer", 3: "Admin"}, {}], ids=["demoted", "put out", "put out everywhere"]
)
async def test_who_may_do_less_than_before_has_to_come_back(clock: MockClock, orgs: dict[int, str]) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        found = await made.known(("Cookie", grafana.login(ANN, "s1")))
        made.connected.append(found)
        grafana.users["ann"] = User(7, "ann", orgs, current_org=1)
        await trio.sleep(100)
        assert set(made.ended) == {found.credential}


async def test_another_current_org_is_no_reason_to_end_a_connection(clock: MockClock) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        found = await made.known(("Cookie", grafana.login(ANN, "s1")))
        made.connected.append(found)
        grafana.users["ann"] = User(7, "ann", ANN.orgs, current_org=1)
        await trio.sleep(100)
        assert made.ended == []
        assert (await made.known(("Cookie", f"{COOKIE}=s1"))).org_id == 1


async def test_who_changed_before_its_connection_could_be_found_is_ended_too(clock: MockClock) -> None:
    async with stand_in() as grafana, desk(grafana, fresh_seconds=8) as made:
        found = await made.known(("Cookie", grafana.login(ANN, "s1")))
        grafana.users["ann"] = User(7, "ann", {2: "Viewer"}, current_org=2)
        await trio.sleep(9)
        await made.known(("Cookie", f"{COOKIE}=s1"))
        made.ended.clear()
        made.connected.append(found)
        await trio.sleep(3)
        assert set(made.ended) == {found.credential}


async def test_a_session_whose_cookie_is_renewed_by_its_pages_stays(clock: MockClock) -> None:
    async with stand_in() as grafana, desk(grafana) as made:
        found = await made.known(("Cookie", grafana.login(ANN, "s1")))
        made.connected.append(found)
        await trio.sleep(600)
        grafana.due.add("s1")
        await trio.sleep(200)
        grafana.renew("s1", "s2")
        await trio.sleep(600)
        assert made.ended == []
        grafana.logout("s1")  # the time after next, the first cookie is none any more
        await trio.sleep(100)
        assert set(made.ended) == {found.credential}
        assert (await made.known(("Cookie", f"{COOKIE}=s2"))).login == "ann"


async def test_connections_outlast_an_outage_and_not_a_long_one(clock: MockClock) -> None:
    async with stand_in() as grafana, desk(grafana, stale_seconds=600) as made:
        cookie = ("Cookie", grafana.login(ANN, "s1"))
        found = await made.known(cookie)
        made.connected.append(found)
        grafana.down = True
        await trio.sleep(600)
        assert made.ended == []
        assert await made.known(cookie) == found
        assert await made.code(("Cookie", grafana.login(ROOT, "s2"))) == 503
        await trio.sleep(120)
        assert set(made.ended) == {found.credential}
