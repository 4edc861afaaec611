"""The command line of ``framecast bench``: mistakes are told before anybody connects."""

import resource
from pathlib import Path

import pytest

from framecast import cli
from framecast.cli.bench import MEASUREMENTS, running
from framecast.cli.bench.options import AudienceOptions, PublishingOptions, TimeOptions
from framecast.cli.bench.target import find_target
from framecast.cli.failure import CommandError

from .examples import PLAN

NOWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize("command", ["", *MEASUREMENTS])
def test_help_works(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", *command.split(), "--help"]) == 0
    out = capsys.readouterr().out
    assert "Usage: framecast bench" in out
    assert command or all(name in out for name in MEASUREMENTS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nope"], "Unknown command"),
        (["latency", "nothing"], "http://HOST:PORT"),
        (["latency", "https://"], "http://HOST:PORT"),
        (["latency", NOWHERE, "--rate", "0"], "--rate"),
        (["latency", NOWHERE, "--rate", "nan"], "--rate"),
        (["latency", NOWHERE, "--subscribers", "0"], "--subscribers"),
        (["latency", NOWHERE, "--seconds", "0"], "--seconds"),
        (["latency", NOWHERE, "--seconds", "nan"], "--seconds"),
        (["latency", NOWHERE, "--warm-up", "-1"], "--warm-up"),
        (["latency", NOWHERE, "--drain", "-1"], "--drain"),
        (["latency", NOWHERE, "--stream", "a/b"], "--stream"),
        (["latency", NOWHERE, "--channels", "0"], "--channels"),
        (["latency", NOWHERE, "--publishers", "2"], "--publishers"),
        (["latency", NOWHERE, "--protocol", "xml"], "xml"),
        (["latency", NOWHERE, "--publish", "mail"], "mail"),
        (["latency", NOWHERE, "--html", "/nowhere/x.html"], "--html"),
        (["latency", NOWHERE, "--pid", "4194305"], "no such process"),
        (["latency", NOWHERE, "--threads", "0"], "--threads"),
        (["latency", NOWHERE, "--at-once", "0"], "--at-once"),
        (["latency", NOWHERE, "--connect-seconds", "0"], "--connect-seconds"),
        (["fanout", NOWHERE, "--in-flight", "0"], "--in-flight"),
        (["fanout", NOWHERE, "--subscribers", "-1"], "--subscribers"),
        (["ingest", NOWHERE, "--lines", "0"], "--lines"),
        (["ingest", NOWHERE, "--connections", "0"], "--connections"),
        (["ingest", NOWHERE, "--stream", "?"], "--stream"),
        (["ingest", NOWHERE, "--file", "/nowhere.lp"], "cannot read /nowhere.lp"),
        (["ingest", NOWHERE, "--file", "/dev/null"], "empty"),
        (["connect", NOWHERE, "--idle", "-1"], "--idle"),
        (["connect", NOWHERE, "--subscribers", "0"], "--subscribers"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["bench", *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("framecast: ")
    assert captured.err.count("\n") == 1
    assert words in captured.err


def test_a_server_that_is_not_there_is_one_line_and_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["bench", "connect", "http://127.0.0.1:1"]) == 1
    assert "cannot connect to 127.0.0.1:1: Connection refused" in capsys.readouterr().err


def test_channels_are_named_after_what_publishes_them() -> None:
    target = find_target("http://h", None)
    push = PublishingOptions(channels=2, stream="s")
    assert push.channel_names() == ["stream/s/load-1", "stream/s/load-2"]
    assert push.publishing(target, None, AudienceOptions(prefix="1")).names == ["load-1", "load-2"]
    command = PublishingOptions(publish="command", channel="bench:x")
    assert command.channel_names() == ["bench:x"]
    publishing = command.publishing(target, "t", AudienceOptions(prefix="1/"))
    assert (publishing.names, publishing.path, publishing.token) == (["1/bench:x"], "/api/live/ws", "t")
    assert AudienceOptions(prefix="org-2").audience(target, None, ["a/b/c"]).channels == ["org-2/a/b/c"]


@pytest.mark.parametrize("channel", ["", "a b", "a\nb", "a\x00"])
def test_a_channel_is_no_text_that_could_end_a_line(channel: str) -> None:
    with pytest.raises(CommandError, match="no channel's name"):
        AudienceOptions().spell(channel)


def test_the_usual_times_are_good() -> None:
    TimeOptions().check()
    assert TimeOptions().seconds > TimeOptions().warm_up > 0


def test_a_crowd_beyond_the_limit_of_open_files_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    raised: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "setrlimit", lambda _kind, limits: raised.append(limits))
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (16, 50))
    with pytest.raises(CommandError, match="ulimit") as failure:
        running.carry_out(PLAN, unit="x")
    assert failure.value.status == 2
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (16, resource.RLIM_INFINITY))
    running._make_room(PLAN)
    assert raised == [(10 + 1 + running.SPARE_DESCRIPTORS, resource.RLIM_INFINITY)]


def test_a_report_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    from framecast.cli.bench.measuring import _write  # noqa: PLC0415 - the only test that writes

    with pytest.raises(CommandError, match="Is a directory"):
        _write(tmp_path, "<html/>")
