"""A server whose data sources are said by files: there from its first answer on, and not started on mistakes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from end_to_end.wire import connect, request
from framecast import cli
from framecast.errors import ConfigurationError
from framecast.server import serve
from served import running, settings_for

TEXT = "apiVersion: 1\ndatasources: [{name: n, type: testdata, uid: u, secureJsonData: {password: sesame-open}}]\n"


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as events:
        yield events


def write(folder: Path, text: str) -> str:
    (folder / "files" / "datasources").mkdir(parents=True, exist_ok=True)
    (folder / "files" / "datasources" / "one.yaml").write_text(text)
    return f"provisioning.path={folder / 'files'}"


async def test_what_files_say_is_there_at_the_first_answer_and_after_a_restart(
    tmp_path: Path, logged: list[Any]
) -> None:
    setting = write(tmp_path, TEXT)
    for _ in range(2):
        async with running(settings_for(tmp_path / "data", setting)) as place, connect(place) as connection:
            await connection.send(request("GET", "/api/datasources/uid/u", b"", host=place, headers={}))
            shown = json.loads((await connection.answer()).body)
            assert (shown["version"], shown["readOnly"], shown["secureJsonFields"]) == (1, True, {"password": True})
    assert "sesame" not in repr(logged)


async def test_a_start_warns_of_data_sources_that_no_plugin_is_for(tmp_path: Path, logged: list[Any]) -> None:
    ours = "{name: n, type: testdata, uid: u}, {name: m, type: grafana-testdata-datasource, uid: v}"
    others = "{name: a, type: snmp, uid: a}, {name: b, type: modbus, uid: b}, {name: c, type: snmp, uid: c}"
    for sources, told in ((ours, []), (f"{ours}, {others}", [(["modbus", "snmp"], 2)])):
        logged.clear()
        setting = write(tmp_path, f"apiVersion: 1\ndatasources: [{sources}]\n")
        async with running(settings_for(tmp_path / "data", setting)):
            pass
        warned = [one for one in logged if one["event"] == "there are data sources of types that no plugin has"]
        assert [(one["types"], one["count"]) for one in warned] == told


async def test_a_mistake_in_a_file_keeps_the_server_from_starting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    setting = write(tmp_path, TEXT.replace("type:", "tipe:"))
    with pytest.raises(ConfigurationError, match=r"tipe \(from .*one\.yaml:2\) is unknown"):
        await serve(settings_for(tmp_path / "data", setting))
    assert not (tmp_path / "data").exists()
    assert cli.main(["config", "check", "--set", setting]) == 2
    said = capsys.readouterr().err
    assert "tipe" in said
    assert "sesame" not in said
