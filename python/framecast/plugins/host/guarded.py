"""The server's side of guard.py: a plugin's process, its output, and three ways to end it."""

import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import trio

from framecast.plugins.host.background import background_nursery

_GUARD = Path(__file__).with_name("guard.py")
_REPORT_BYTES = 4096


class GuardedProcess:
    """One plugin process, from its start to when nothing of it is left."""

    def __init__(self, guard: trio.Process, line: trio.SocketStream) -> None:
        if guard.stdout is None or guard.stderr is None:
            raise ValueError("a guard's output goes into pipes")
        self.pid: int | None = None
        self.stdout: trio.abc.ReceiveStream = guard.stdout
        """Ends with the process, or when it closes it."""
        self.stderr: trio.abc.ReceiveStream = guard.stderr
        """Ends with the process and its guard."""
        self.ended = trio.Event()
        """The process is gone, or could not be started; `ending` says how."""
        self.ending = ""
        self._guard = guard
        self._line = line
        self._started = trio.Event()

    async def wait_started(self) -> None:
        """Wait until it runs, or cannot."""
        await self._started.wait()

    async def terminate(self) -> None:
        """Send SIGTERM to its process group."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await self._line.send_all(b"T")

    async def kill(self) -> None:
        """Have its process group killed, and all that it left behind; returns before that is done."""
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):  # gone, which is what was wanted
            await self._line.send_eof()

    async def follow_reports(self) -> None:
        """Take what the guard says, until it or we hang up."""
        report = b""
        try:
            async for piece in self._line:
                report = (report + piece)[-_REPORT_BYTES:]
                *lines, report = report.split(b"\n")
                for line in lines:
                    self._take_report(line.decode("ascii", "replace"))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # as good as an end
        await self._guard.wait()
        self._end("was killed with its guard")

    def _take_report(self, line: str) -> None:
        word, _, number = line.partition(" ")
        match word:
            case "started":
                self.pid = int(number)
                self._started.set()
            case "failed":
                self._end(f"could not be started: {os.strerror(int(number))}{_HINTS.get(int(number), '')}")
            case "exited":
                self._end(f"exited with status {number}")
            case "killed":
                self._end(f"was killed by {_signal_name(int(number))}")

    def _end(self, ending: str) -> None:
        """The first ending counts."""
        if not self.ended.is_set():
            self.ending = ending
            self.ended.set()
            self._started.set()


@asynccontextmanager
async def guarded_process(
    executable: Path, environment: Mapping[str, str], *, working_folder: Path, own_folder: Path, kill_seconds: float
) -> AsyncIterator[GuardedProcess]:
    """Start a plugin under a guard; at the end of the block it is killed, and `own_folder` removed.

    Waits up to `kill_seconds` for that, whether cancelled or not, and then kills the guard, with which the plugin dies.
    OSError when not even the guard can be started.
    """
    ours, theirs = socket.socketpair()
    line = trio.SocketStream(trio.socket.from_stdlib_socket(ours))
    command = [sys.executable, "-I", "-S", str(_GUARD), str(own_folder), str(executable)]
    failure: OSError | None = None
    with theirs:
        async with line, background_nursery() as background:
            start = partial(_run_guard, command, environment, stdin=theirs.fileno(), folder=working_folder)
            try:
                guard: trio.Process = await background.start(start)
            except OSError as error:
                failure = error
            else:
                theirs.close()  # so that the guard's end is the only one
                process = GuardedProcess(guard, line)
                background.start_soon(process.follow_reports)
                try:
                    async with process.stdout, process.stderr:
                        yield process
                finally:
                    with trio.CancelScope(shield=True, deadline=trio.current_time() + kill_seconds):
                        await process.kill()
                        await guard.wait()
    if failure is not None:  # not from within a nursery, which would make a group of it
        raise failure


async def _run_guard(
    command: list[str],
    environment: Mapping[str, str],
    *,
    stdin: int,
    folder: Path,
    task_status: trio.TaskStatus[trio.Process],
) -> None:
    """Run the guard in a session of its own: what a terminal sends is for the server alone."""
    await trio.run_process(
        command,
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environment),
        cwd=folder,
        start_new_session=True,
        check=False,
        deliver_cancel=_kill_guard,
        task_status=task_status,
    )


async def _kill_guard(guard: trio.Process) -> None:
    guard.kill()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


_HINTS = {
    errno.EACCES: ": is it executable, and its file system not mounted noexec?",
    errno.ENOEXEC: ": is it built for this kind of machine?",
    errno.ENOENT: ": it, or the interpreter or loader that it names, is not there",
}
