"""Pushing: everything arrives once and in order, what is refused is told by file, line and column."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import trio
from trio.testing import MockClock

from framecast.cli import delivery, push
from framecast.cli.failure import CommandError
from framecast.cli.push import PushSession
from scripted_http import RESET, SILENCE, Answer, scripted_server


@pytest.fixture
def clock(autojump_clock: MockClock) -> MockClock:
    """Time jumps when nothing happens; a moment's grace for threads and sockets."""
    autojump_clock.autojump_threshold = 0.2
    return autojump_clock


def report(accepted: int, *rejections: tuple[int, int, str], rejected: int | None = None) -> Answer:
    document = {
        "accepted": accepted,
        "rejected": len(rejections) if rejected is None else rejected,
        "rejections": [
            {"line": line, "column": column, "reason": "bad", "message": message}
            for line, column, message in rejections
        ],
    }
    return Answer(200, json.dumps(document).encode())


def session(*, batch_lines: int = 2, strict: bool = False) -> PushSession:
    return PushSession("demo", batch_lines=batch_lines, flush_seconds=1.0, strict=strict)


def write(tmp_path: Path, text: str, name: str = "a.lp") -> str:
    file = tmp_path / name
    file.write_text(text)
    return str(file)


async def test_files_are_sent_in_order_in_batches(
    clock: MockClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [write(tmp_path, "m f=1\nm f=2\nm f=3\n", "a.lp"), write(tmp_path, "m f=4", "b.lp")]
    run = session()
    async with scripted_server([report(2), report(1), report(1)]) as server:
        await run.run(server.url + "/", "secret", 60, files)
    assert server.bodies == [b"m f=1\nm f=2\n", b"m f=3\n", b"m f=4"]
    assert set(server.targets) == {"/api/live/push/demo?report=1"}
    assert {headers["authorization"] for headers in server.headers} == {"Bearer secret"}
    assert not run.failed
    run.summarise()
    assert "4 lines to demo: 4 points accepted, 0 rejected" in capsys.readouterr().err


async def test_a_refused_line_is_told_with_the_line_of_its_file(
    clock: MockClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, 'm f="a\nb"\nm f=2\nm f=\nm f=4\n')
    run = session()
    async with scripted_server([report(2), report(1, (1, 5, 'field "f"\x1b[0m has no value'))]) as server:
        await run.run(server.url, None, 60, [file])
    assert len(server.bodies) == 2
    assert run.failed
    assert f'{file}:4:5: field "f"\\x1b[0m has no value\n' in capsys.readouterr().err


async def test_values_that_do_not_fit_are_told_once_and_late_rows_are_counted(
    clock: MockClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = {
        "accepted": 2,
        "rejected": 0,
        "rejections": [],
        "mismatched": 3,
        "mismatches": ["a: odd", "b: odd"],
        "late": 2,
    }
    run = session()
    async with scripted_server(
        [Answer(200, json.dumps(odd).encode()), Answer(200, json.dumps(odd).encode())]
    ) as server:
        await run.run(server.url, None, 60, [write(tmp_path, "m f=1\nm f=2\nm f=3\nm f=4")])
    run.summarise()
    told = capsys.readouterr().err.splitlines()
    assert told[:2] == ["a: odd", "b: odd"]
    assert told[3:] == ["6 values were of another type than their column", "4 rows were older than what was there"]
    assert not run.failed


async def test_lines_that_the_report_does_not_name_are_counted(
    clock: MockClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with scripted_server([report(0, (1, 1, "bad"), rejected=7)]) as server:
        await session().run(server.url, None, 60, [write(tmp_path, "m\n")])
    assert "6 more lines refused" in capsys.readouterr().err


@pytest.mark.parametrize("step", [RESET, Answer(503), Answer(500), Answer(408), Answer(429)])
async def test_trouble_is_tried_again_and_order_is_kept(clock: MockClock, tmp_path: Path, step: Answer | str) -> None:
    file = write(tmp_path, "m f=1\nm f=2\nm f=3\n")
    run = session()
    async with scripted_server([step, step]) as server:
        await run.run(server.url, None, 60, [file])
    assert server.bodies == [b"m f=1\nm f=2\n"] * 3 + [b"m f=3\n"]
    assert not run.failed


async def test_retry_after_is_honoured(clock: MockClock, tmp_path: Path) -> None:
    async with scripted_server([Answer(503, headers=(("Retry-After", "7"),))]) as server:
        await session().run(server.url, None, 60, [write(tmp_path, "m f=1\n")])
    assert 7.0 <= server.times[1] - server.times[0] < 8.0


async def test_a_silent_server_is_left_after_a_time(
    clock: MockClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with scripted_server([SILENCE]) as server:
        await session().run(server.url, None, 60, [write(tmp_path, "m f=1\n")])
    assert server.bodies == [b"m f=1\n"] * 2
    assert "did not answer in time; trying again" in capsys.readouterr().err


async def test_retrying_ends(clock: MockClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path, "m f=1\nm f=2\nm f=3\n")
    run = session()
    async with scripted_server([Answer(503, b'{"message": "too busy"}')] * 100) as server:
        await run.run(server.url, None, 20, [file])
    assert run.failed
    assert server.times[-1] - server.times[0] <= 20
    assert len(server.bodies) > 4
    assert set(server.bodies) == {b"m f=1\nm f=2\n"}
    err = capsys.readouterr().err
    assert f"{file}:1: nothing from here on was delivered: the server answered 503 Service Unavailable: too busy" in err


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 413])
async def test_a_refusal_is_final(
    clock: MockClock, tmp_path: Path, capsys: pytest.CaptureFixture[str], status: int
) -> None:
    run = session()
    async with scripted_server([Answer(status, b'{"message": "the\\u001breason"}')]) as server:
        await run.run(server.url, None, 60, [write(tmp_path, "m f=1\nm f=2\nm f=3\n")])
    assert len(server.bodies) == 1
    assert run.failed
    err = capsys.readouterr().err
    assert str(status) in err
    assert "\x1b" not in err
    assert status == 301 or "the\\x1breason" in err


async def test_a_refused_connection_is_told(
    clock: MockClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with scripted_server() as server:
        pass
    run = session()
    await run.run(server.url, None, 3, [write(tmp_path, "m f=1\n")])
    assert run.failed
    assert "Connection refused; trying again in" in capsys.readouterr().err


async def test_strict_stops_after_the_first_bad_batch(clock: MockClock, tmp_path: Path) -> None:
    run = session(batch_lines=1, strict=True)
    async with scripted_server([report(1), report(0, (1, 1, "x"))]) as server:
        await run.run(server.url, None, 60, [write(tmp_path, "m f=1\nm\nm f=3\n")])
    assert server.bodies == [b"m f=1\n", b"m\n"]
    assert run.failed


async def test_a_missing_file_is_told_and_the_others_are_sent(
    clock: MockClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = session()
    async with scripted_server() as server:
        await run.run(server.url, None, 60, [str(tmp_path / "nix"), write(tmp_path, "m f=1\n")])
    assert server.bodies == [b"m f=1\n"]
    assert run.failed
    assert "nix: No such file" in capsys.readouterr().err


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[tuple[str, int]]:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = os.open(path, os.O_RDWR)  # no waiting for the reader
    yield str(path), writer
    try:
        os.close(writer)
    except OSError:
        return


async def test_a_pipes_lines_wait_no_longer_than_flush_seconds(clock: MockClock, pipe: tuple[str, int]) -> None:
    path, writer = pipe
    run = session(batch_lines=100)
    async with scripted_server() as server, trio.open_nursery() as nursery:
        nursery.start_soon(run.run, server.url, None, 60, [path])
        os.write(writer, b'm f=1\nm f="a\n')
        began = trio.current_time()
        await trio.sleep(0.5)
        assert server.bodies == []
        await trio.sleep(2.0)
        assert server.bodies == [b"m f=1\n"]
        assert server.times[0] - began == pytest.approx(1.0, abs=0.3)
        os.write(writer, b'b"\n')
        os.close(writer)
    assert server.bodies == [b"m f=1\n", b'm f="a\nb"\n']


def test_back_off_grows_and_stays_bounded() -> None:
    for attempt in range(40):
        ceiling = min(10.0, 0.25 * 2**attempt)
        assert ceiling / 2 <= delivery.back_off(attempt, None) <= ceiling
        assert 5.0 <= delivery.back_off(attempt, 5.0) <= 6.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("3", 3.0),
        (" 0 ", 0.0),
        ("-1", None),
        ("soon", None),
        ("²", None),
        ("Wed, 21 Oct 2015 07:28:10 GMT", 10.0),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0.0),
    ],
)
def test_retry_after_is_a_number_or_a_date(header: str | None, seconds: float | None) -> None:
    assert delivery.retry_after(header, datetime(2015, 10, 21, 7, 28, tzinfo=UTC)) == seconds


def test_a_report_that_cannot_be_read_is_a_failure() -> None:
    with pytest.raises(delivery.UndeliveredError, match="cannot be read"):
        delivery.read_report(httpx.Response(200, content=b'{"accepted": "many"}'), 1)


@pytest.mark.parametrize("arguments", [{"stream": "a/b"}, {"url": "ftp://x"}, {"batch_lines": 0}, {"flush_seconds": 0}])
def test_arguments_that_cannot_be_used_are_told(arguments: dict[str, object]) -> None:
    with pytest.raises(CommandError) as caught:
        push.push(str(arguments.pop("stream", "demo")), **arguments)  # type: ignore[arg-type] # parametrised
    assert caught.value.status == 2
