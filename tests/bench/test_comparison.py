"""Medians, ratios and outcomes of the table, and that nothing doubtful is taken for a figure."""

import pytest
from bench.comparison import Round, compare, find_median
from bench.rows.row import Figure

RATE = Figure("rate", "1/s", against_peer=4.0, against_limit=1.0, more_is_better=True)
TIME = Figure("time", "ms", against_peer=0.5, against_limit=1.3)
MEMORY = Figure("memory", "kB", against_peer=0.5, scale=1e-3, worse_when_held_back=False)


def rounds(
    server: str, figure: Figure, *values: float, held_back: str = "", faults: tuple[str, ...] = ()
) -> list[Round]:
    return [
        Round(server=server, number=number, figures={figure.name: value}, held_back=held_back, faults=list(faults))
        for number, value in enumerate(values, 1)
    ]


def test_the_median_is_of_the_rounds_without_faults_in_the_unit_of_the_table() -> None:
    measured = rounds("framecast", MEMORY, 9_000, 1_000, 3_000, 2_000)
    measured += rounds("framecast", MEMORY, 1_000_000, faults=("3 deliveries never arrived",))
    median = find_median(MEMORY, measured)
    assert median is not None
    assert (median.middle, median.least, median.most, median.rounds) == (2.5, 1.0, 9.0, 4)
    assert find_median(MEMORY, measured[4:]) is None
    assert find_median(TIME, measured) is None


@pytest.mark.parametrize(
    ("figure", "ours", "theirs", "ratio", "outcome"),
    [
        (RATE, 400, 100, 4.0, "met"),
        (RATE, 399, 100, 3.99, "missed"),
        (TIME, 5, 10, 0.5, "met"),
        (TIME, 6, 10, 0.6, "missed"),
    ],
)
def test_a_goal_is_met_from_its_own_side(
    figure: Figure, ours: float, theirs: float, ratio: float, outcome: str
) -> None:
    found = compare(figure, rounds("framecast", figure, ours) + rounds("centrifuge", figure, theirs)).against_peer
    assert (found.value, found.outcome) == (ratio, outcome)


@pytest.mark.parametrize(
    ("ours", "theirs", "who", "outcome"),
    [
        # Ours could be better than was seen: that cannot turn what is met.
        (400, 100, {"framecast"}, "met"),
        (300, 100, {"framecast"}, "not judged"),
        # The other could be better: that cannot turn what is missed.
        (400, 100, {"centrifuge"}, "not judged"),
        (300, 100, {"centrifuge"}, "missed"),
        (400, 100, {"framecast", "centrifuge"}, "not judged"),
        (300, 100, {"framecast", "centrifuge"}, "not judged"),
    ],
)
def test_what_was_held_back_shows_only_what_could_not_turn(
    ours: float, theirs: float, who: set[str], outcome: str
) -> None:
    measured = [
        each
        for server, value in (("framecast", ours), ("centrifuge", theirs))
        for each in rounds(server, RATE, value, held_back="the load was busy" if server in who else "")
    ]
    comparison = compare(RATE, measured)
    assert comparison.against_peer.outcome == outcome
    assert ("held back: the load was busy" in comparison.against_peer.why) == (outcome == "not judged")
    assert {server for server, median in comparison.medians.items() if median.held_back} == who


def test_a_cost_that_may_look_better_when_held_back_is_never_judged_then() -> None:
    for who in ("framecast", "centrifuge"):
        measured = [
            each
            for server in ("framecast", "centrifuge")
            for each in rounds(server, MEMORY, 1, held_back="it waited" if server == who else "")
        ]
        assert compare(MEMORY, measured).against_peer.outcome == "not judged"


def test_one_round_that_was_held_back_marks_the_median() -> None:
    measured = rounds("framecast", RATE, 5, 6) + rounds("framecast", RATE, 7, held_back="it waited")
    median = find_median(RATE, measured)
    assert median is not None
    assert median.held_back == "it waited"


def test_without_a_valid_round_of_both_nothing_is_judged() -> None:
    lost = rounds("centrifuge", TIME, 1, faults=("it did not start",))
    comparison = compare(TIME, rounds("framecast", TIME, 1) + lost)
    assert (comparison.against_peer.outcome, comparison.against_peer.value) == ("not judged", None)
    assert "centrifuge" in comparison.against_peer.why
    assert comparison.against_limit is not None
    assert comparison.against_limit.why == "no valid round of bare send"
    assert (
        compare(TIME, rounds("framecast", TIME, 1) + rounds("centrifuge", TIME, 0)).against_peer.outcome == "not judged"
    )


def test_a_figure_without_a_goal_beside_the_limit_has_no_ratio_to_it() -> None:
    measured = rounds("framecast", MEMORY, 1) + rounds("centrifuge", MEMORY, 2) + rounds("bare send", MEMORY, 3)
    assert compare(MEMORY, measured).against_limit is None
