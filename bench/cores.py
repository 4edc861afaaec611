"""Where programs run and what they may open: the server on one core, the load on another."""

import os
import resource

SPARE_DESCRIPTORS = 256
"""Beside a connection for each client: what an interpreter, a database and a listener open."""


class NotHereError(Exception):
    """This machine, or this account on it, cannot measure that; the message says what to do."""


def find_cores() -> tuple[int, int]:
    """A core for the server and one for the load, of those that we may use."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise NotHereError("a measurement needs two cores, one for the server and one for the load; there is one")
    return cores[0], cores[1]


def pinned(core: int, command: list[str]) -> list[str]:
    """A command that runs on one core; it keeps its process id."""
    return ["taskset", "--cpu-list", str(core), *command]


def make_room(connections: int) -> None:
    """Let this process and those it starts open so many connections each."""
    needed = connections + SPARE_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed or soft == resource.RLIM_INFINITY:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise NotHereError(
            f"{connections:,} clients need {needed:,} open files in one process, and it may open {hard:,}: "
            "raise the hard limit (ulimit -Hn, or nofile in limits.conf)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
