"""`framecast token`, `user` and `org` over a data directory on which no server runs."""

import io
import logging
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from framecast import cli
from framecast.store.directory import hold_data_directory

HORSE = "correct horse"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def unlogged() -> Iterator[None]:
    """Put back how the other tests log: a command sends logs to stderr for the rest of its process."""
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    yield
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command; its exit status, what it said, and what it said of itself."""
    monkeypatch.setenv("FRAMECAST_ACCOUNTS_PASSWORD_KIB", "8")

    def run(command: str, *arguments: str, stdin: str = "", data: Path | None = tmp_path) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        where = () if data is None else ("--data", str(data))
        status = cli.main([*command.split(), *arguments, *where])
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_a_token_is_printed_alone_on_stdout_and_listed_without_its_secret(run: Run) -> None:
    status, key, told = run("token create", "agent", "--push", "telegraf", "--push", "edge-*", "--days", "1.5")
    assert status == 0
    assert key.startswith("fct_")
    assert key.count("\n") == 1
    assert told.startswith("token 1 of org 1: push to telegraf, edge-*, until ")
    run("token create", "wall", "--read", "stream/*/cpu")
    run("token create", "boss", "--role", "Admin", "--server-admin")
    _, listed, _ = run("token list")
    assert key.strip() not in listed
    assert [line.split()[:4] for line in listed.splitlines()[1:]] == [
        ["1", "agent", "push", "to"],
        ["2", "wall", "read", "stream/*/cpu"],
        ["3", "boss", "server", "admin"],
    ]


def test_a_token_may_say_how_much_is_sent_with_it(run: Run) -> None:
    status, _, told = run("token create", "agent", "--requests", "0.5", "--rate", "2000000", "--body", "4096")
    assert (status, told) == (
        0,
        "token 1 of org 1: Viewer, for ever, at most 0.5 requests/s, 2000000 bytes/s, 4096 bytes a body\n",
    )
    run("token create", "free", "--rate", "0")
    run("token create", "usual")
    head, *lines = run("token list")[1].splitlines()
    assert head.endswith("  at most")
    assert [line.partition("for ever")[2].strip() for line in lines] == [
        "0.5 requests/s, 2000000 bytes/s, 4096 bytes a body",
        "any bytes/s",
        "",
    ]


def test_the_limits_of_tokens_are_changed_by_name_or_id_and_those_not_named_stay(run: Run) -> None:
    run("token create", "agent", "--requests", "0.5", "--body", "4096")
    run("token create", "wall", "--read", "*")
    status, told, _ = run("token limit", "agent", "2", "--requests", "20", "--rate", "0")
    assert status == 0
    assert told.splitlines() == [
        "token 1 of org 1: Viewer, for ever, at most 20 requests/s, any bytes/s, 4096 bytes a body",
        "token 2 of org 1: read *, for ever, at most 20 requests/s, any bytes/s",
    ]
    run("token limit", "agent", "--requests", "default", "--body", "default")
    status, _, told = run("token limit", "agent", "nobody", "--rate", "7")
    assert (status, "no token 'nobody'" in told) == (1, True)
    ends = [line.partition("for ever")[2].strip() for line in run("token list")[1].splitlines()[1:]]
    assert ends == ["any bytes/s", "20 requests/s, any bytes/s"]


def test_tokens_are_revoked_by_name_or_id_and_all_or_none(run: Run) -> None:
    for name in ("one", "two", "three"):
        run("token create", name)
    status, _, told = run("token revoke", "one", "nobody")
    assert (status, "no token 'nobody'" in told) == (1, True)
    assert len(run("token list")[1].splitlines()) == 4
    assert run("token revoke", "one", "3")[0] == 0
    assert [line.split()[1] for line in run("token list")[1].splitlines()[1:]] == ["two"]


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        ("token create a --days 0", 2, "--days"),
        ("token create a --push x --role Admin", 2, "--push and --read say all"),
        ("token create a --read x --server-admin", 2, "--push and --read say all"),
        ("token create a --role Owner", 2, "Owner"),
        ("token create a --org 7", 1, "no org 7"),
        ("token create a --rate -1", 1, "bytesPerSecond"),
        ("token create a --body 0", 1, "bodyBytes"),
        ("token revoke", 2, "TOKENS"),
        ("token limit a", 2, "--requests, --rate or --body"),
        ("token limit a --rate much", 2, "much"),
        ("org remove 1", 1, "cannot be removed"),
        ("org remove 7", 1, "no org 7"),
        ("user remove nobody", 1, "no user"),
        ("user create b:b", 1, "colon"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(run: Run, command: str, status: int, words: str) -> None:
    found, said, told = run(command, stdin=f"{HORSE}\n")
    assert (found, said) == (status, "")
    assert words in told
    assert told.startswith("framecast: ")
    assert told.count("\n") == 1


def test_users_come_with_a_password_of_stdin_and_go(run: Run) -> None:
    assert run("user create", "ann", "--name", "Ann", "--role", "Editor", "--server-admin", stdin=f"{HORSE}\r\n") == (
        0,
        "",
        "user 1: ann, Editor of org 1\n",
    )
    assert run("user create", "ann", stdin=f"{HORSE}\n")[0] == 1
    [row] = run("user list")[1].splitlines()[1:]
    assert row.split() == ["1", "ann", "Ann", "1", "server", "admin"]
    assert run("user passwd", "ANN", stdin="another horse\n") == (0, "", "")
    status, _, told = run("user passwd", "ann", stdin="short\n")
    assert (status, "accounts.password_characters" in told) == (1, True)
    status, _, told = run("user remove", "ann")
    assert (status, "nobody would be left who is a server admin" in told, "--force" in told) == (1, True, True)
    assert run("user remove", "ann", "--force") == (0, "", "")
    assert len(run("user list")[1].splitlines()) == 1


@pytest.mark.parametrize("command", ["user create", "user passwd"])
def test_without_a_password_nothing_is_asked(run: Run, command: str) -> None:
    status, _, told = run(command, "ann")
    assert (status, "stdin is empty" in told) == (2, True)


def test_on_a_terminal_a_password_is_asked_for_twice(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    asked: list[str] = []
    answers = [HORSE, HORSE, HORSE, "another horse"]

    def ask(prompt: str) -> str:
        asked.append(prompt)
        return answers[len(asked) - 1]

    monkeypatch.setattr("getpass.getpass", ask)
    monkeypatch.setattr(io, "StringIO", Terminal)
    assert run("user create", "ann")[0] == 0
    assert asked == ["Password for ann: ", "Again: "]
    status, _, told = run("user create", "bob")
    assert (status, "differ" in told) == (2, True)


@pytest.mark.parametrize("command", ["token revoke a", "user remove a", "org remove 2"])
def test_a_running_server_is_not_forced(run: Run, command: str) -> None:
    status, _, told = run(f"{command} --force --url http://127.0.0.1:1", data=None)
    assert (status, "--force goes with --data only" in told) == (2, True)


def test_orgs_come_and_go_with_their_tokens(run: Run) -> None:
    assert run("org create", "Second") == (0, "2\n", "")
    assert run("org list")[1].splitlines() == ["id  name", "1   Main Org.", "2   Second"]
    assert run("token create", "agent", "--org", "2")[0] == 0
    assert len(run("token list", "--org", "2")[1].splitlines()) == 2
    assert len(run("token list")[1].splitlines()) == 1
    assert run("org remove", "2")[0] == 0
    assert run("token list", "--org", "2")[0] == 1


def test_a_directory_that_a_server_holds_is_left_alone(run: Run, tmp_path: Path) -> None:
    with hold_data_directory(tmp_path):
        status, _, told = run("token list")
    assert status == 1
    assert "in use by another server" in told
    assert "leave --data out" in told


def test_a_directory_that_is_not_there_is_not_made(run: Run, tmp_path: Path) -> None:
    missing = tmp_path / "mistyped"
    status, _, told = run("token list", data=missing)
    assert (status, "is no directory" in told) == (1, True)
    assert not missing.exists()


@pytest.mark.parametrize(
    ("url", "status", "words"),
    [("ftp://x", 2, "not of the form"), ("http://127.0.0.1:1", 1, "cannot connect to 127.0.0.1:1")],
)
def test_a_server_that_cannot_be_asked_is_told(run: Run, url: str, status: int, words: str) -> None:
    found, _, told = run("token list", "--url", url, data=None)
    assert (found, words in told) == (status, True)


def test_names_of_strangers_cannot_move_the_cursor(run: Run) -> None:
    assert run("user create", "ann\u202e", stdin=f"{HORSE}\n")[0] == 1
    assert run("token create", "a\x1b[2J")[0] == 1
