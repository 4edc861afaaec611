"""Where Python plugins come from: the settings, installed packages, ourselves; and what of them cannot be used."""

import json
from pathlib import Path

import pytest
import structlog

from framecast.cli import main
from framecast.errors import ConfigurationError
from framecast.plugins.grafana import GrafanaPlugin, add_backends
from framecast.plugins.host.discovery import discover
from framecast.plugins.host.host import PluginHost
from framecast.plugins.table import find_plugins
from framecast.preflight import check_settings
from framecast.settings import Plugins, Settings
from plugins.installed import install as install_backend
from plugins.installed import sign

GOOD = "from framecast.plugins import Plugin\nclass Mine(Plugin):\n    sharing = 'data'\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def install(here: Path, package: str, entry: str, code: str) -> None:
    """A package as pip leaves it."""
    (here / f"{package}.py").write_text(code)
    info = here / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[framecast.plugins]\n{entry}\n")


def test_installed_packages_bring_theirs(here: Path) -> None:
    install(here, "brought_a", "mine = brought_a:Mine", GOOD)
    known = find_plugins(Plugins()).known
    assert set(known) == {"mine", "testdata"}
    assert known["mine"].origin == "brought_a 1.0: brought_a:Mine"
    assert set(find_plugins(Plugins(installed=False, testdata=False)).known) == set()


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("mine = brought_b:Mine", "raise RuntimeError('no licence')"),
        ("mine = brought_b:Other", GOOD),
        ("mine = brought_b:Mine", "class Mine: pass"),
        ("mi ne = brought_b:Mine", GOOD),
        ("mine = brought_b:Mine", GOOD + "    def __init__(self, needed): pass"),
    ],
)
def test_a_broken_one_is_told_and_left_out(here: Path, entry: str, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(__import__("sys").modules, "brought_b", raising=False)
    install(here, "brought_b", entry, code)
    with structlog.testing.capture_logs() as logs:
        assert set(find_plugins(Plugins()).known) == {"testdata"}
    assert [(one["event"], one["origin"].split(":")[0]) for one in logs] == [
        ("an installed plugin cannot be used", "brought_b 1.0")
    ]


def test_what_the_settings_name_wins(here: Path) -> None:
    (here / "named_a.py").write_text(GOOD)
    table = find_plugins(Plugins(python=("testdata=named_a:Mine", "b=named_a:Mine")))
    assert {name: known.plugin.sharing for name, known in table.known.items()} == {"testdata": "data", "b": "data"}
    assert table.find("b") is table.known["b"]
    assert table.find("c") is None


def test_the_list_says_instead_of_what_a_plugin_stands(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "named_c.py").write_text(GOOD)
    assert main(["plugins", "list", "--json", "--set", "plugins.python=testdata=named_c:Mine,b=named_c:Mine"]) == 0
    origins = {row["id"]: row["origin"] for row in json.loads(capsys.readouterr().out)}
    assert origins == {
        "b": "plugins.python: named_c:Mine",
        "testdata": "plugins.python: named_c:Mine (instead of: built in)",
    }


@pytest.mark.parametrize("text", ["x", "x=y", "x=y:", "=y:Z", "x=:Z", "x y=a:Z", "x=a:Z.z", "x/y=a:Z"])
def test_what_is_no_name_is_a_mistake_before_anything_starts(text: str) -> None:
    for check in (
        lambda: check_settings(Settings(plugins=Plugins(python=(text,)))),
        lambda: find_plugins(Plugins(python=(text,))),
    ):
        with pytest.raises(ConfigurationError) as caught:
            check()
        assert repr(text) in str(caught.value)
        assert "ID=MODULE:CLASS" in str(caught.value)


@pytest.mark.parametrize("place", ["nowhere_at_all:X", "os:NoSuch", "os:sep"])
def test_what_the_settings_name_must_be_there(place: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "list", "--set", f"plugins.python=x={place}"]) == 2
    assert f"'x={place}' cannot be used" in capsys.readouterr().err


def test_the_list_is_there_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"id": "testdata", "state": "Python", "shared_by": "channel", "origin": "built in"}
    ]


def test_the_list_has_backend_plugins_and_why_others_would_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sign(install_backend(tmp_path, "a-signed"), "a-signed")
    install_backend(tmp_path, "b-allowed")
    install_backend(tmp_path, "c-unsigned")
    install_backend(tmp_path, "testdata")
    flags = ["--set", f"plugins.path={tmp_path}"]
    flags += ["--set", "plugins.allow_loading_unsigned_plugins=b-allowed,testdata"]
    assert main(["plugins", "list", "--json", *flags]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["id"], row["state"], row["shared_by"]) for row in rows] == [
        ("a-signed", "signed", "data"),
        ("b-allowed", "unsigned", "data"),
        ("testdata", "Python", "channel"),
        ("", "refused", ""),
        ("", "refused", ""),
    ]
    assert rows[0]["origin"] == str(tmp_path / "a-signed")
    assert "c-unsigned is unsigned" in rows[3]["origin"]
    assert "testdata is the id of another plugin: built in" in rows[4]["origin"]
    assert main(["plugins", "list", *flags]) == 0
    assert "b-allowed  unsigned  one stream per data" in capsys.readouterr().out


def test_a_backend_plugin_with_another_ones_id_is_not_run(tmp_path: Path) -> None:
    install_backend(tmp_path, "testdata")
    install_backend(tmp_path, "grafana-testdata-datasource")
    ids = ("testdata", "grafana-testdata-datasource")
    settings = Plugins(path=str(tmp_path), allow_loading_unsigned_plugins=ids)
    table, host = find_plugins(Plugins(installed=False)), PluginHost(discover(settings).packages, settings)
    [problem] = add_backends(table, host)
    assert "testdata is the id of another plugin" in problem
    assert set(host.plugins) == {"grafana-testdata-datasource"}
    found = table.find("grafana-testdata-datasource")
    assert found is not None
    assert isinstance(found.plugin, GrafanaPlugin), "who has an id for its own comes before who is also called so"
