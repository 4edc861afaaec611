"""What counts as crumbs."""

import pytest

from framecast.door.crumbs import Pieces


@pytest.mark.parametrize(("size", "crumbs"), [(0, True), (1, True), (7, True), (8, False), (240, False)])
def test_ten_thousand_pieces_may_have_any_size_and_more_must_have_eight_bytes(size: int, crumbs: bool) -> None:
    pieces = Pieces()
    assert not any(pieces.add(size) for _ in range(10_000))
    assert pieces.add(size) is crumbs


def test_a_piece_that_arrives_byte_by_byte_is_one() -> None:
    pieces = Pieces()
    assert not any(pieces.add(1, ends=number % 10 == 0) for number in range(200_000))
