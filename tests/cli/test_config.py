"""``framecast config``: what `serve` would refuse, what every setting is and why, and what a grafana.ini is here."""

import json
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast import cli
from framecast.cli.config_import import render
from framecast.cli.toml_text import toml_comment, toml_head, toml_value
from framecast.configuration import load_settings
from framecast.configuration.grafana import read_grafana_ini
from framecast.errors import Mistakes
from framecast.settings import CHANNEL_DEFAULTS, SECTIONS, Settings

INI = """\
; of Grafana
[server]
http_port = 3001
protocol = h2
cert_file = /run/cert.pem
cert_key = /run/key.pem
cert_pass = $__file{/run/secrets/key}
root_url = https://grafana.example.com/
[live]
max_connections = $__env{MANY}
ha_engine_password = $__file{/run/secrets/redis}
[database]
password = sesame
[auth.anonymous]
enabled = true
org_name = Public
"""


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings of whoever runs the tests; relative names are of the test's own folder."""
    for name in ("FRAMECAST_TOKEN", "GF_LIVE_MAX_CONNECTIONS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def run(capsys: pytest.CaptureFixture[str], *arguments: str, status: int = 0) -> tuple[str, list[str]]:
    """What a command prints, and its lines on stderr."""
    assert cli.main(["config", *arguments]) == status
    captured = capsys.readouterr()
    return captured.out, captured.err.splitlines()


def write(name: str, text: str) -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


@pytest.mark.parametrize("command", ["", "check", "show", "import"])
def test_help_works(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run(capsys, *command.split(), "--help")
    assert "Usage: framecast config" in out


class TestCheck:
    def test_what_can_be_used_is_ok(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert run(capsys, "check") == ("ok: no file, 0 settings set; it would listen on 127.0.0.1:8300\n", [])
        file = write("framecast.toml", "[live]\nmax_connections = 1\n[channels.a]\n[server]\nlisten = ['[::1]:1']\n")
        arguments = ("--config", file, "--set", "log.level=debug", "--listen", "localhost:2", "--dev", "--data", "d")
        out, err = run(capsys, "check", *arguments)
        assert out == "ok: framecast.toml, 5 settings set; it would listen on localhost:2\n"
        assert err == []
        assert not Path("d").exists()

    def test_every_mistake_of_values_is_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        file = write("framecast.toml", "[live]\nmax_connections = -2\n[nothing]\n")
        out, err = run(capsys, "check", "--config", file, "--set", "log.level=loud", status=2)
        assert out == ""
        assert len(err) == 3
        assert "framecast: live.max_connections = -2 (from framecast.toml:2) cannot be used" in err[1]

    def test_what_no_server_can_run_with_is_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        sets = ("--set", "live.ha_engine=redis", "--set", "tokens.hmac_secret=short")
        out, err = run(capsys, "check", *sets, "--listen", "0.0.0.0:1", "--dev", status=2)
        assert out == ""
        assert [
            words for line, words in zip(err, ("ha_engine", "reachable", "at least 32"), strict=True) if words in line
        ]
        assert len(err) == 3

    def test_what_is_left_out_of_a_grafana_ini_is_a_warning(self, capsys: pytest.CaptureFixture[str]) -> None:
        out, err = run(capsys, "check", "--config", write("grafana.ini", "[server]\nprotocol = socket\n[x]\ny = 1\n"))
        assert out == "ok: grafana.ini, 0 settings set; it would listen on 127.0.0.1:8300\n"
        assert err[0].startswith("framecast: warning: grafana.ini:2, [server] protocol is left out: ")
        assert err[1] == "framecast: warning: grafana.ini: 1 setting of Grafana's own is left out: [x]"


class TestShow:
    def test_every_setting_is_shown_as_toml_that_means_the_same(self, capsys: pytest.CaptureFixture[str]) -> None:
        out, _ = run(capsys, "show")
        document = tomllib.loads(out)
        for name, section in SECTIONS.items():
            assert set(document[name]) == set(section.__struct_fields__)
        shown = load_settings(file=Path(write("all.toml", out)), environment={})
        assert shown == msgspec.structs.replace(Settings(), channels={k: v for k, v in CHANNEL_DEFAULTS.items() if v})
        assert {line.rpartition("  # ")[2] for line in out.splitlines() if " = " in line} == {"default"}

    def test_it_is_told_where_a_value_comes_from(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FRAMECAST_PUSH_MAX_SOCKETS", "7")
        monkeypatch.setenv("GF_LIVE_HA_PREFIX", "p")
        write("secret", "x" * 40)
        text = '[live]\n\nmax_connections = 1\nallowed_origins = "a,b"\n[channels."grafana/broadcast"]\ndelta = true\n'
        text += '[tokens]\nhmac_secret_file = "secret"\nissuer = "\\u001b[31m"\n'
        arguments = ("--config", write("framecast.toml", text), "--set", "log.level=debug", "--dev")
        out, err = run(capsys, "show", "--changed", *arguments)
        assert err == []
        assert out == (
            "[server]\ndev = true  # --dev\n\n"
            "[live]\nmax_connections = 1           # framecast.toml:3\n"
            'allowed_origins = ["a", "b"]  # framecast.toml:4\n'
            'ha_prefix = "p"               # environment GF_LIVE_HA_PREFIX\n\n'
            "[push]\nmax_sockets = 7  # environment FRAMECAST_PUSH_MAX_SOCKETS\n\n"
            '[channels."grafana/broadcast"]\ndelta = true  # framecast.toml:6\n\n'
            '[tokens]\nhmac_secret = "…"      # file secret, named by framecast.toml:8\n'
            'issuer = "\\u001b[31m"  # framecast.toml:9\n\n'
            '[log]\nlevel = "debug"  # --set log.level\n'
        )

    def test_programs_get_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        arguments = ("--set", "tokens.hmac_secret=sesame", "--set", "channels.grafana/dashboard.presence=false")
        out, _ = run(capsys, "show", "--json", "--changed", *arguments)
        assert json.loads(out) == [
            {
                "setting": "channels.grafana/dashboard.presence",
                "value": False,
                "default": True,
                "source": "--set channels.grafana/dashboard.presence",
            },
            {"setting": "tokens.hmac_secret", "value": "…", "default": "", "source": "--set tokens.hmac_secret"},
        ]
        everything = json.loads(run(capsys, "show", "--json")[0])
        assert len(everything) > 80
        assert {one["source"] for one in everything} == {"default"}
        assert all(one["value"] == one["default"] for one in everything)

    def test_a_value_that_is_long_moves_no_other(self, capsys: pytest.CaptureFixture[str]) -> None:
        origins = ",".join(f"https://{number}.example.com" for number in range(9))
        out, _ = run(
            capsys, "show", "--changed", "--set", f"live.allowed_origins={origins}", "--set", "live.ping_seconds=1"
        )
        assert "\nping_seconds = 1  # --set live.ping_seconds\n" in out
        out, _ = run(capsys, "show", "--changed", "--set", f"live.allowed_origins={origins}")
        assert out.endswith('example.com"]  # --set live.allowed_origins\n')

    def test_a_mistake_is_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        out, err = run(capsys, "show", "--set", "live.nope=1", status=2)
        assert (out, len(err)) == ("", 1)


class TestImport:
    def test_what_is_written_means_the_same_and_says_what_is_left_out(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MANY", "77")
        out, err = run(capsys, "import", write("grafana.ini", INI))
        assert out == (
            "# Made of grafana.ini by `framecast config import`.\n\n"
            '[server]\nlisten = ["0.0.0.0:3001"]  # grafana.ini:3, [server] http_port\n'
            'root_url = "https://grafana.example.com/"  # grafana.ini:8, [server] root_url\n'
            'tls_cert = "/run/cert.pem"  # grafana.ini:5, [server] cert_file\n'
            'tls_key = "/run/key.pem"  # grafana.ini:6, [server] cert_key\n'
            'tls_key_password_file = "/run/secrets/key"  # grafana.ini:7, [server] cert_pass\n\n'
            "[live]\nmax_connections = 77  # grafana.ini:10, [live] max_connections\n"
            'ha_engine_password_file = "/run/secrets/redis"  # grafana.ini:11, [live] ha_engine_password\n\n'
            "# Has no equal here, and is left out:\n"
            "# - grafana.ini:4, [server] protocol: HTTP/1.1 over TCP is spoken here, with TLS or without, and neither "
            "HTTP/2 nor Unix sockets\n"
            "# - grafana.ini:16, [auth.anonymous] org_name: orgs have names in the database only, so nobody gets in "
            "without showing something: set accounts.anonymous and accounts.anonymous_org\n\n"
            "# Grafana's own business, with the number of settings:\n# - [database] 1\n"
        )
        reason = "No such file or directory"
        assert [line.split(" is left out")[0] for line in err] == [
            "framecast: grafana.ini:4, [server] protocol",
            "framecast: grafana.ini:16, [auth.anonymous] org_name",
            *(
                f"framecast: serve would refuse this: server.tls_{name} = '/run/{name}.pem' cannot be read: {reason}"
                for name in ("cert", "key")
            ),
        ]
        assert "sesame" not in out

    @pytest.mark.parametrize("value", ["sesame", "$__env{PASSWORD}", "x$__file{secret}"])
    def test_a_secret_is_not_written(
        self, value: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PASSWORD", "sesame")
        write("secret", "sesame")
        out, err = run(capsys, "import", write("grafana.ini", f"[live]\nha_engine_password = {value}\n"))
        assert "sesame" not in out + "".join(err)
        assert "# ha_engine_password is a secret and is not copied (grafana.ini:2, [live] ha_engine_password)" in out
        assert "FRAMECAST_LIVE_HA_ENGINE_PASSWORD" in out
        assert tomllib.loads(out) == {"live": {}}

    def test_what_serve_would_refuse_is_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        text = "[live]\nha_engine = redis\nha_engine_password = $__file{/none}\nmessage_size_limit = 134217728\n"
        out, err = run(capsys, "import", write("grafana.ini", text))
        assert 'ha_engine = "redis"' in out
        assert [line[:62] for line in err] == [
            "framecast: serve would refuse this: live.ha_engine = 'redis' c",
            "framecast: serve would refuse this: live.waiting_bytes = 67108",
        ]

    def test_nothing_is_written_when_a_value_cannot_be_used(self, capsys: pytest.CaptureFixture[str]) -> None:
        text = "[live]\nmax_connections = x\nnonsense\n[log]\nlevel = loud\n"
        out, err = run(capsys, "import", write("grafana.ini", text), "--output", "new.toml", status=2)
        assert (out, len(err), Path("new.toml").exists()) == ("", 3, False)
        assert err[0] == "framecast: grafana.ini:3: neither a comment, a [section] nor a key with = behind it"
        assert "(from grafana.ini:2, [live] max_connections) cannot be used" in err[1]

    def test_a_file_is_written_and_overwritten_only_by_force(self, capsys: pytest.CaptureFixture[str]) -> None:
        write("grafana.ini", "[live]\nmax_connections = 7\n")
        assert run(capsys, "import", "grafana.ini", "--output", "new.toml") == ("", [])
        assert load_settings(file=Path("new.toml"), environment={}).live.max_connections == 7
        write("new.toml", "mine")
        _, err = run(capsys, "import", "grafana.ini", "--output", "new.toml", status=2)
        assert err == ["framecast: new.toml is there already: --force overwrites it"]
        assert Path("new.toml").read_text() == "mine"
        run(capsys, "import", "grafana.ini", "--output", "new.toml", "--force")
        assert load_settings(file=Path("new.toml"), environment={}).live.max_connections == 7
        _, err = run(capsys, "import", "grafana.ini", "--output", "none/new.toml", status=1)
        assert err == ["framecast: cannot write none/new.toml: No such file or directory"]

    def test_a_missing_file_is_told(self, capsys: pytest.CaptureFixture[str]) -> None:
        _, err = run(capsys, "import", "none.ini", status=2)
        assert err == ["framecast: cannot read none.ini: No such file or directory"]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | texts


@given(values | st.lists(texts, max_size=4), texts, texts)
def test_any_setting_is_written_as_it_is_read(value: Any, section: str, comment: str) -> None:
    text = f"{toml_head(f'channels.{section}')}\nkey = {toml_value(value)} {toml_comment(comment)}\n"
    assert tomllib.loads(text) == {"channels": {section: {"key": value}}}
    assert not any(sign < " " or "\x7f" <= sign < "\xa0" for sign in text.replace("\n", ""))
    assert text.count("\n") == 2


grafanas = st.fixed_dictionaries(
    {},
    optional={
        ("live", "max_connections"): st.integers(-1, 10**6).map(str),
        ("live", "message_size_limit"): st.integers(-1, 10**9).map(str),
        ("live", "allowed_origins"): st.lists(st.from_regex(r"https://[a-z*]{1,9}", fullmatch=True)).map(",".join),
        ("live", "ha_prefix"): texts.filter(lambda text: not set(text) & set("`\n$%\0")),
        ("server", "http_addr"): st.sampled_from(["", "127.0.0.1", "::1", "localhost"]),
        ("server", "http_port"): st.integers(0, 65_535).map(str),
        ("server", "root_url"): st.sampled_from(["https://a/", "http://b:3000", "%(protocol)s://c:%(http_port)s/"]),
        ("log", "level"): st.sampled_from(["debug", "info", "warn", "error", "critical"]),
    },
)


@given(grafanas)
def test_the_imported_file_and_the_grafana_ini_give_the_same_settings(
    tmp_path_factory: pytest.TempPathFactory, made: dict[tuple[str, str], str]
) -> None:
    folder = tmp_path_factory.mktemp("imported")
    ini, toml = folder / "grafana.ini", folder / "framecast.toml"
    text = "".join(f"[{section}]\n{key} = `{value}`\n" for (section, key), value in made.items())
    ini.write_bytes(text.encode())
    toml.write_bytes("\n".join(render(ini, read_grafana_ini(ini, {}, Mistakes()))).encode())
    assert load_settings(file=toml, environment={}) == load_settings(file=ini, environment={})
