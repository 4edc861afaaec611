"""Our own cases of line protocol, whose answers the official Go module gave, against `describe_points`.

What the module and we read differently on purpose is named here; docs/line-protocol.md has the reasons.
"""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from framecast._core import describe_points

CASES = Path(__file__).parents[1] / "data" / "line-protocol" / "cases.jsonl"

# From the case to what we do instead: accept, refuse, or read another value.
DELIBERATE = {
    "own-comment-104": "accept",  # comments may hold anything
    "own-comment-106": "accept",
    "own-comment-107": "accept",
    "own-escape-string-190": "other",  # \t as two characters stays two characters
    "own-escape-string-192": "other",
    "own-float-717": "refuse",  # Go's hexadecimal floats and digit separators
    "own-float-718": "refuse",
    "own-float-723": "refuse",
    "own-float-724": "refuse",
    "own-duplicate-833": "other",  # the last of a repeated key counts
    "own-duplicate-834": "other",
    "own-duplicate-835": "other",
    "own-duplicate-837": "other",
    "own-duplicate-840": "other",
    "own-duplicate-841": "other",
    "own-duplicate-842": "other",
    "own-duplicate-843": "other",
    "own-duplicate-844": "other",
}


def load_cases() -> list[dict[str, Any]]:
    # Only LF ends a case: the strings hold other line separators.
    lines = CASES.read_bytes().split(b"\n")
    return [json.loads(line) for line in lines if line]


def normal(points: list[dict[str, Any]]) -> list[Any]:
    return [
        (
            point["measurement"],
            sorted(point["tags"]),
            sorted([key, kind, float(value) if kind == "float" else value] for key, kind, value in point["fields"]),
            point["time_ns"],
        )
        for point in points
    ]


@pytest.mark.parametrize("case", load_cases(), ids=lambda case: case["name"])
def test_case_is_read_as_the_reference_reads_it(case: dict[str, Any]) -> None:
    told = json.loads(describe_points(base64.b64decode(case["input_b64"]), case["precision"]))
    want = case["expect"]
    deliberate = DELIBERATE.get(case["name"])
    if deliberate == "accept":
        assert want["error"]
        assert "error" not in told
    elif deliberate == "refuse":
        assert told["error"]
        assert "error" not in want
    elif deliberate == "other":
        assert normal(told["points"]) != normal(want["points"])
    elif want.get("error"):
        assert told["error"]
        assert told["line"] == want["line"]
        assert want["column"] in {None, told["column"]}
        if "points_ok_differ" not in case:
            assert normal(told["points_ok"]) == normal(want["points_ok"])
    else:
        assert normal(told["points"]) == normal(want["points"])
