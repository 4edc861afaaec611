"""The bodies that are posted: line protocol, the same every time."""

import json

import pytest

from framecast._core import describe_points
from framecast.cli.bench.bodies import MEASUREMENTS, count_lines, make_body


@pytest.mark.parametrize("lines", [1, 3, 64, 500])
def test_a_body_is_line_protocol_of_so_many_lines(lines: int) -> None:
    body = make_body(lines, 3)
    points = json.loads(describe_points(body, "ns"))["points"]
    assert len(points) == lines == count_lines(body)
    assert {point["measurement"] for point in points} == set(MEASUREMENTS[:lines])
    assert all(["host", "server-03"] in point["tags"] for point in points)
    assert all(len(point["time_ns"]) == 19 for point in points)


def test_bodies_are_the_same_every_time_and_differ_by_host() -> None:
    assert make_body(20, 1) == make_body(20, 1)
    assert make_body(20, 1) != make_body(20, 2)


def test_empty_lines_do_not_count() -> None:
    assert count_lines(b"a x=1\n\n  \nb x=2") == 2
