"""Framecast beside a Grafana, behind one nginx: set up with the lines of docs/grafana.md, used by the SDKs.

The stand-in for Grafana runs in the test; proxy, server and clients are processes of their own.
"""

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio

from end_to_end.nginx import running_nginx, snippets
from end_to_end.programs import Program
from end_to_end.sdk_programs import Sdk, SdkPrograms
from end_to_end.server import RunningServer, running_server
from grafana_stand_in import COOKIE, Dashboard, ServiceAccount, StandIn, User, stand_in
from patience import PATIENCE_SECONDS

JAVASCRIPT = Sdk("javascript", "json")
PYTHON = Sdk("python", "json")
ROOT_URL = "https://grafana.example.com"
FRESH_SECONDS = 2.0
BOARD = "grafana/dashboard/uid/board"
CLOSED = "grafana/dashboard/uid/closed"


class Site:
    """What a visitor sees: one address."""

    def __init__(self, address: str, path: str, grafana: StandIn, server: RunningServer) -> None:
        self.address = f"{address}{path}"
        self.url = f"http://{self.address}"
        self.grafana = grafana
        self.server = server

    async def push(self, token: str, stream: str, body: bytes) -> int:
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http:
            headers = {"Authorization": f"Bearer {token}"}
            answer = await http.post(f"{self.url}/api/live/push/{stream}", content=body, headers=headers)
        return answer.status_code

    def client(self, sdk_programs: SdkPrograms, sdk: Sdk, **headers: str) -> AbstractAsyncContextManager[Program]:
        """A client that is told to connect, with headers of a browser that is on a page of this site."""
        return sdk_programs.begun(sdk, self.address, headers={"Origin": ROOT_URL, **headers})


@asynccontextmanager
async def site(folder: Path, *, sub_path: bool = False, settings: tuple[str, ...] = ()) -> AsyncIterator[Site]:
    path = "/grafana" if sub_path else ""
    async with stand_in() as grafana:
        given = (
            f"server.root_url={ROOT_URL}{path}/",
            "proxy.addresses=127.0.0.1",
            f"grafana.url={grafana.url}{path}",
            f"grafana.fresh_seconds={FRESH_SECONDS}",
            "grafana.refused_seconds=0.1",
            "grafana.retry_seconds=0.1",
            "live.max_connections=-1",
            *settings,
        )
        grafana.prefix = path
        grafana.login(User(1, "root", {1: "Admin"}, server_admin=True), "root-1")
        grafana.login(User(7, "ann", {1: "Viewer"}), "ann-1")
        grafana.login(User(8, "bob", {2: "Editor"}, current_org=2), "bob-1")
        grafana.tokens["glsa_telegraf"] = ServiceAccount("sa-1-telegraf", 1, "Editor")
        grafana.tokens["glsa_reader"] = ServiceAccount("sa-1-reader", 1, "Viewer")
        grafana.dashboards = {
            (1, "board"): Dashboard(version=4, editors={"root"}),
            (1, "closed"): Dashboard(viewers={"root"}),
        }
        with running_server(folder / "server", *given, dev=False) as server:
            page = snippets("nginx")[0]
            if sub_path:
                page = under_sub_path(page, snippets("nginx")[1])
            page = page.replace("127.0.0.1:3000", grafana.url.removeprefix("http://"))
            with running_nginx(folder / "nginx", page.replace("127.0.0.1:8300", server.address)) as address:
                yield Site(address, path, grafana, server)


def under_sub_path(page: str, shown: str) -> str:
    """The whole set-up with what the page shows of one under a sub path: its two locations, and the lines as above."""
    lines = [line.strip() for line in shown.splitlines()]
    assert [line for line in lines if line.startswith("proxy_pass")] == [
        "proxy_pass http://127.0.0.1:8300/api/live/;",
        "proxy_pass http://127.0.0.1:3000;",
    ]
    page = page.replace("location /api/live/ {", "location /grafana/api/live/ {")
    page = page.replace("location / {", "location /grafana/ {")
    return page.replace("proxy_pass http://127.0.0.1:8300;", "proxy_pass http://127.0.0.1:8300/api/live/;")


