"""The command line: ``framecast serve``, ``push`` and the others below, each imported when it is called.

Exit status: 0 done, 1 failed, 2 the command line or the configuration cannot be used, 130 Ctrl-C, 141 the reader of
our output went away (what a shell reports for SIGINT and SIGPIPE).
"""

import os
import sys
from collections.abc import Iterator, Sequence

import cyclopts

from framecast.cli.failure import CommandError
from framecast.errors import ConfigurationError
from framecast.logs import escape_controls

INTERRUPTED = 130
OUTPUT_CLOSED = 141


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - only --version needs it

    try:
        release = version("framecast")
    except PackageNotFoundError:
        release = "(not installed)"
    try:
        from framecast._core import build_info  # noqa: PLC0415 - the core may be missing, --version says so
    except ImportError:
        return f"framecast {release}\ncore: not built"
    built = build_info()
    features = " ".join(built["cpu_features"]) or "none"
    return (
        f"framecast {release}\n"
        f"core: {built['profile']} build of {built['commit']}, sources {built['source_hash']}\n"
        f"CPU features in use: {features}"
    )


app = cyclopts.App(
    name="framecast",
    help="Live metrics: line protocol in, Grafana data frames out to WebSocket subscribers.",
    help_format="plaintext",
    version=_version,
    exit_on_error=False,
    print_error=False,
    suppress_keyboard_interrupt=False,
    result_action="return_value",
)
COMMANDS = {
    "serve": "Run the server until SIGINT or SIGTERM.",
    "config": "Check a configuration, show it, or make one of a grafana.ini.",
    "datasources": "Change the key of data sources' secrets, while no server runs.",
    "push": "Send line protocol to a stream and say what was refused.",
    "watch": "Show what arrives on channels.",
    "streams": "List the streams, or show what becomes of one's pushes.",
    "parse": "Check line protocol without sending it.",
    "plugins": "List the plugins that a server would have.",
}
for _name, _help in COMMANDS.items():
    app.command(f"framecast.cli.{_name}:{_name}", name=_name, help=_help)
GROUPS = {
    "token": "Make, list and revoke the tokens that programs get in by.",
    "user": "Make, list and remove users, and change their passwords.",
    "org": "Make, list and remove orgs.",
    "bench": "Measure a server: latency, fan-out, ingest, connecting.",
}
for _name, _help in GROUPS.items():
    app.command(f"framecast.cli.{_name}:app", name=_name, help=_help)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status. Only a bug of ours leaves as an exception."""
    try:
        status = app(None if arguments is None else list(arguments))
        sys.stdout.flush()
    except BaseException as error:
        known = _status_of(error)
        if known is None:
            raise
        return known
    return status if isinstance(status, int) else 0


def _status_of(error: BaseException) -> int | None:
    """The exit status of a failure that we know, after saying so; None for a bug.

    Ctrl-C wins over whatever else the tasks of a group died of, then a closed output, then the first thing to say.
    """
    leaves = list(_leaves(error))
    if any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves):
        return INTERRUPTED
    if any(isinstance(leaf, BrokenPipeError) or _left_by_rich(leaf) for leaf in leaves):
        _forget_stdout()
        return OUTPUT_CLOSED
    if any(getattr(cause, "name", None) == "framecast._core" for leaf in leaves for cause in (leaf, leaf.__cause__)):
        print("framecast: the compiled core is missing: build it with `maturin develop`", file=sys.stderr)
        return 1
    if not all(isinstance(leaf, CommandError | ConfigurationError | cyclopts.CycloptsError) for leaf in leaves):
        return None
    for message in leaves[0].mistakes if isinstance(leaves[0], ConfigurationError) else (str(leaves[0]),):
        print(f"framecast: {escape_controls(message)}", file=sys.stderr)
    return leaves[0].status if isinstance(leaves[0], CommandError) else 2


def _left_by_rich(error: BaseException) -> bool:
    """Rich, which prints the help, turns a closed stdout into an exit of its own."""
    return isinstance(error, SystemExit) and isinstance(error.__context__, BrokenPipeError)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from _leaves(member)
    else:
        yield error


def _forget_stdout() -> None:
    """Keep the interpreter from complaining at exit about what it cannot flush."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return
