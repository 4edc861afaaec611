"""Exit codes and last words of the command as a whole."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from framecast import cli
from framecast.cli.failure import CommandError, name_cause
from framecast.errors import ConfigurationError
from patience import PATIENCE_SECONDS


@pytest.mark.parametrize("command", ["", *cli.COMMANDS, *cli.GROUPS, "token create", "user create", "org create"])
def test_help_works(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*command.split(), "--help"]) == 0
    out = capsys.readouterr().out
    assert "Usage: framecast" in out
    assert command or all(name in out for name in (*cli.COMMANDS, *cli.GROUPS))


def test_version_names_release_and_core(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("framecast ")
    assert lines[1].startswith("core: ")


@pytest.mark.parametrize("command", ["datasources", "push", "watch", "streams", "parse", "bench"])
def test_a_command_that_does_not_serve_loads_nothing_of_the_server(command: str) -> None:
    program = f"import sys, framecast.cli, framecast.cli.{command}; print(*sys.modules, sep='\\n')"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert f"framecast.cli.{command}" in loaded
    assert not {"fastapi", "pydantic", "starlette", "hypercorn", "framecast.server"} & set(loaded)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nope"], "Unknown command"),
        (["push"], "STREAM"),
        (["push", "a/b"], "no stream id"),
        (["push", "demo", "--batch-lines", "x"], "int"),
        (["push", "demo", "--nope"], "Unknown option: --nope"),
        (["watch"], "CHANNELS"),
        (["watch", "stream/a/b", "--count", "0"], "--count"),
        (["watch", "stream/a/b", "--url", "nothing"], "--url"),
        (["watch", "stream/a/b", "--url", "http://x:port"], "--url"),
        (["streams", "s", "--url", "nothing"], "--url"),
        (["streams", "s", "--url", "wss://x"], "or https://HOST:PORT"),
        (["push", "s", "--url", "wss://x"], "or https://HOST:PORT"),
        (["streams", "--measurement", "m"], "--measurement"),
        (["serve", "--set", "live.nope=1"], "unknown key live.nope"),
        (["serve", "--set", "nothing"], "section.key=value"),
        (["serve", "--config", "/nowhere.toml"], "cannot read /nowhere.toml"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("framecast: ")
    assert captured.err.count("\n") == 1
    assert words in captured.err


def test_several_mistakes_of_the_configuration_are_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["serve", "--set", "live.nope=1", "--set", "log.level=a\nb"]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("framecast: unknown key live.nope ")
    assert second.startswith("framecast: log.level = ")


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (CommandError("x"), 1),
        (CommandError("x", status=2), 2),
        (ConfigurationError("x"), 2),
        (KeyboardInterrupt(), 130),
        (BaseExceptionGroup("g", [ExceptionGroup("h", [CommandError("x")]), KeyboardInterrupt()]), 130),
        (ExceptionGroup("g", [ConfigurationError("x")]), 2),
    ],
)
def test_failures_become_exit_codes(error: BaseException, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_arguments: object) -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    assert cli.main([]) == status


@pytest.mark.parametrize("error", [ValueError("ours"), ExceptionGroup("g", [CommandError("x"), ValueError("ours")])])
def test_a_bug_is_not_hidden(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_arguments: object) -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(type(error)):
        cli.main([])


def test_a_missing_core_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail(_arguments: object) -> None:
        raise ImportError("cannot resolve the command") from ModuleNotFoundError("no core", name="framecast._core")

    monkeypatch.setattr(cli, "app", fail)
    assert cli.main(["parse"]) == 1
    assert "the compiled core is missing" in capsys.readouterr().err


def test_the_cause_of_a_failed_connection_is_dug_out() -> None:
    handshake = RuntimeError("handshake")
    handshake.__cause__ = ExceptionGroup("all failed", [ConnectionRefusedError(111, "Connection refused")])
    assert name_cause(handshake) == "Connection refused"
    assert name_cause(RuntimeError()) == "RuntimeError"


def start(*arguments: str, stdout: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "framecast.cli", *arguments]
    package = Path(cli.__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(package)}
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE, env=environment)


def test_a_closed_stdout_ends_quietly() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with start("push", "--help", stdout=writer) as process:
        os.close(writer)
        _, err = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 141
    assert err == b""
