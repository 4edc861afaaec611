"""YAML becomes plain values with their lines, what programs would read differently is refused, and so are bombs."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from framecast.datasources.provisioning.yaml_text import YamlMistake, read_yaml

TEXT = """\
a: 1 # a comment
b:
  - x
  - y: "2"
    z: [1.5, ~]
"c d": {e: true}
"""


def read(text: str, max_values: int = 1_000) -> Any:
    return read_yaml(text, max_values=max_values).value


def test_every_value_has_its_line() -> None:
    found = read_yaml(TEXT, max_values=100)
    assert found.value == {"a": 1, "b": ["x", {"y": "2", "z": [1.5, None]}], "c d": {"e": True}}
    assert found.lines == {
        (): 1,
        ("a",): 1,
        ("b",): 2,
        ("b", 0): 3,
        ("b", 1): 4,
        ("b", 1, "y"): 4,
        ("b", 1, "z"): 5,
        ("b", 1, "z", 0): 5,
        ("b", 1, "z", 1): 5,
        ("c d",): 6,
        ("c d", "e"): 6,
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("2024-01-01", "2024-01-01"),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("010", 10),
        ("0x1F", 31),
        ("0o17", 15),
        ("-7", -7),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("True", True),
        ("'true'", "true"),
        ("NULL", None),
        ("~", None),
        ("", None),
        ("'~'", "~"),
        ("x: ", {"x": None}),
        ("x: |\n  a\n  b\n", {"x": "a\nb\n"}),
        ("x: !!str 7", {"x": "7"}),
        ("=", "="),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    found = read(text)
    assert (found, type(found)) == (value, type(value))


def test_anchors_and_merged_mappings_are_followed() -> None:
    text = "base: &b {x: 1, y: {z: 2}}\none: {<<: *b, x: 3}\ntwo: *b\nthree: {<<: [{x: 9}, *b], w: 4}\n"
    assert read(text) == {
        "base": {"x": 1, "y": {"z": 2}},
        "one": {"x": 3, "y": {"z": 2}},
        "two": {"x": 1, "y": {"z": 2}},
        "three": {"x": 9, "y": {"z": 2}, "w": 4},
    }


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3", 3, "the key 'a' stands twice"),
        ("x:\n  a: 1\n  a: 1", 3, "stands twice"),
        ("a: [1, 2", 1, "no YAML"),
        ("a: 1\n\tb: 2", 2, "no YAML"),
        ("a: 1\n---\nb: 2", 2, "no YAML"),
        ("a: 1\nb: \x01", 2, "a character that may not"),
        ("a: *sesame", 1, "no YAML: found undefined alias …"),
        ("1: a", 1, "a key has to be text"),
        ("? [a]\n: b", 1, "a key has to be text"),
        ("a: 1\n<<: 7", 2, "<< has to name a mapping"),
        ("a: !!python/object/apply:os.system [id]", 1, "the tag 'python/object/apply:os.system' cannot be used"),
        ("a: !!binary aGk=", 1, "the tag 'binary'"),
        ("a: !!set {x}", 1, "the tag 'set'"),
        ("a: !secret x", 1, "the tag '!secret'"),
        ("a: !!int x", 1, "no value of its tag int"),
        ("a: !!bool sesame", 1, "no value of its tag bool"),
        ("a: &a [*a]", 1, "nested deeper than 50"),
        ("a: " + "[" * 60 + "]" * 60, 1, "nested deeper than 50"),
        ("[" * 5_000, 1, "nested deeper than 50"),
        ("- 1\n" * 1_001, 1_000, "more than 1000 values (provisioning.values)"),
    ],
)
def test_what_cannot_be_taken_is_told_with_its_line_and_without_its_value(text: str, line: int, words: str) -> None:
    with pytest.raises(YamlMistake) as caught:
        read(text)
    assert (caught.value.line, words in caught.value.what) == (line, True), caught.value
    assert "sesame" not in str(caught.value)


def test_what_anchors_multiply_counts_each_time() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{number}: &a{number} [{', '.join([f'*a{number - 1}'] * 9)}]" for number in range(1, 12)]
    with pytest.raises(YamlMistake, match="more than 1000 values"):
        read("\n".join(lines))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(st.characters(codec="utf-8"), max_size=10),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1, max_size=3), inner),
        max_leaves=15,
    )
)
def test_what_another_program_writes_is_read_back(value: Any) -> None:
    for flow in (False, True):  # in quotes: it takes fewer texts for numbers than YAML 1.2
        assert read(yaml.safe_dump(value, default_flow_style=flow, default_style='"')) == value


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read(text)
    except YamlMistake as mistake:
        assert mistake.line >= 1
