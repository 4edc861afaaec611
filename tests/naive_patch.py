"""RFC 6902 applied the plain way, by whoever has never seen the library."""

import copy
from typing import Any


def apply_patch(document: Any, patch: list[dict[str, Any]]) -> Any:
    """The document behind all operations; KeyError, IndexError or AssertionError for a patch that is none."""
    whole = {"": copy.deepcopy(document)}
    for operation in patch:
        path = operation["path"]
        match operation["op"]:
            case "add":
                _add(whole, path, copy.deepcopy(operation["value"]))
            case "remove":
                _take(whole, path)
            case "replace":
                _take(whole, path)
                _add(whole, path, copy.deepcopy(operation["value"]))
            case "move":
                assert not path.startswith(operation["from"] + "/")
                _add(whole, path, _take(whole, operation["from"]))
            case "copy":
                _add(whole, path, copy.deepcopy(_find(whole, _parts(operation["from"]))))
            case other:
                raise AssertionError(other)
    return whole[""]


def _parts(path: str) -> list[str]:
    assert not path or path.startswith("/")
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")]


def _index(items: list[Any], part: str) -> int:
    if part == "-":
        return len(items)
    assert part.isdecimal()
    assert part == str(int(part))
    return int(part)


def _find(whole: Any, parts: list[str]) -> Any:
    for part in parts:
        whole = whole[_index(whole, part)] if isinstance(whole, list) else whole[part]
    return whole


def _add(whole: Any, path: str, value: Any) -> None:
    *above, last = _parts(path)
    container = _find(whole, above)
    if isinstance(container, list):
        index = _index(container, last)
        assert index <= len(container)
        container.insert(index, value)
    else:
        container[last] = value


def _take(whole: Any, path: str) -> Any:
    *above, last = _parts(path)
    container = _find(whole, above)
    return container.pop(_index(container, last)) if isinstance(container, list) else container.pop(last)
