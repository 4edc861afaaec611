"""Every key of a TOML text is found on the line that a person would look for it."""

import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.configuration import toml_lines
from framecast.configuration.toml_lines import find_lines

TEXT = """\
# a comment
top = 1
[live]
max_connections = 3  # [not] = a section

text = '''
[server]
listen = 4
'''
allowed_origins = [
  "a",  # with a comment
  "]",
]
"quoted key" = "x"

[channels."stream/a.b"]  # another
  delta = true
[channels]
stream.delta = false
inline = { recovery = "cache" }
[[tables]]
key = 1
"""


def test_tables_keys_and_dotted_keys_are_found() -> None:
    assert find_lines(TEXT) == {
        ("top",): 2,
        ("live",): 3,
        ("live", "max_connections"): 4,
        ("live", "text"): 6,
        ("live", "allowed_origins"): 10,
        ("live", "quoted key"): 14,
        ("channels",): 16,
        ("channels", "stream/a.b"): 16,
        ("channels", "stream/a.b", "delta"): 17,
        ("channels", "stream"): 19,
        ("channels", "stream", "delta"): 19,
        ("channels", "inline"): 20,
        ("channels", "inline", "recovery"): 20,
        ("tables",): 21,
        ("tables", "key"): 22,
    }


def test_line_ends_of_windows_count_once() -> None:
    assert find_lines(TEXT.replace("\n", "\r\n")) == find_lines(TEXT)


def test_behind_a_statement_without_end_no_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toml_lines, "MAX_STATEMENT_LINES", 3)
    assert find_lines("a = 1\nb = [\n1,\n2,\n]\nc = 1\n") == {("a",): 1}


keys = st.text("abc", min_size=1, max_size=3)
values = st.sampled_from(["1", "true", "'\u2028'", '"a # b"', '"""\n[x]\ny = 1\n"""', "[\n 1, # x\n]", "{ z = 1 }"])
sections = st.dictionaries(keys, st.dictionaries(keys, values, max_size=4), max_size=4)


@given(sections, st.sampled_from(["", "# c\n", "\n\n"]))
def test_lines_are_those_that_the_text_was_made_of(made: dict[str, dict[str, str]], between: str) -> None:
    text, expected = "", dict[tuple[str, ...], int]()
    for section, table in made.items():
        text += between
        expected[section,] = text.count("\n") + 1
        text += f"[{section}]\n"
        for key, value in table.items():
            expected[section, key] = text.count("\n") + 1
            text += f"{key} = {value}\n"
    document: dict[str, Any] = tomllib.loads(text)
    found = find_lines(text)
    assert {path: line for path, line in found.items() if path[-1] != "z"} == expected
    assert set(document) == {section for section, *rest in found if not rest}
