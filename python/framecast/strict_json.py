"""JSON as this server takes it: what parsers elsewhere would read differently, or not at all, is refused.

A key that stands twice in an object, numbers that no double holds, halves of characters, and nesting that would end
some reader's stack. Knows nothing of requests.
"""

import json
import math
import re
from collections import Counter
from typing import Any, NoReturn

from framecast.errors import Refusal, printable

INTEGER_DIGITS = 309
"""The largest double has so many."""

SHOWN_CHARACTERS = 100

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
"""Matches in one go even where the closing quote is missing: a hostile text is read once, not from every quote."""

_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_INNERMOST = re.compile(rb"\[\]|\{\}")


def parse_json(text: bytes, *, nesting: int) -> Any:
    """The value of a JSON text (RFC 8259, UTF-8). Refusal 400 says what is wrong with it, and where.

    `nesting` is how many arrays and objects may stand within each other.
    """
    check_nesting(text, nesting)
    try:
        characters = text.decode()
        value = json.loads(
            characters,
            object_pairs_hook=_join,
            parse_int=_parse_integer,
            parse_float=_parse_float,
            parse_constant=_refuse_number,
        )
    except UnicodeDecodeError as error:
        raise Refusal(400, f"the body is no UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise Refusal(400, f"the body is no JSON: {error.msg} (line {error.lineno}, column {error.colno})") from None
    except RecursionError:  # what is opened and never closed
        raise _too_deep(nesting) from None
    if "\\u" in characters:
        _check_whole_characters(value)
    return value


def check_nesting(text: bytes, nesting: int) -> None:
    """Refusal 400 when more than `nesting` arrays and objects stand within each other. `text` may be no JSON at all."""
    brackets = _STRING.sub(b"", text).translate(None, _NOT_BRACKETS)
    for _ in range(nesting):
        inner = brackets
        brackets = _INNERMOST.sub(b"", inner)
        if brackets == inner:
            return  # nothing is left, or they do not match: for the parser to say
    if brackets:
        raise _too_deep(nesting)


def _join(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise Refusal(400, f"the key '{printable(twice, SHOWN_CHARACTERS)}' stands twice in one object of the body")
    return members


def _parse_integer(digits: str) -> int:
    if len(digits) < INTEGER_DIGITS:
        return int(digits)
    if len(digits) > INTEGER_DIGITS + 1 or math.isinf(float(digits)):
        _refuse_number(digits)
    return int(digits)


def _parse_float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        _refuse_number(digits)
    return value


def _refuse_number(digits: str) -> NoReturn:
    raise Refusal(400, f"the body has the number {digits[:SHOWN_CHARACTERS]}, which is no finite double")


def _check_whole_characters(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise Refusal(400, f"the body has half a character, \\u{ord(half):04x} without its other half") from None


def _too_deep(nesting: int) -> Refusal:
    return Refusal(400, f"the body nests deeper than {nesting} arrays and objects (api.nesting)")
