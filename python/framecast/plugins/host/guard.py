"""Runs one plugin, and sees to it that nothing of it is left when the server is gone, however that went.

A program of its own, started as a script with nothing but the standard library: the server's kill cannot be caught by
the server, and PR_SET_PDEATHSIG is bound to the thread that spawned, of which Trio's workers come and go. So the plugin
is a child of this process, which has one thread, holds one end of a socket to the server (descriptor 0), and

- on its end, or the server's, kills the plugin's process group and all that the plugin started and let go of: as
  PR_SET_CHILD_SUBREAPER, it inherits every orphan;
- dies no death that the plugin survives: for that PR_SET_PDEATHSIG is good, between these two.

``guard.py FOLDER EXECUTABLE``: FOLDER is the plugin's own and is removed at the end. What it hears on the socket: ``T``
(SIGTERM to the group), and the end (SIGKILL). What it says, in lines: ``started PID``, ``failed ERRNO``, then ``exited
STATUS`` or ``killed SIGNAL``. The plugin's stdout and stderr are those that it was given.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_SERVER = 0
_IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGQUIT)
"""The server decides when a plugin ends; a terminal or an init system would have told the server as well."""


def main(folder: str, executable: str) -> None:
    """Run the plugin until it or the server ends."""
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    try:
        _guard(executable)
    finally:
        _end_orphans()
        _remove(folder)


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), *[ctypes.c_ulong(0)] * 3)


def _guard(executable: str) -> None:
    plugin, failure = _spawn(executable)
    if failure:
        _say(f"failed {failure}")
        return
    _say(f"started {plugin}")
    _close_stdout()
    ending = os.pidfd_open(plugin)
    poller = select.poll()
    poller.register(_SERVER, select.POLLIN)
    poller.register(ending, select.POLLIN)
    while True:
        ready = [descriptor for descriptor, _ in poller.poll()]
        if ending in ready:
            break
        if not _hear(plugin):
            break
    with contextlib.suppress(ProcessLookupError):  # before it is reaped: its number may be another's after that
        os.killpg(plugin, signal.SIGKILL)
    _, status = os.waitpid(plugin, 0)
    if os.WIFSIGNALED(status):
        _say(f"killed {os.WTERMSIG(status)}")
    else:
        _say(f"exited {os.WEXITSTATUS(status)}")


def _spawn(executable: str) -> tuple[int, int]:
    """Start the plugin as the leader of a session of its own; return its id, or the error that kept it from running."""
    guard = os.getpid()
    hears, tells = os.pipe()  # closed by exec, so that its end means success
    plugin = os.fork()
    if plugin == 0:
        try:
            os.setsid()
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != guard:
                os._exit(1)
            for number in _IGNORED:
                signal.signal(number, signal.SIG_DFL)
            os.dup2(os.open(os.devnull, os.O_RDONLY), _SERVER)
            os.execv(executable, [executable])  # noqa: S606 - there must be no shell
        except OSError as error:
            os.write(tells, b"%d" % (error.errno or 0))
        finally:
            os._exit(1)
    os.close(tells)
    failure = os.read(hears, 16)
    os.close(hears)
    if failure:
        os.waitpid(plugin, 0)
    return plugin, int(failure or 0)


def _close_stdout() -> None:
    """So that the server sees its end when the plugin ends; stderr stays, for a traceback of ours."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.close(nothing)


def _hear(plugin: int) -> bool:
    """Do what the server says; return whether it is still there."""
    try:
        words = os.read(_SERVER, 64)
    except ConnectionResetError:
        return False
    if b"T" in words:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(plugin, signal.SIGTERM)
    return bool(words)


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # the server may be gone
        os.write(_SERVER, f"{line}\n".encode())


def _end_orphans() -> None:
    """Kill what the plugin's children became ours by, whatever sessions they opened, until nothing is left."""
    while True:
        for orphan in _children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(orphan, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def _children() -> list[int]:
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as listing:  # noqa: PTH123 - lighter
            return [int(number) for number in listing.read().split()]
    except OSError:  # a kernel without CONFIG_PROC_CHILDREN
        return []


def _remove(folder: str) -> None:
    import shutil  # noqa: PLC0415 - not needed for as long as the plugin runs

    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