async def connected(program: Program) -> None:
    await program.do("connect")
    await program.wait_for("connected")


@pytest.mark.parametrize("sdk", [JAVASCRIPT, PYTHON], ids=str)
async def test_a_visitor_of_grafana_sees_the_streams_and_dashboards_that_it_may(
    tmp_path: Path, sdk_programs: SdkPrograms, sdk: Sdk
) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            site(tmp_path) as beside,
            beside.client(sdk_programs, sdk, Cookie=f"theme=dark; {COOKIE}=ann-1") as ann,
            beside.client(sdk_programs, sdk, Cookie=f"{COOKIE}=bob-1") as bob,
        ):
            await connected(ann)
            await connected(bob)
            for channel in ("stream/telegraf/cpu", BOARD):
                await ann.do("subscribe", channel=channel)
                await ann.wait_for("subscribed", channel=channel)
            for client, channel, code in ((ann, CLOSED, 403), (ann, "2/stream/telegraf/cpu", 103), (bob, BOARD, 404)):
                await client.do("subscribe", channel=channel)
                assert (await client.wait_for("unsubscribed", channel=channel))["code"] == code
            await ann.do("subscribe", channel="ds/prometheus/tail")
            assert (await ann.wait_for("unsubscribed", channel="ds/prometheus/tail"))["code"] == 404
            await bob.do("subscribe", channel="stream/telegraf/cpu")
            await bob.wait_for("subscribed", channel="stream/telegraf/cpu")
            assert await beside.push("glsa_telegraf", "telegraf", b"cpu idle=98.5") == 204
            assert await beside.push("glsa_reader", "telegraf", b"cpu idle=98.5") == 403
            assert await beside.push("glsa_forged", "telegraf", b"cpu idle=98.5") == 401
            heard = await ann.wait_for("publication", channel="stream/telegraf/cpu")
            assert heard["data"]["data"]["values"][-1] == [98.5]
            assert bob.all("publication") == []


async def test_what_is_not_live_is_grafanas_and_who_is_not_known_there_is_not_let_in(tmp_path: Path) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with site(tmp_path) as beside, httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http:
            user = await http.get(f"{beside.url}/api/user", headers={"Cookie": f"{COOKIE}=ann-1"})
            assert user.json()["login"] == "ann"
            live = f"{beside.url}/api/live/list"
            listed = (await http.get(live, headers={"Cookie": f"{COOKIE}=ann-1"})).json()["channels"]
            assert [row for row in listed if row["channel"].startswith("stream/")] == []
            assert (await http.get(live, headers={"Cookie": f"{COOKIE}=forged"})).status_code == 401
            assert (await http.get(live)).status_code == 401
            assert (await http.get(live, auth=("ann", "wrong"))).status_code == 401
            metrics = f"http://{beside.server.address}/api/live/streams"
            assert (await http.get(metrics, headers={"Cookie": f"{COOKIE}=root-1"})).status_code == 200


async def test_only_pages_of_the_root_url_may_connect_and_the_log_says_what_to_set(
    tmp_path: Path, sdk_programs: SdkPrograms
) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with site(tmp_path) as beside:
            cookie = f"{COOKIE}=ann-1"
            async with sdk_programs.begun(
                JAVASCRIPT, beside.address, headers={"Origin": "https://evil.example", "Cookie": cookie}
            ) as evil:
                await evil.do("connect")
                await evil.wait_for("error")
            log = beside.server.log.read_text()
            assert "request Origin is not authorized" in log
            assert "server.root_url" in log
            async with beside.client(sdk_programs, JAVASCRIPT, Cookie=cookie) as ann:
                await connected(ann)


