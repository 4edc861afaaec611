"""References in a grafana.ini are followed in Grafana's order, and those that cannot be are told."""

import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.configuration.expansion import expand, find_file, follow_keys
from framecast.errors import ConfigurationError


def test_variables_are_put_in() -> None:
    environment = {"A": "1", "B": "$__env{A}"}
    assert expand("$__env{A}${A}-$__env{NONE}-$A $__env{}", environment) == "11--$A $__env{}"
    assert expand("$__env{B}", environment) == "$__env{A}"


def test_the_machines_name_stands_in_for_a_variable() -> None:
    assert expand("${HOSTNAME}", {}) == socket.gethostname()
    assert expand("${HOSTNAME}", {"HOSTNAME": "box"}) == "box"


def test_files_are_put_in_without_the_space_around_them(tmp_path: Path) -> None:
    file = tmp_path / "value"
    file.write_text(" 12 34\n\n")
    assert expand(f"<$__file{{{file}}}>", {}) == "<12 34>"
    assert expand("$__env{WHERE}", {"WHERE": f"$__file{{{file}}}"}) == "12 34"


def test_what_a_file_holds_is_not_followed(tmp_path: Path) -> None:
    file = tmp_path / "value"
    file.write_text("$__env{A} $__vault{x}")
    assert expand(f"$__file{{{file}}}", {"A": "1"}) == "$__env{A} $__vault{x}"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("$__vault{secret/x}", "$__vault{secret/x} cannot be followed here: only $__env{} and $__file{} can"),
        ("$__file{/nowhere}", "$__file{/nowhere} cannot be read: No such file"),
        ("$__file{/}", "$__file{/} cannot be read: Is a directory"),
        ("$__file{a\0b}", "cannot be read: embedded null byte"),
    ],
)
def test_what_cannot_be_followed_is_told(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        expand(text, {})
    assert words in str(caught.value)


@pytest.mark.parametrize(("content", "words"), [(b"\xff", "is no text in UTF-8"), (b"x" * 65_537, "is larger than")])
def test_a_file_that_is_no_value_is_told(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "value").write_bytes(content)
    with pytest.raises(ConfigurationError, match=words):
        expand(f"$__file{{{tmp_path}/value}}", {})


@pytest.mark.parametrize(
    ("text", "path"),
    [("$__file{/a b}", "/a b"), ("x$__file{/a}", None), ("$__file{/a}x", None), ("$__env{A}", None), ("/a", None)],
)
def test_a_value_that_is_all_of_a_file_is_recognised(text: str, path: str | None) -> None:
    assert find_file(text) == path


def test_other_keys_are_put_in() -> None:
    keys = {"a": "1", "b": "%(a)s2", "empty": ""}
    assert follow_keys("%(b)s%(a)s %(empty)s%s %", keys.get) == "121 %s %"
    assert follow_keys("%(none)s%(a)s", keys.get) == "%(none)s%(a)s"


@pytest.mark.parametrize("text", ["%(loop)s", "%(bomb)s", "%(there)s"])
def test_a_circle_is_told(text: str) -> None:
    keys = {"loop": "%(loop)s", "bomb": "%(bomb)s" * 40, "there": "%(back)s", "back": "%(there)s"}
    with pytest.raises(ConfigurationError, match="round in a circle"):
        follow_keys(text, keys.get)


@given(st.lists(st.sampled_from(["$", "__env", "__file", "{", "}", "A", "/", "%", "(", ")s", "é"]), max_size=12))
def test_nothing_but_a_mistake_comes_of_any_text(parts: list[str]) -> None:
    text = "".join(parts)
    try:
        assert isinstance(follow_keys(expand(text, {"A": "x"}), {"A": "y"}.get), str)
    except ConfigurationError as error:
        assert error.mistakes
