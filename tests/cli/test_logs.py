"""What reaches stderr: structured, from our loggers and the libraries', and nothing of a sender's raw."""

import io
import json
import logging
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from framecast import logs
from framecast.settings import Log

HOSTILE = "cpu\x1b[31m\nfake line\r\x07\x9b2J\u202e\x7f"


class Screen(io.StringIO):
    terminal = False

    def isatty(self) -> bool:
        return self.terminal


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    screen = Screen()
    monkeypatch.setattr(logs, "sys", SimpleNamespace(stderr=screen))  # pytest puts its own stderr back for the call
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    yield screen
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def test_json_is_one_object_a_line_with_utc_time(screen: Screen) -> None:
    logs.configure(Log(format="json"))
    structlog.get_logger().info("pushed", stream="demo", lines=3)
    event = json.loads(screen.getvalue())
    assert event.pop("timestamp").endswith("Z")
    assert event == {"level": "info", "event": "pushed", "stream": "demo", "lines": 3}


@pytest.mark.parametrize("format_", ["human", "json"])
@pytest.mark.parametrize("through", ["ours", "theirs"])
def test_senders_text_cannot_reach_the_terminal_raw(screen: Screen, format_: str, through: str) -> None:
    logs.configure(Log(format=format_))  # type: ignore[arg-type] # parametrised
    if through == "ours":
        structlog.get_logger().warning(HOSTILE, measurement=HOSTILE, **{HOSTILE: [HOSTILE]})
    else:
        logging.getLogger("some.library").warning("%s", HOSTILE)
    text = screen.getvalue()
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert not [char for char in text[:-1] if ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0 or char == "\u202e"]
    assert "x1b" in text or "u001b" in text


def test_json_keeps_the_true_text(screen: Screen) -> None:
    logs.configure(Log(format="json"))
    structlog.get_logger().info("x", name=HOSTILE)
    assert json.loads(screen.getvalue())["name"] == HOSTILE


@pytest.mark.parametrize("format_", ["human", "json"])
def test_a_traceback_has_frames_but_no_locals(screen: Screen, format_: str) -> None:
    logs.configure(Log(format=format_))  # type: ignore[arg-type] # parametrised
    secret = "hunter" + "2"
    try:
        raise ExceptionGroup("several", [ValueError("bad\nbad\x1b[0m"), KeyError("b")])  # noqa: TRY301 - to be caught
    except ExceptionGroup:
        structlog.get_logger().exception("failed", of="x")
    text = screen.getvalue()
    assert "test_a_traceback_has_frames_but_no_locals" in text
    assert "ValueError" in text
    assert "KeyError" in text
    assert secret not in text
    assert "\x1b" not in text
    assert not text.splitlines()[1:] or all(line.startswith("    ") for line in text.splitlines()[1:])


def test_level_holds_for_both_kinds_of_loggers(screen: Screen) -> None:
    logs.configure(Log(level="warning"))
    structlog.get_logger().info("no")
    logging.getLogger("x").info("no")
    logging.getLogger("trio-websocket").info("no")
    assert screen.getvalue() == ""
    logging.getLogger("trio-websocket").warning("yes")
    assert "yes" in screen.getvalue()


def test_a_logger_that_was_set_up_for_good_is_not_set_up_again(screen: Screen) -> None:
    log = structlog.get_logger()
    logs.configure(Log(level="info", format="json"), for_good=True)
    log.debug("no")
    log.info("the first")
    logs.configure(Log(level="warning"))
    log.info("the second")
    structlog.get_logger().info("no")
    assert [json.loads(line)["event"] for line in screen.getvalue().splitlines()] == ["the first", "the second"]


def test_chatty_libraries_are_quiet_at_info(screen: Screen) -> None:
    logs.configure(Log(level="info"))
    logging.getLogger("hypercorn.error").info("Running on …")
    assert screen.getvalue() == ""


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_colours_only_on_a_terminal_without_no_color(
    screen: Screen, monkeypatch: pytest.MonkeyPatch, no_color: str, coloured: bool
) -> None:
    monkeypatch.setenv("NO_COLOR", no_color)
    screen.terminal = True
    logs.configure(Log())
    structlog.get_logger().info("hello", a="two words")
    assert ("\x1b[32m" in screen.getvalue()) is coloured
    assert 'hello a="two words"' in screen.getvalue()


def test_a_closed_stderr_is_survived(screen: Screen) -> None:
    logs.configure(Log(format="json"))
    screen.close()
    structlog.get_logger().info("lost")
    logging.getLogger("x").warning("lost")
    assert screen.closed


@given(st.text())
def test_escaped_text_is_one_printable_line(text: str) -> None:
    escaped = logs.escape_controls(text)
    assert len(escaped.splitlines()) <= 1
    assert not [char for char in escaped if ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0]
    escaped.encode()  # no lone surrogate is left to break the output


@given(st.dictionaries(st.text(), st.text()))
def test_escaped_json_is_the_same_json(document: dict[str, str]) -> None:
    text = logs.escape_json(json.dumps(document, ensure_ascii=False))
    assert json.loads(text) == document
    assert logs.escape_controls(text) == text
