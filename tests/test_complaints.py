"""Complaints: one per key and window, and a bounded memory."""

from framecast.complaints import Complaints


def test_one_line_per_key_and_window_with_the_sum_of_what_was_not_logged() -> None:
    complaints = Complaints(60, 10, 10_000)
    assert complaints.due("a", 0, 1) == 0
    assert complaints.due("a", 59, 3) is None
    assert complaints.due("b", 59, 1) == 0
    assert complaints.due("a", 59.9, 4) is None
    assert complaints.due("a", 60, 1) == 7
    assert complaints.due("a", 61, 1) is None


def test_a_sender_with_many_streams_costs_a_bounded_memory() -> None:
    complaints = Complaints(60, 10, 10_000)
    for number in range(1_000):
        assert complaints.due(number, 0, 1) == 0
    assert len(complaints._last) == 10
    assert complaints.due(999, 1, 1) is None
    assert complaints.due(0, 1, 1) == 0


def test_all_keys_together_have_so_many_lines_in_a_window_and_the_rest_is_told_once() -> None:
    complaints = Complaints(60, 1_000, 3)
    said = [complaints.due(number, 0.1 * number, 1) for number in range(100)]
    assert said == [0, 0, 0] + [None] * 97
    assert complaints.due(50, 30, 4) is None
    assert complaints.take_passed_over(59.9) == 0
    assert complaints.take_passed_over(70) == 97
    assert complaints.take_passed_over(70) == 0
    assert complaints.due(50, 70, 1) == 5
    assert [complaints.due(number, 70, 1) for number in range(1_000, 1_004)] == [0, 0, None, None]
    assert complaints.take_passed_over(130) == 2
