"""Layers win in their order, and every mistake is told with its key, value, source and what is allowed."""

from pathlib import Path

import pytest

from framecast.configuration import load_settings
from framecast.errors import ConfigurationError
from framecast.settings import Settings


def write(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "framecast.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_nothing_given_gives_the_defaults() -> None:
    assert load_settings(environment={}) == Settings()


def test_each_layer_wins_over_the_one_before(tmp_path: Path) -> None:
    file = write(tmp_path, "[live]\nmax_connections = 1\nqueue_bytes = 2\npong_seconds = 3\nclose_seconds = 4\n")
    settings = load_settings(
        file=file,
        environment={"FRAMECAST_LIVE_QUEUE_BYTES": "20", "FRAMECAST_LIVE_PONG_SECONDS": "30", "HOME": "/x"},
        overrides=["live.pong_seconds=300", "live.close_seconds=400"],
        flags={("live", "close_seconds"): 4000.0},
    )
    live = settings.live
    assert (live.max_connections, live.queue_bytes, live.pong_seconds, live.close_seconds) == (1, 20, 300.0, 4000.0)


@pytest.mark.parametrize("text", ["a:1, b:2", "a:1,b:2,"])
def test_a_list_may_be_given_as_text(text: str) -> None:
    assert load_settings(environment={"FRAMECAST_SERVER_LISTEN": text}).server.listen == ("a:1", "b:2")


def test_variables_of_the_client_commands_are_not_settings() -> None:
    environment = {"FRAMECAST_TOKEN": "secret"}
    assert load_settings(environment=environment) == Settings()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("live.max_connections", "--set 'live.max_connections' is not of the form section.key=value"),
        ("live.max_conections=1", "unknown key live.max_conections (from --set live.max_conections)"),
        ("live.max_conections=1", "did you mean max_connections?"),
        ("life.max_connections=1", "unknown section [life]"),
        ("life.max_connections=1", "did you mean live?"),
        ("live.max_connections=-2", "live.max_connections = '-2' (from --set live.max_connections) cannot be used"),
        ("live.max_connections=-2", ">= -1"),
        ("live.max_connections=many", "expected int"),
        ("live.pong_seconds=nan", "cannot be used"),
        ("live.pong_seconds=0", "> 0"),
        ("server.dev=maybe", "allowed: true, false"),
        ("log.level=loud", "allowed: debug, info, warning, error"),
        ("channels.stream=1", "--set channels.stream is not of the form channels.SCOPE.key=value"),
        ("channels.stream.deltas=true", "unknown key channels.stream.deltas (from --set channels.stream.deltas)"),
        ("channels.stream.deltas=true", "did you mean delta?"),
        ("channels.stream.delta=perhaps", "channels.stream.delta = 'perhaps' (from --set"),
        ("channels.stream.delta=perhaps", "allowed: true, false"),
        ("channels.a/b.recovery=all", "allowed: off, stream, cache"),
        ("channels.a/b/c.delta=true", "[channels.a/b/c] (from --set channels.a/b/c.delta) names no channels"),
        ("channels.a/.delta=true", "names no channels"),
        ("channels.1.delta=true", "unlike an org prefix"),
        ("channels.org-7/x.delta=true", "unlike an org prefix"),
        ("channels.default.delta=true", "unlike an org prefix"),
    ],
)
def test_a_mistake_is_told(override: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environment={}, overrides=[override])
    assert message in str(caught.value)