async def test_a_logout_ends_the_connection_and_a_new_cookie_brings_it_back(
    tmp_path: Path, sdk_programs: SdkPrograms
) -> None:
    channel = "stream/telegraf/cpu"
    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            site(tmp_path) as beside,
            beside.client(sdk_programs, JAVASCRIPT, Cookie=f"{COOKIE}=ann-1") as ann,
            beside.client(sdk_programs, JAVASCRIPT, Cookie=f"{COOKIE}=root-1") as root,
        ):
            for client in (ann, root):
                await connected(client)
                await client.do("subscribe", channel=channel)
                await client.wait_for("subscribed", channel=channel)
            await beside.push("glsa_telegraf", "telegraf", b"cpu n=1i")
            await ann.wait_for("publication", channel=channel, offset=1)
            beside.grafana.logout("ann-1")
            assert (await ann.wait_for("closed"))["code"] == 3005
            await ann.wait_for("error")  # it comes again, and is not let in
            await beside.push("glsa_telegraf", "telegraf", b"cpu n=2i")
            await root.wait_for("publication", channel=channel, offset=2)
            assert ann.all("publication", offset=2) == []
            beside.grafana.login(User(7, "ann", {1: "Viewer"}), "ann-2")
            await ann.do("headers", headers={"Origin": ROOT_URL, "Cookie": f"{COOKIE}=ann-2"})
            returned = await ann.wait_for("subscribed", channel=channel, recovered=True)
            assert returned["returned"]
            await ann.wait_for("publication", channel=channel, offset=2)
            assert root.all("closed") == []


async def test_cookies_that_grafanas_pages_renew_cost_a_viewer_nothing(
    tmp_path: Path, sdk_programs: SdkPrograms
) -> None:
    channel = "stream/telegraf/cpu"
    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            site(tmp_path) as beside,
            beside.client(sdk_programs, JAVASCRIPT, Cookie=f"{COOKIE}=ann-1") as ann,
        ):
            await connected(ann)
            await ann.do("subscribe", channel=channel)
            await ann.wait_for("subscribed", channel=channel)
            beside.grafana.due.add("ann-1")
            asked = beside.grafana.asked_with(f"{COOKIE}=ann-1")
            await beside.grafana.wait_asked_with(f"{COOKIE}=ann-1", asked + 2)
            cookie = beside.grafana.renew("ann-1", "ann-2")
            await ann.do("headers", headers={"Origin": ROOT_URL, "Cookie": cookie})
            await beside.grafana.wait_asked_with(f"{COOKIE}=ann-1", asked + 4)
            assert ann.all("closed") == []
            beside.grafana.logout("ann-1")  # as when the cookie is renewed once more
            await beside.push("glsa_telegraf", "telegraf", b"cpu n=1i")
            await ann.wait_for("subscribed", channel=channel, recovered=True)
            await ann.wait_for("publication", channel=channel, offset=1)
            assert ann.all("error") == []


async def test_an_outage_of_grafana_keeps_strangers_out_and_nobody_else(
    tmp_path: Path, sdk_programs: SdkPrograms
) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            site(tmp_path) as beside,
            beside.client(sdk_programs, JAVASCRIPT, Cookie=f"{COOKIE}=ann-1") as ann,
            beside.client(sdk_programs, JAVASCRIPT, Cookie=f"{COOKIE}=root-1") as root,
        ):
            await connected(ann)
            beside.grafana.down = True
            await ann.do("subscribe", channel=BOARD)
            assert (await ann.wait_for("error", channel=BOARD))["code"] == 503
            await root.do("connect")
            await root.wait_for("error")
            assert root.all("connected") == []
            await trio.sleep(2 * FRESH_SECONDS)
            assert ann.all("closed") == []
            beside.grafana.down = False
            await root.wait_for("connected")
            await ann.wait_for("subscribed", channel=BOARD)
            log = beside.server.log.read_text()
            assert "grafana cannot be asked" in log
            assert "ann-1" not in log


