"""Complaints: one per key and window, and a bounded memory."""

from framecast.ingest.complaint import Complaints


def test_one_line_per_key_and_window_with_the_sum_of_what_was_not_logged() -> None:
    complaints = Complaints(60, 10)
    assert complaints.due("a", 0, 1) == 0
    assert complaints.due("a", 59, 3) is None
    assert complaints.due("b", 59, 1) == 0
    assert complaints.due("a", 59.9, 4) is None
    assert complaints.due("a", 60, 1) == 7
    assert complaints.due("a", 61, 1) is None


def test_a_sender_with_many_streams_costs_a_bounded_memory() -> None:
    complaints = Complaints(60, 10)
    for number in range(1_000):
        assert complaints.due(number, 0, 1) == 0
    assert len(complaints._last) == 10
    assert complaints.due(999, 1, 1) is None
    assert complaints.due(0, 1, 1) == 0
