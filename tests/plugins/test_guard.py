"""A plugin's process under its guard: how its end is told, and that nothing of it is left, whoever dies first."""

import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from framecast.plugins.host.guarded import GuardedProcess, guarded_process
from plugins.processes import (
    PATIENCE_SECONDS,
    SOURCES,
    descendants_of,
    exists,
    host_program,
    is_running,
    make_folder,
    parent_of,
    processes_in,
    wait_gone,
    write_executable,
)

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "ONLY": "this"}

HOST = """
import sys, trio
from pathlib import Path
from framecast.plugins.host.guarded import guarded_process

async def main(executable, own_folder):
    path = Path(executable)
    async with guarded_process(
        path, {"PATH": "/usr/bin:/bin"}, working_folder=path.parent, own_folder=Path(own_folder), kill_seconds=60
    ) as process:
        print((await process.stdout.receive_some(100)).decode(), end="", flush=True)
        await trio.sleep_forever()

trio.run(main, *sys.argv[1:])
"""

FORKS = "sleep 600 & setsid sleep 600 & (setsid sh -c 'sleep 600 & sleep 600' &) ; sleep 0.5; echo $$; wait"
"""A child in the group, one in a session of its own, and one that let go of its parent, with a child of its own."""

FORKED = 4


@asynccontextmanager
async def running(tmp_path: Path, script: str | bytes, *, mode: int = 0o755) -> AsyncIterator[GuardedProcess]:
    executable = write_executable(tmp_path, script, mode)
    own = make_folder(tmp_path)
    with trio.fail_after(PATIENCE_SECONDS):
        async with guarded_process(
            executable, ENVIRONMENT, working_folder=tmp_path, own_folder=own, kill_seconds=PATIENCE_SECONDS
        ) as process:
            yield process


async def read_all(stream: trio.abc.ReceiveStream) -> bytes:
    found = b""
    while piece := await stream.receive_some(4096):
        found += piece
    return found


@pytest.mark.parametrize(
    ("script", "ending"),
    [
        ("exit 0", "exited with status 0"),
        ("exit 7", "exited with status 7"),
        ("kill -9 $$", "was killed by SIGKILL"),
        ("kill -TERM $$", "was killed by SIGTERM"),
        ("kill -PIPE $$", "was killed by SIGPIPE"),
    ],
)
async def test_the_end_of_a_process_is_told_as_it_was(tmp_path: Path, script: str, ending: str) -> None:
    async with running(tmp_path, script) as process:
        await process.ended.wait()
        assert process.ending == ending
        assert process.pid is not None


async def test_a_process_gets_its_environment_and_folder_and_no_more(tmp_path: Path) -> None:
    async with running(tmp_path, "pwd; env; cat; ls -l /proc/self/fd | wc -l; echo said >&2") as process:
        lines = (await read_all(process.stdout)).decode().split()
        assert lines[0] == str(tmp_path)
        assert "ONLY=this" in lines
        assert not [line for line in lines if line.startswith(("HOME=", "FRAMECAST", "PYTHON"))]
        assert int(lines[-1]) == 5  # the total, stdin, stdout, stderr, and that of the listing itself
        assert await read_all(process.stderr) == b"said\n"


async def test_the_folder_of_a_process_is_removed_with_all_that_is_in_it(tmp_path: Path) -> None:
    executable = write_executable(tmp_path, "echo here; exec sleep 600")
    own = make_folder(tmp_path)
    make_folder(own)
    with trio.fail_after(PATIENCE_SECONDS):
        async with guarded_process(
            executable, ENVIRONMENT, working_folder=tmp_path, own_folder=own, kill_seconds=PATIENCE_SECONDS
        ) as process:
            assert await process.stdout.receive_some(100) == b"here\n"
            assert exists(own)
    assert not exists(own)


