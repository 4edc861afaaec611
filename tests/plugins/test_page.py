"""What docs/python-plugins.md shows works as it stands."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from framecast.cli import main
from framecast.plugins import Query
from framecast.plugins.testing import hosted

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python-plugins.md"
PLUGIN, QUERIES, ASKING, TEST, REFUSAL = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_the_example_is_short() -> None:
    assert len(PLUGIN.strip().splitlines()) < 20


@pytest.mark.parametrize(
    ("example", "name"), [(TEST, "test_the_load_comes_every_second"), (REFUSAL, "test_there_is_one_path")]
)
def test_the_example_passes_the_tests_beside_it(
    example: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "load.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    names: dict[str, object] = {}
    try:
        exec(compile(example, "python-plugins.md", "exec"), names)
        test = names[name]
        assert callable(test)
        test()
    finally:
        sys.modules.pop("load", None)


async def test_the_example_of_queries_answers_them() -> None:
    names: dict[str, Any] = {}
    exec(compile(QUERIES, "python-plugins.md", "exec"), names)
    async with hosted(names["Waves"]()) as host:
        answer = await host.query(Query("A", 0, 60_000, b'{"seconds":4}', max_data_points=3))
        [frame] = answer["frames"]
        assert frame["data"]["values"] == [[0, 1_000, 2_000], [0, pytest.approx(1), pytest.approx(0)]]
        answer = await host.query(Query("A", 0, 60_000, b'{"seconds":0}'))
        assert (answer["status"], "must be more than 0" in answer["error"]) == (400, True)


async def test_the_example_of_asking_in_the_kit_is_answered() -> None:
    names: dict[str, Any] = {}
    exec(compile(QUERIES, "python-plugins.md", "exec"), names)
    exec(compile(ASKING, "python-plugins.md", "exec"), names)
    answer = await names["ask"](names["Waves"]())
    [frame] = answer["frames"]
    assert frame["data"]["values"] == [[0, 1_000, 2_000], [0, pytest.approx(1), pytest.approx(0)]]


def test_the_list_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "load.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    try:
        assert main(["plugins", "list", "--set", "plugins.python=load=load:Load"]) == 0
    finally:
        sys.modules.pop("load", None)
    out = capsys.readouterr().out
    assert re.search(r"^load +Python +one stream per channel +plugins.python: load:Load$", out, re.MULTILINE)
    assert re.search(r"^testdata .*built in$", out, re.MULTILINE)
