"""YAML as it is taken here: plain values, and on which line each of them stands.

A key that stands twice, tags that make objects of some program, several documents, and anchors that multiply are
refused. What is a number, a switch or nothing is as in YAML 1.2: `no`, `on` and dates are text.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

Path = tuple[str | int, ...]
"""The way to a value: keys, and numbers in lists."""

MAX_DEPTH = 50
"""Mappings and lists within each other: jsonData of Grafana's data sources has about five."""

_CORE = "tag:yaml.org,2002:"
_NULL, _BOOL, _INT, _FLOAT, _MERGE, _STR = (
    f"{_CORE}{name}" for name in ("null", "bool", "int", "float", "merge", "str")
)
_QUOTED = re.compile(r"'[^']{2,}'")


class YamlMistake(Exception):  # noqa: N818 - a mistake of whoever wrote the text
    """What is wrong, and on which line."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(f"line {line}: {what}")
        self.what = what
        self.line = line


@dataclass(slots=True)
class YamlText:
    """A text's value."""

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[Any]] = {}  # noqa: RUF012 - PyYAML's own way to keep them


for _tag, _pattern, _first in (
    (_NULL, r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    (_BOOL, r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    (_INT, r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (_FLOAT, r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    (_MERGE, r"<<", ["<"]),
):
    _Loader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$"), _first)


def read_yaml(text: str, *, max_values: int) -> YamlText:
    """The one document of a text. YamlMistake, which shows no value, when it has none that is taken here."""
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = _QUOTED.sub("…", error.problem or error.context or "it cannot be read")
        raise YamlMistake(f"no YAML: {what}", 1 if mark is None else mark.line + 1) from None
    except yaml.reader.ReaderError as error:
        raise YamlMistake("no YAML: a character that may not stand there", _line_at(text, error.position)) from None
    except RecursionError:
        raise YamlMistake(f"nested deeper than {MAX_DEPTH}", 1) from None
    reader = _Reader(max_values)
    read = YamlText()
    if root is not None:
        read.value = reader.build(root, (), read.lines)
    return read


class _Reader:
    """Makes values of nodes, and counts them."""

    def __init__(self, max_values: int) -> None:
        self._max_values = max_values
        self._left = max_values

    def build(self, node: yaml.Node, path: Path, lines: dict[Path, int]) -> Any:
        line = node.start_mark.line + 1
        lines.setdefault(path, line)
        self._left -= 1
        if self._left < 0:
            raise YamlMistake(f"more than {self._max_values} values (provisioning.values)", line)
        if len(path) > MAX_DEPTH:
            raise YamlMistake(f"nested deeper than {MAX_DEPTH}", line)
        if isinstance(node, yaml.MappingNode) and node.tag == f"{_CORE}map":
            return self._build_mapping(node, path, lines)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{_CORE}seq":
            return [self.build(item, (*path, number), lines) for number, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node, line)
        raise _strange_tag(node.tag, line)

    def _build_mapping(self, node: yaml.MappingNode, path: Path, lines: dict[Path, int]) -> dict[str, Any]:
        """Own members win over merged ones, and of those the first, as in YAML 1.1."""
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.tag == _MERGE:
                for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    if not isinstance(source, yaml.MappingNode):
                        raise YamlMistake("<< has to name a mapping", line)
                    merged = self.build(source, (*path, "<<"), lines) | merged
                continue
            if not isinstance(key, yaml.ScalarNode) or not isinstance(name := _scalar(key, line), str):
                raise YamlMistake("a key has to be text: put it in quotes", line)
            if name in own:
                raise YamlMistake(f"the key {name!r} stands twice", line)
            lines[*path, name] = line
            own[name] = self.build(value, (*path, name), lines)
        return merged | own


def _scalar(node: yaml.ScalarNode, line: int) -> str | float | bool | None:
    text: str = node.value
    if node.tag == _STR:
        return text
    if node.tag == _NULL:
        return None
    try:
        if node.tag == _BOOL:
            return {"true": True, "false": False}[text.lower()]
        if node.tag == _INT:
            return int(text, 0) if text.startswith(("0o", "0x")) else int(text)
        if node.tag == _FLOAT:
            return float(text)
    except (KeyError, ValueError):
        raise YamlMistake(f"no value of its tag {node.tag.removeprefix(_CORE)}", line) from None
    raise _strange_tag(node.tag, line)


def _strange_tag(tag: str, line: int) -> YamlMistake:
    return YamlMistake(f"the tag {tag.removeprefix(_CORE)!r} cannot be used here", line)


def _line_at(text: str, position: int) -> int:
    return text.count("\n", 0, max(position, 0)) + 1