async def test_editing_is_announced_by_who_may_edit_and_no_other(tmp_path: Path, sdk_programs: SdkPrograms) -> None:
    notice = {"uid": "board", "action": "editing-started", "sessionId": "s1"}
    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            site(tmp_path) as beside,
            beside.client(sdk_programs, PYTHON, Cookie=f"{COOKIE}=ann-1") as ann,
            beside.client(sdk_programs, PYTHON, Cookie=f"{COOKIE}=root-1") as root,
        ):
            for client in (ann, root):
                await connected(client)
                await client.do("subscribe", channel=BOARD)
                subscribed = await client.wait_for("subscribed", channel=BOARD)
                assert subscribed["data"] == {"uid": "board", "version": 4}
            await root.ask("publish", channel=BOARD, data=notice)
            heard = await ann.wait_for("publication", channel=BOARD)
            assert heard["data"]["action"] == "editing-started"
            async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http:  # as Grafana's pages do it
                said = {"channel": BOARD, "data": notice | {"sessionId": "s2"}}
                page = {"Cookie": f"{COOKIE}=root-1", "Origin": ROOT_URL, "X-Grafana-Org-Id": "1"}
                answer = await http.post(f"{beside.url}/api/live/publish", json=said, headers=page)
                assert (answer.status_code, answer.json()) == (200, {})
                page["Origin"] = "https://evil.example"
                answer = await http.post(f"{beside.url}/api/live/publish", json=said, headers=page)
                assert answer.status_code == 403
            heard = await ann.wait_for("publication", channel=BOARD)
            assert heard["data"]["sessionId"] == "s2"
            await ann.do("publish", channel=BOARD, data=notice, number=99)
            assert (await ann.wait_for("answer", number=99))["code"] == 403


async def test_what_is_saved_in_grafana_is_told_to_every_screen(tmp_path: Path, sdk_programs: SdkPrograms) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            site(tmp_path, settings=("grafana.watch_seconds=0.5",)) as beside,
            beside.client(sdk_programs, JAVASCRIPT, Cookie=f"{COOKIE}=ann-1") as ann,
            beside.client(sdk_programs, PYTHON, Cookie=f"{COOKIE}=root-1") as root,
        ):
            for client in (ann, root):
                await connected(client)
                await client.do("subscribe", channel=BOARD)
                await client.wait_for("subscribed", channel=BOARD)
            beside.grafana.dashboards[1, "board"].version = 5
            for client in (ann, root):
                saved = (await client.wait_for("publication", channel=BOARD))["data"]
                assert (saved["action"], saved["version"], saved["previous"]) == ("saved", 5, 4)
            del beside.grafana.dashboards[1, "board"]
            for client in (ann, root):
                assert (await client.wait_for("publication", channel=BOARD))["data"]["action"] == "deleted"


async def test_it_stands_under_a_sub_path_as_well(tmp_path: Path, sdk_programs: SdkPrograms) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            site(tmp_path, sub_path=True) as beside,
            beside.client(sdk_programs, JAVASCRIPT, Cookie=f"{COOKIE}=ann-1") as ann,
        ):
            await connected(ann)
            await ann.do("subscribe", channel=BOARD)
            await ann.wait_for("subscribed", channel=BOARD)
            assert await beside.push("glsa_telegraf", "telegraf", b"cpu n=1i") == 204
            assert all(path.startswith("/grafana/api/") for path in beside.grafana.paths())


async def test_no_secret_of_a_visitor_is_in_the_log(tmp_path: Path, sdk_programs: SdkPrograms) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with (
            site(tmp_path, settings=("log.level=debug", "log.format=json")) as beside,
            beside.client(sdk_programs, PYTHON, Cookie=f"{COOKIE}=ann-1") as ann,
        ):
            await connected(ann)
            await ann.do("subscribe", channel=CLOSED)
            await ann.wait_for("unsubscribed", channel=CLOSED)
            await beside.push("glsa_telegraf", "telegraf", b"cpu n=1i")
            await beside.push("glsa_forged", "telegraf", b"cpu n=1i")
            beside.grafana.down = True
            await trio.sleep(2 * FRESH_SECONDS)
            beside.grafana.logout("ann-1")
            beside.grafana.down = False
            await ann.wait_for_count("connecting", 2)
        log = beside.server.log.read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    assert any(line["event"] == "grafana cannot be asked" for line in lines)
    assert not [secret for secret in ("ann-1", "glsa_telegraf", "glsa_forged") if secret in log]
