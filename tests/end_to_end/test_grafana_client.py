"""The stock grafana-client against dashboards and folders, while SDKs hear what becomes of them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from end_to_end.conftest import ServerStarter
from end_to_end.programs import Program, Refused, run_program
from end_to_end.sdk_programs import Sdk, SdkPrograms
from end_to_end.server import RunningServer
from patience import PATIENCE_SECONDS

HERE = Path(__file__).parent
PYTHON = HERE.parent.parent / ".tools" / "grafana-client" / "bin" / "python"
SUBSCRIBERS = [Sdk("javascript", "json"), Sdk("python", "protobuf"), Sdk("go", "json")]


class Grafana:
    """grafana-client, one call at a time."""

    def __init__(self, program: Program) -> None:
        self._program = program

    async def call(self, what: str, *arguments: Any, **named: Any) -> Any:
        answer = await self._program.ask("call", method=what, arguments=arguments, named=named)
        return answer["result"]

    async def refused(self, what: str, *arguments: Any, **named: Any) -> Refused:
        with pytest.raises(Refused) as caught:
            await self.call(what, *arguments, **named)
        return caught.value


@asynccontextmanager
async def grafana_client(server: RunningServer, token: str = "token") -> AsyncIterator[Grafana]:
    assert PYTHON.exists(), f"{PYTHON} is not there: `make test-python` makes its environment"
    async with run_program((str(PYTHON), str(HERE / "grafana_program.py")), server.url, token) as program:
        yield Grafana(program)


async def test_it_creates_changes_searches_and_deletes_while_others_follow(
    start_server: ServerStarter, sdk_programs: SdkPrograms
) -> None:
    server = start_server()
    with trio.fail_after(PATIENCE_SECONDS):
        async with AsyncExitStack() as stack:
            grafana = await stack.enter_async_context(grafana_client(server))
            assert (await grafana.call("connect"))["edition"] == "Framecast"
            folder = await grafana.call("folder.create_folder", "Production", uid="prod")
            board = {"title": "Overview", "tags": ["a", "b"], "panels": [{"id": 1, "value": 7}]}
            saved = await grafana.call(
                "dashboard.update_dashboard", {"dashboard": board, "folderUid": folder["uid"], "message": "first"}
            )
            uid = saved["uid"]
            channel = f"grafana/dashboard/uid/{uid}"
            programs = [
                await stack.enter_async_context(sdk_programs.connected(sdk, server.address)) for sdk in SUBSCRIBERS
            ]
            for program in programs:
                assert (await program.subscribe(channel))["data"] == {"uid": uid, "version": 1}

            shown = await grafana.call("dashboard.get_dashboard", uid)
            assert shown["dashboard"] == {**board, "id": saved["id"], "uid": uid, "version": 1}
            shown["dashboard"]["title"] = "Changed"
            changed = await grafana.call("dashboard.update_dashboard", shown | {"message": "second"})
            assert (changed["version"], changed["folderUid"]) == (2, "prod")
            refused = await grafana.refused("dashboard.update_dashboard", shown)
            assert refused.code == 412
            assert "changed by someone else" in refused.message
            found = await grafana.call("search.search_dashboards", query="chang", tag=["a"], folder_uids=["prod"])
            assert [(hit["uid"], hit["title"], hit["folderTitle"]) for hit in found] == [(uid, "Changed", "Production")]
            assert await grafana.call("dashboard.get_dashboards_tags") == [
                {"term": "a", "count": 1},
                {"term": "b", "count": 1},
            ]
            versions = await grafana.call("dashboard_versions.get_dashboard_versions_by_uid", uid)
            assert [one["message"] for one in versions["versions"]] == ["second", "first"]
            restored = await grafana.call("dashboard_versions.restore_dashboard_by_uid", uid, 1)
            assert restored["version"] == 3
            old = await grafana.call("dashboard_versions.get_dashboard_version_by_uid", uid, 2)
            assert old["data"]["title"] == "Changed"
            assert (await grafana.call("folder.update_folder", "prod", title="Prod", version=1))["version"] == 2
            assert [one["title"] for one in await grafana.call("folder.get_all_folders")] == ["Prod"]
            await grafana.call("dashboard.delete_dashboard", uid)
            assert (await grafana.refused("dashboard.get_dashboard", uid)).code == 404
            await grafana.call("folder.delete_folder", "prod")
            assert await grafana.call("search.search_dashboards") == []

            for program in programs:
                events = await program.wait_for_count("publication", 3, channel=channel)
                assert [event["data"] for event in events] == [
                    {"uid": uid, "action": "saved", "rv": "2", "version": 2, "previous": 1, "message": "second"},
                    {
                        "uid": uid,
                        "action": "saved",
                        "rv": "3",
                        "version": 3,
                        "previous": 2,
                        "message": "Restored from version 1",
                    },
                    {"uid": uid, "action": "deleted"},
                ]


async def make_tokens(server: RunningServer) -> dict[str, str]:
    """Tokens of two orgs: an Editor, a Viewer and one with lists in the first, an Editor in the other."""
    root = {"Authorization": f"Bearer {server.read_first_token()}"}
    async with httpx.AsyncClient(base_url=server.url, headers=root, timeout=PATIENCE_SECONDS) as http:
        other = (await http.post("/api/orgs", json={"name": "Other"})).json()["orgId"]
        wanted: dict[str, tuple[int, dict[str, Any]]] = {
            "editor": (1, {"role": "Editor"}),
            "viewer": (1, {"role": "Viewer"}),
            "limited": (1, {"role": "Admin", "read": ["stream/*"]}),
            "foreign": (other, {"role": "Editor"}),
        }
        made = {}
        for name, (org_id, what) in wanted.items():
            answer = await http.post(f"/api/orgs/{org_id}/tokens", json={"name": name, **what})
            made[name] = answer.raise_for_status().json()["key"]
        return made


async def test_each_of_its_changes_reaches_exactly_those_who_may_see_it(
    start_server: ServerStarter, sdk_programs: SdkPrograms
) -> None:
    """Two orgs have a dashboard of one uid; one who follows it hears of that of its own org only."""
    server = start_server(dev=False)
    channel = "grafana/dashboard/uid/wall"
    board = {"uid": "wall", "title": "Wall"}
    with trio.fail_after(PATIENCE_SECONDS):
        tokens = await make_tokens(server)
        async with AsyncExitStack() as stack:
            ours = await stack.enter_async_context(grafana_client(server, tokens["editor"]))
            theirs = await stack.enter_async_context(grafana_client(server, tokens["foreign"]))
            for grafana in (ours, theirs):
                await grafana.call("dashboard.update_dashboard", {"dashboard": board, "message": "first"})
            viewer, editor, foreign, limited = [
                await stack.enter_async_context(sdk_programs.connected(sdk, server.address, token=tokens[who]))
                for sdk, who in zip(
                    [*SUBSCRIBERS, SUBSCRIBERS[0]], ("viewer", "editor", "foreign", "limited"), strict=True
                )
            ]
            for program in (viewer, editor, foreign):
                assert (await program.subscribe(channel))["data"] == {"uid": "wall", "version": 1}
            await limited.do("subscribe", channel=channel)
            assert (await limited.wait_for("unsubscribed", channel=channel))["code"] == 403

            await ours.call("dashboard.update_dashboard", {"dashboard": board, "overwrite": True, "message": "ours"})
            await theirs.call(
                "dashboard.update_dashboard", {"dashboard": board, "overwrite": True, "message": "theirs"}
            )
            editing = {"uid": "wall", "action": "editing-started", "sessionId": "s"}
            with pytest.raises(Refused) as caught:
                await viewer.ask("publish", channel=channel, data=editing)
            assert caught.value.code == 403
            await editor.ask("publish", channel=channel, data=editing)
            await ours.call("dashboard.delete_dashboard", "wall")
            assert (await theirs.call("dashboard.get_dashboard", "wall"))["dashboard"]["version"] == 2
            assert [hit["uid"] for hit in await theirs.call("search.search_dashboards")] == ["wall"]
            await theirs.call("dashboard.delete_dashboard", "wall")

            for program in (viewer, editor):
                heard = await program.wait_for_count("publication", 3, channel=channel)
                assert [event["data"]["action"] for event in heard] == ["saved", "editing-started", "deleted"]
                assert heard[0]["data"]["message"] == "ours"
            heard = await foreign.wait_for_count("publication", 2, channel=channel)
            assert [event["data"]["action"] for event in heard] == ["saved", "deleted"]
            assert heard[0]["data"]["message"] == "theirs"
            assert limited.all("publication") == []


async def test_it_makes_changes_and_deletes_data_sources(start_server: ServerStarter) -> None:
    server = start_server()
    with trio.fail_after(PATIENCE_SECONDS):
        async with grafana_client(server) as grafana:
            new = {
                "name": "Plant one",
                "type": "prometheus",
                "access": "proxy",
                "url": "https://example.com/",
                "jsonData": {"httpMethod": "POST"},
                "secureJsonData": {"basicAuthPassword": "sesame"},
            }
            made = await grafana.call("datasource.create_datasource", new)
            uid, number = made["datasource"]["uid"], made["id"]
            shown = await grafana.call("datasource.get_datasource_by_uid", uid)
            assert shown == made["datasource"]
            assert shown["secureJsonFields"] == {"basicAuthPassword": True}
            assert "sesame" not in str((made, shown))
            assert await grafana.call("datasource.find_datasource", "Plant one") == shown
            assert await grafana.call("datasource.get_datasource_by_id", number) == shown
            assert await grafana.call("datasource.get_datasource_id_by_name", "Plant one") == {"id": number}
            again = await grafana.call("datasource.update_datasource_by_uid", uid, shown | {"name": "Plant two"})
            assert (again["datasource"]["version"], again["datasource"]["secureJsonFields"]) == (
                2,
                {"basicAuthPassword": True},
            )
            assert (await grafana.refused("datasource.update_datasource_by_uid", uid, shown)).code == 409
            await grafana.call("datasource.update_datasource", number, again["datasource"] | {"isDefault": True})
            [listed] = await grafana.call("datasource.list_datasources")
            assert (listed["name"], listed["isDefault"]) == ("Plant two", True)
            refused = await grafana.refused("datasource.create_datasource", new | {"uid": uid})
            assert (refused.code, "same uid" in refused.message) == (409, True)
            assert (await grafana.refused("datasource.health", uid)).code == 404, "there is no plugin of its type"
            await grafana.call("datasource.delete_datasource_by_uid", uid)
            assert (await grafana.refused("datasource.get_datasource_by_uid", uid)).code == 404
            for delete in ("delete_datasource_by_name", "delete_datasource_by_id"):
                made = await grafana.call("datasource.create_datasource", new)
                which = made["name"] if delete.endswith("name") else made["id"]
                await grafana.call(f"datasource.{delete}", which)
            assert await grafana.call("datasource.list_datasources") == []
            walk = await grafana.call("datasource.create_datasource", {"name": "W", "type": "testdata"})
            health = await grafana.call("datasource.health", walk["datasource"]["uid"])
            assert health == {"status": "OK", "message": "Data source is working"}


async def test_what_it_sends_wrong_it_is_told(start_server: ServerStarter) -> None:
    server = start_server()
    with trio.fail_after(PATIENCE_SECONDS):
        async with grafana_client(server) as grafana:
            for dashboard, code in (
                ({}, 400),
                ({"dashboard": {}}, 400),
                ({"dashboard": {"title": "T", "uid": "a/b"}}, 400),
                ({"dashboard": {"title": "T", "id": 99}}, 404),
                ({"dashboard": {"title": "T"}, "folderUid": "nowhere"}, 400),
            ):
                assert (await grafana.refused("dashboard.update_dashboard", dashboard)).code == code
            assert (await grafana.refused("folder.get_folder", "x")).code == 404
            assert (await grafana.refused("search.search_dashboards", type_="dash")).code == 400
            assert await grafana.call("search.search_dashboards") == []


async def test_it_queries_a_data_source(start_server: ServerStarter) -> None:
    server = start_server()
    async with grafana_client(server) as grafana:
        with trio.fail_after(PATIENCE_SECONDS):
            new = {"name": "Plant", "type": "testdata", "access": "proxy"}
            source = (await grafana.call("datasource.create_datasource", new))["datasource"]
            query = {
                "refId": "test",
                "datasource": {"type": "testdata", "uid": source["uid"]},
                "datasourceId": source["id"],
            }

            async def ask(scenario: str) -> Any:
                data = {"queries": [query | {"scenarioId": scenario, "stringInput": "1,2"}], "from": "0", "to": "1000"}
                request = {"method": "POST", "data": data}
                return await grafana.call("datasource.smartquery", source, "", request=request)

            answer = await ask("csv_metric_values")
            [frame] = answer["results"]["test"]["frames"]
            assert frame["data"]["values"] == [[0, 1_000], [1, 2]]
            with pytest.raises(Refused) as caught:
                await ask("usa")
            assert caught.value.code == 400
