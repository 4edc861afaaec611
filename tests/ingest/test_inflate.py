"""Gzip without trust: any bytes, any split into members, any size."""

import gzip
import zlib

from hypothesis import given
from hypothesis import strategies as st

from framecast.errors import Refusal
from framecast.ingest.inflate import Inflation

LIMIT = 10_000


@given(st.lists(st.binary(max_size=2_000), max_size=5), st.integers(min_value=1, max_value=5_000))
def test_whatever_was_packed_comes_out_in_any_number_of_steps(parts: list[bytes], step: int) -> None:
    inflation = Inflation(b"".join(gzip.compress(part) for part in parts), max_bytes=LIMIT, max_members=5)
    goal = step
    while not inflation.step(goal):
        goal += step
    assert inflation.take() == b"".join(parts)


@given(st.binary(max_size=300), st.integers(min_value=0, max_value=300), st.binary(max_size=5))
def test_any_bytes_are_a_body_or_a_refusal(content: bytes, cut: int, noise: bytes) -> None:
    packed = gzip.compress(content)
    for raw in (packed[:cut] + noise + packed[cut:], packed[:cut] + noise, noise):
        inflation = Inflation(raw, max_bytes=LIMIT, max_members=5)
        try:
            while not inflation.step(LIMIT + 1):
                pass
        except Refusal as refusal:
            assert refusal.code in {400, 413}
        else:
            reference = gzip.decompress(raw) if raw else b""
            assert inflation.take() == reference


def test_a_bomb_costs_its_limit_only() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(1_000_000)) for _ in range(200)) + packer.flush()
    inflation = Inflation(bomb, max_bytes=LIMIT, max_members=5)
    try:
        inflation.step(10**9)
    except Refusal as refusal:
        assert refusal.code == 413
    assert len(inflation.take()) == LIMIT + 1


def test_a_body_of_many_members_is_refused_before_much_work_is_done() -> None:
    inflation = Inflation(gzip.compress(b"") * 100_000, max_bytes=LIMIT, max_members=1_000)
    try:
        inflation.step(LIMIT + 1)
    except Refusal as refusal:
        assert "members" in refusal.message
    else:
        raise AssertionError("not refused")
