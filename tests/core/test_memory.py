"""What a hostile body costs in memory: a small multiple of its size, whatever it is made of.

Measured as the peak of a process of its own, because a process never gives its peak back.
"""

import subprocess
import sys

import pytest

from patience import PATIENCE_SECONDS

MIB = 1 << 20

MEASURE = """
import resource, sys
from framecast._core import StreamParser, describe_points

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

head, piece, tail = (text.encode().decode("unicode_escape").encode() for text in sys.argv[2:])
room = int(sys.argv[1]) - len(head) - len(tail)
body = b"".join((head, piece * (room // len(piece)), tail))
parser = StreamParser(
    max_measurements=1_000, max_columns=1_024, max_path_bytes=150, max_packet_bytes=1 << 20,
    max_push_output_bytes=64 << 20, max_rejections=10, format="labels_column",
)
before = peak()
parser.push(body, 0, "ns")
pushed = peak()
describe_points(body, "ns")
print(pushed - before, peak() - before)
"""


@pytest.mark.parametrize(
    ("head", "piece", "tail"),
    [
        ("m ", "a=1,", "a=1"),
        ("m", ",a=1", " a=1"),
        ("m a=1\\nm ", "a=1,", "a=1"),
        ("m", ",a=1", " a="),
        ("m ", "a=1,", 's="'),
        ("m ", "a,", "a"),
        ("", "x ", "x"),
    ],
    ids=["fields", "tags", "fields of a known series", "tags then fault", "fields then quote", "commas", "words"],
)
def test_one_line_as_long_as_a_body_costs_a_small_multiple_of_it(head: str, piece: str, tail: str) -> None:
    body_bytes = 16 * MIB
    command = [sys.executable, "-c", MEASURE, str(body_bytes), head, piece, tail]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    pushing, describing = map(int, done.stdout.split())
    assert pushing <= body_bytes
    assert describing <= 2 * body_bytes