@pytest.mark.parametrize(
    ("script", "mode", "ending"),
    [
        ("exit 0", 0o644, "could not be started: Permission denied: is it executable, and its file system not mounted"),
        (b"\x7fELF nonsense", 0o755, "could not be started: Exec format error: is it built for this kind of machine?"),
        (b"#!/no/such/shell\n", 0o755, "could not be started: No such file or directory: it, or the interpreter"),
    ],
)
async def test_a_file_that_cannot_be_run_is_told_with_what_to_look_at(
    tmp_path: Path, script: str | bytes, mode: int, ending: str
) -> None:
    async with running(tmp_path, script, mode=mode) as process:
        await process.wait_started()
        assert process.ending.startswith(ending)
        assert process.pid is None


async def test_a_guard_that_cannot_be_started_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        async with guarded_process(
            tmp_path / "plugin", {}, working_folder=tmp_path / "gone", own_folder=tmp_path / "own", kill_seconds=60
        ):
            raise AssertionError


async def test_sigterm_reaches_the_whole_process_group(tmp_path: Path) -> None:
    script = "(trap 'echo child; exit' TERM; echo up; while :; do sleep 0.05; done) & trap 'wait; exit 5' TERM; wait"
    async with running(tmp_path, script) as process:
        assert await process.stdout.receive_some(100) == b"up\n"
        await process.terminate()
        await process.ended.wait()
        assert process.ending == "exited with status 5"
        assert await read_all(process.stdout) == b"child\n"


async def test_whatever_a_process_started_is_killed_with_it(tmp_path: Path) -> None:
    async with running(tmp_path, FORKS) as process:
        pid = int(await process.stdout.receive_some(100))
        guard = parent_of(pid)
        everyone = descendants_of(guard)
        assert len(everyone) > FORKED
        assert pid in everyone
    assert not [left for left in everyone if is_running(left)]
    assert process.ending == "was killed by SIGKILL"


async def test_what_a_process_leaves_behind_when_it_exits_is_killed(tmp_path: Path) -> None:
    async with running(tmp_path, FORKS.replace("wait", "read line </dev/zero; exit 3")) as process:
        pid = int(await process.stdout.receive_some(100))
        everyone = descendants_of(parent_of(pid))
        assert len(everyone) > FORKED
        os.kill(pid, signal.SIGINT)
        await process.ended.wait()
        await wait_gone(everyone)
        assert process.ending == "was killed by SIGINT"


def kill(host: subprocess.Popen[bytes]) -> None:
    host.kill()


def interrupt_all(host: subprocess.Popen[bytes]) -> None:
    os.killpg(host.pid, signal.SIGINT)


@pytest.mark.parametrize("strike", [kill, interrupt_all])
async def test_a_server_that_is_killed_leaves_nothing_behind(
    tmp_path: Path, strike: Callable[[subprocess.Popen[bytes]], None]
) -> None:
    own = make_folder(tmp_path)
    with host_program(HOST, write_executable(tmp_path, FORKS), own, path=[SOURCES]) as host:
        assert host.stdout is not None
        pid = int(await trio.to_thread.run_sync(host.stdout.readline))
        guard = parent_of(pid)
        everyone = [guard, *descendants_of(guard)]
        assert len(everyone) > FORKED + 1
        strike(host)
        await wait_gone(everyone, own)


async def test_a_plugin_dies_with_its_guard(tmp_path: Path) -> None:
    async with running(tmp_path, "echo $$; exec sleep 600") as process:
        pid = int(await process.stdout.receive_some(100))
        guard = parent_of(pid)
        os.kill(guard, signal.SIGKILL)
        await process.ended.wait()
        assert process.ending == "was killed with its guard"
        await wait_gone([pid, guard])


@pytest.mark.parametrize("milliseconds", [0, 1, 3, 10, 20, 30, 40, 60, 80, 100])
async def test_being_cancelled_at_any_moment_of_a_start_leaves_nothing_behind(
    tmp_path: Path, milliseconds: int
) -> None:
    executable = write_executable(tmp_path, "sleep 600 & exec sleep 600")
    with trio.fail_after(PATIENCE_SECONDS), trio.move_on_after(milliseconds / 1_000):
        async with guarded_process(
            executable, ENVIRONMENT, working_folder=tmp_path, own_folder=tmp_path / "own", kill_seconds=60
        ):
            await trio.sleep_forever()
    await wait_gone(processes_in(tmp_path))
    assert processes_in(tmp_path) == []
