"""Every key of Grafana's ``[live]`` is one of ours, with the values that Grafana takes."""

from pathlib import Path

import pytest

from framecast.configuration import load_settings
from framecast.errors import ConfigurationError
from framecast.settings import MIB, Live, Settings

GRAFANA_DEFAULTS = """\
[live]
max_connections = 100
allowed_origins = ""
message_size_limit = 65536
ha_engine = ""
ha_engine_address = "127.0.0.1:6379"
ha_engine_password = ""
ha_prefix = ""
"""


def test_grafanas_own_defaults_are_taken(tmp_path: Path) -> None:
    file = tmp_path / "framecast.toml"
    file.write_text(GRAFANA_DEFAULTS)
    assert load_settings(file=file, environment={}) == Settings(live=Live(message_size_limit=65_536))


@pytest.mark.parametrize(
    ("given", "meant"), [("65536", 65_536), ("0", MIB), ("-1", 32 * MIB), ("8388608", 8_388_608), ("1", 1)]
)
def test_a_message_always_has_a_limit(given: str, meant: int) -> None:
    settings = load_settings(environment={}, overrides=[f"live.message_size_limit={given}"])
    assert settings.live.message_bytes == meant


@pytest.mark.parametrize("key", ["max_connections", "message_size_limit"])
def test_less_than_unlimited_is_refused(key: str) -> None:
    with pytest.raises(ConfigurationError, match=f"live.{key} = '-2' .* >= -1"):
        load_settings(environment={}, overrides=[f"live.{key}=-2"])


def test_an_engine_that_grafana_does_not_know_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"live\.ha_engine = 'nats' .*; allowed: \"\", redis"):
        load_settings(environment={}, overrides=["live.ha_engine=nats"])


@pytest.mark.parametrize("text", ['"https://*.example.com, http://a:1 ,"', '["https://*.example.com", "http://a:1"]'])
def test_origins_are_a_list_or_a_text_with_commas(tmp_path: Path, text: str) -> None:
    file = tmp_path / "framecast.toml"
    file.write_text(f"[live]\nallowed_origins = {text}\n")
    assert load_settings(file=file, environment={}).live.allowed_origins == ("https://*.example.com", "http://a:1")


def test_the_engines_password_is_in_no_repr(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("sesame\n")
    live = load_settings(environment={}, overrides=[f"live.ha_engine_password_file={tmp_path}/secret"]).live
    assert live.ha_engine_password == "sesame"
    assert "sesame" not in repr(live)