@pytest.mark.parametrize("override", ["hmac=sesame", "tokens=sesame=\nsesame", "life.x=sesame", "live.x=sesame"])
def test_the_value_of_a_mistaken_key_is_not_told(override: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environment={}, overrides=[override])
    assert "sesame" not in str(caught.value)
    assert override.partition("=")[0] in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("live = 3\n", "outside any [section]"),
        ("[live\n", "is not TOML"),
        ("[nothing]\n", "unknown section [nothing]"),
        ("[live]\nqueue_bytes = 8.5\n", "expected int, got float"),
        ("[server]\nlisten = [1]\n", "server.listen = [1]"),
        ("[channels]\ndelta = true\n", "channels.delta = True"),
        ("[channels]\ndelta = true\n", '[channels.SCOPE] or [channels."SCOPE/NAMESPACE"]'),
        ("[channels.stream]\ndelta = 1\n", "expected bool, got int"),
        ("[channels.stream.telegraf]\ndelta = true\n", "unknown key channels.stream.telegraf"),
        ('[channels."ä"]\ndelta = true\n', "names no channels"),
    ],
)
def test_a_mistake_in_the_file_is_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(file=write(tmp_path, text), environment={})
    assert message in str(caught.value)
    assert "framecast.toml" in str(caught.value)


def test_a_mistake_in_the_file_is_told_with_its_line(tmp_path: Path) -> None:
    text = '# a comment\n[live]\nqueue_bytes = 8\npong_seconds = "x"\n[channels.chat]\ndelta = 1\n[nothing]\n'
    file = write(tmp_path, text)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(file=file, environment={})
    told = [(line, mistake) for mistake in caught.value.mistakes for line in (4, 6, 7) if f"{file}:{line})" in mistake]
    assert len(caught.value.mistakes) == 3
    assert [line for line, _ in sorted(told)] == [4, 6, 7]


def test_all_mistakes_of_all_sources_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(
            file=write(tmp_path, "[live\n"),
            environment={"FRAMECAST_NOPE_X": "1", "FRAMECAST_LIVE_PONG_SECONDS": "0"},
            overrides=["nothing", "log.level=loud", "log.level=loud"],
        )
    found = caught.value.mistakes
    assert len(found) == 5
    for words in ("is not TOML", "unknown section [nope]", "live.pong_seconds", "--set 'nothing'", "log.level"):
        assert sum(words in mistake for mistake in found) == 1
    assert str(caught.value) == "\n".join(found)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot read .*nix\.toml: No such file"):
        load_settings(file=tmp_path / "nix.toml", environment={})


def test_an_unknown_variable_is_told_with_its_name() -> None:
    with pytest.raises(ConfigurationError, match="environment FRAMECAST_LIVE_NOPE"):
        load_settings(environment={"FRAMECAST_LIVE_NOPE": "1"})


def test_channel_options_are_set_by_scope_and_by_scope_and_namespace(tmp_path: Path) -> None:
    text = '[channels.stream]\ndelta = true\npresence = true\n[channels."stream/a.b"]\nrecovery = "cache"\n'
    settings = load_settings(
        file=write(tmp_path, text),
        environment={"FRAMECAST_CHANNELS_STREAM_DELTA": "false", "FRAMECAST_CHANNELS_MY_CHAT_ASK_PRESENCE": "true"},
        overrides=["channels.stream/a.b.history_rows=7", "channels.a.b.publish=everybody"],
    )
    assert settings.channels == {
        "stream": {"delta": False, "presence": True},
        "stream/a.b": {"recovery": "cache", "history_rows": 7},
        "my_chat": {"ask_presence": True},
        "a.b": {"publish": "everybody"},
    }


@pytest.mark.parametrize("name", ["DELTA", "STREAM", "STREAM_DELTAS", "_DELTA", ""])
def test_a_variable_that_names_no_scope_or_option_is_told(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"environment FRAMECAST_CHANNELS_{name}"):
        load_settings(environment={f"FRAMECAST_CHANNELS_{name}": "true"})


def test_an_empty_section_of_channel_options_counts_as_named(tmp_path: Path) -> None:
    assert load_settings(file=write(tmp_path, "[channels.chat]\n"), environment={}).channels == {"chat": {}}


def test_a_scope_may_begin_like_an_org_prefix() -> None:
    overrides = ["channels.default2.delta=true", "channels.org-x.delta=true", "channels.7up.delta=true"]
    assert set(load_settings(environment={}, overrides=overrides).channels) == {"default2", "org-x", "7up"}


def test_what_stands_outside_any_section_is_not_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(file=write(tmp_path, 'live = "sesame"\n'), environment={})
    assert "sesame" not in str(caught.value)
