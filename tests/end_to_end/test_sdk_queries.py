"""Every SDK, in every form of the protocol, asks a data source on its connection."""

import pytest
import trio

from end_to_end.conftest import ServerStarter
from end_to_end.programs import Refused
from end_to_end.sdk_programs import EVERY_SDK, Sdk, SdkPrograms
from patience import PATIENCE_SECONDS
from watching import ask


@pytest.mark.parametrize("sdk", EVERY_SDK, ids=str)
async def test_queries_are_answered_and_refused(
    start_server: ServerStarter, sdk_programs: SdkPrograms, sdk: Sdk
) -> None:
    server = start_server()
    query = {"refId": "A", "datasource": {"uid": "plant"}, "scenarioId": "csv_metric_values", "stringInput": "1,null"}
    body = {"queries": [query, query | {"refId": "B", "scenarioId": "usa"}], "from": "0", "to": "1000"}
    with trio.fail_after(PATIENCE_SECONDS):
        await ask(server.address, "POST", "/api/datasources", {"name": "Plant", "type": "testdata", "uid": "plant"})
        async with sdk_programs.connected(sdk, server.address) as program:
            reply = await program.ask("rpc", method="grafana.query", data=body)
            results = reply["data"]["results"]
            assert results["A"]["frames"][0]["data"] == {"values": [[0, 1_000], [1, None]]}
            assert (results["B"]["status"], "no scenario" in results["B"]["error"]) == (400, True)
            assert await ask(server.address, "POST", "/api/ds/query", body, status=400) == reply["data"]
            with pytest.raises(Refused) as caught:
                await program.ask("rpc", method="grafana.query", data=body | {"queries": []})
            assert caught.value.code == 400
