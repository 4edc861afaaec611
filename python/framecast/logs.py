"""Structured logs on stderr: for people on a terminal, JSON otherwise; the standard library's loggers included.

Text of senders (names, messages, tracebacks) is never trusted: no control character reaches the output raw, and
nobody can write a second log line by putting a newline into a name.
"""

import json
import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from framecast.settings import Log

EventDict = MutableMapping[str, Any]

QUIET_LOGGERS = ("hypercorn", "hypercorn.error", "httpx", "httpcore", "trio-websocket")
"""Libraries that say at `info` and below what our own events say better."""

_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]")
"""C0, C1, DEL, what turns the direction of text or hides, line separators, lone surrogates."""

_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_COLOURS = {"debug": "\x1b[2m", "info": "\x1b[32m", "warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}
_RESET = "\x1b[0m"


def escape_controls(text: str) -> str:
    """Make `text` fit for a terminal: one line, nothing that moves the cursor, hides or turns what follows."""
    return _UNSAFE.sub(_spell, text)


def _spell(found: re.Match[str]) -> str:
    char = found[0]
    return _SHORT.get(char) or (f"\\x{ord(char):02x}" if ord(char) < 0x100 else f"\\u{ord(char):04x}")


def escape_json(text: str) -> str:
    """Make JSON text fit for a terminal and still the same JSON; it must hold no newline between its values."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def configure(log: Log, *, for_good: bool = False) -> None:
    """Send structlog and the standard library's logging to stderr from now on, as `log` says.

    May be called again, unless it was `for_good`: then each logger keeps what it finds at its first event, and an event
    below the level, of which every connection has several, costs half as much.
    """
    human = log.format == "human" or (log.format == "auto" and sys.stderr.isatty())
    level = logging.getLevelNamesMapping()[log.level.upper()]
    _configure_events(level, _for_people() if human else render_json, for_good=for_good)
    root = logging.getLogger()
    root.handlers[:] = [_ToStructlog()]
    root.setLevel(level)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO if level < logging.INFO else max(level, logging.WARNING))
    logging.captureWarnings(capture=True)


@contextmanager
def shown_to_people() -> Iterator[None]:
    """Events as a server shows them on a terminal, for the length of the block; the standard library's are left alone.

    Only where structlog's own console would show them, every local variable of a traceback included: whoever set up
    another way, or catches events in a test, keeps it.
    """
    before = structlog.get_config()
    if not isinstance(before["processors"][-1], structlog.dev.ConsoleRenderer):
        yield
        return
    was_configured = structlog.is_configured()
    _configure_events(logging.INFO, _for_people(), for_good=False)
    try:
        yield
    finally:
        if was_configured:
            structlog.configure(**before)
        else:
            structlog.reset_defaults()


def _for_people() -> "HumanRenderer":
    return HumanRenderer(colours=sys.stderr.isatty() and not os.environ.get("NO_COLOR"))


def _configure_events(level: int, renderer: Any, *, for_good: bool) -> None:
    processors: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False, max_frames=30)),
        renderer,
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Stderr(),
        cache_logger_on_first_use=for_good,
    )


def render_json(_logger: object, _method: str, event: EventDict) -> str:
    """One JSON object a line, in ASCII: the reader of the log sees the true text, the terminal sees no control."""
    ordered = {"timestamp": event.pop("timestamp", None), "level": event.pop("level", None), **event}
    return escape_json(json.dumps(ordered, default=repr, skipkeys=True))


class HumanRenderer:
    """``time level event key=value …`` and, indented below, the traceback without its locals."""

    def __init__(self, *, colours: bool) -> None:
        self._colours = colours

    def __call__(self, _logger: object, _method: str, event: EventDict) -> str:
        """Render one event; every piece of it is escaped."""
        level = str(event.pop("level", "info"))
        when = str(event.pop("timestamp", ""))
        what = escape_controls(str(event.pop("event", "")))
        exceptions = event.pop("exception", None)
        colour, reset = (_COLOURS.get(level, ""), _RESET) if self._colours else ("", "")
        pairs = "".join(f" {escape_controls(str(key))}={_value(value)}" for key, value in event.items())
        lines = [f"{when} {colour}{level:<7}{reset} {what}{pairs}"]
        if exceptions is not None:
            lines.extend(f"    {line}" for line in _traceback_lines(exceptions))
        return "\n".join(lines)


def _value(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    escaped = escape_controls(text)
    return json.dumps(escaped, ensure_ascii=False) if re.search(r'[\s"=]|^$', escaped) else escaped


def _traceback_lines(exceptions: object) -> Iterator[str]:
    """What `ExceptionDictTransformer` made, newest exception last; groups indented."""
    if not isinstance(exceptions, list):
        yield escape_controls(str(exceptions))
        return
    for exception in reversed(exceptions):
        if not isinstance(exception, Mapping):
            continue
        for frame in exception.get("frames", ()):
            yield escape_controls(f"at {frame['filename']}:{frame['lineno']} in {frame['name']}")
        yield escape_controls(f"{exception['exc_type']}: {exception['exc_value']}")
        for note in exception.get("exc_notes") or ():
            yield escape_controls(f"note: {note}")
        for member in exception.get("exceptions") or ():
            yield from (f"  | {line}" for line in _traceback_lines(member))


class _Stderr:
    """Where the rendered lines go. A log that cannot be written must not end the server."""

    def msg(self, line: str) -> None:
        try:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            return

    debug = info = warning = error = critical = exception = log = msg


class _ToStructlog(logging.Handler):
    """Passes a record of the standard library's logging through the same processors."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            logger = structlog.get_logger()
            logger.log(record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info or None)
        except Exception:  # noqa: BLE001 - the contract of logging.Handler: never raise into the caller
            self.handleError(record)
