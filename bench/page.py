"""A record as a page of Markdown: the table with its goals first, then whatever was wrong, then the conditions."""

from collections.abc import Iterator, Sequence

from bench.comparison import LIMIT, OURS, PEER, Comparison, Median, Ratio, Round
from bench.record import Record

NOTHING = "-"
EXPLANATION = """\
Medians of the rounds [least-most]; ratios are ours to theirs. `*`: in a round at least, something else than the server
set the pace, so that a time or a rate may be better than was seen; where that could turn the outcome, it is *not
judged*. `!`: a round or more had faults, and counts for nothing."""


def write_page(record: Record) -> str:
    """All of it."""
    return "\n".join(
        [
            f"# {record.began[:10]}, {record.machine.name}",
            "",
            *([] if record.ended else ["**Not complete: this run has not come to its end.**", ""]),
            *_table(record),
            "",
            EXPLANATION,
            "",
            *_doubts(record),
            *_conditions(record),
            "",
        ]
    )


def _table(record: Record) -> Iterator[str]:
    yield f"| work | figure | {OURS} | {PEER} | {LIMIT} | to {PEER} | goal | | to {LIMIT} | goal | |"
    yield "| --- | --- " + "| ---: " * 5 + "| --- | --- | ---: | --- | --- |".replace("| --- ", "", 1)
    for row in record.rows:
        for comparison in row.comparisons:
            cells = [tell_cell(comparison.medians.get(server), row.rounds, server) for server in (OURS, PEER, LIMIT)]
            ratios = [*_ratio(comparison, comparison.against_peer), *_ratio(comparison, comparison.against_limit)]
            yield "| " + " | ".join([row.title, comparison.unit, *cells, *ratios]) + " |"


def tell_cell(median: Median | None, rounds: Sequence[Round], server: str) -> str:
    """A server's median, with the marks that its rounds have earned."""
    spoiled = any(each.faults for each in rounds if each.server == server)
    if median is None:
        return "not valid !" if spoiled else NOTHING
    marks = f"{'*' if median.held_back else ''}{'!' if spoiled else ''}"
    return f"{tell_median(median)}{' ' + marks if marks else ''}"


def tell_median(median: Median) -> str:
    """With its range, all in as many digits as the middle needs."""
    places = 0 if median.middle >= 1_000 else 1 if median.middle >= 100 else 2
    middle, least, most = (f"{value:,.{places}f}" for value in (median.middle, median.least, median.most))
    return f"{middle} [{least}-{most}]"


def _ratio(comparison: Comparison, ratio: Ratio | None) -> tuple[str, str, str]:
    if ratio is None:
        return NOTHING, NOTHING, ""
    value = NOTHING if ratio.value is None else f"{ratio.value:.2f}"
    return value, *tell_goal(ratio, more_is_better=comparison.more_is_better)


def tell_goal(ratio: Ratio, *, more_is_better: bool) -> tuple[str, str]:
    """The goal, and what came of it."""
    outcome = {"met": "met", "missed": "**missed**", "not judged": "not judged"}[ratio.outcome]
    return f"{'≥' if more_is_better else '≤'} {ratio.goal:g}", outcome


def _doubts(record: Record) -> Iterator[str]:
    lines = list(_doubt_lines(record))
    if lines:
        yield from ["## What is not valid, or not judged", "", *lines, ""]


def _doubt_lines(record: Record) -> Iterator[str]:
    for row in record.rows:
        for each in row.rounds:
            for fault in each.faults:
                first, *_ = fault.splitlines() or [""]
                yield f"- {row.title}, {each.server}, round {each.number}: {first}"
            if each.held_back:
                yield f"- {row.title}, {each.server}, round {each.number}: held back, {each.held_back}"
        for comparison in row.comparisons:
            for ratio in (comparison.against_peer, comparison.against_limit):
                if ratio is not None and ratio.outcome == "not judged":
                    yield f"- {row.title}, {comparison.unit}: not judged, {ratio.why}"


def _conditions(record: Record) -> Iterator[str]:
    averages = [each.load_average for row in record.rows for each in row.rounds]
    yield from ["## Conditions", ""]
    yield f"- `{record.command}`, commit {record.commit}, {record.began} to {record.ended or 'it broke off'}"
    yield f"- {record.rounds} rounds of {record.seconds:g} s, the servers in turn, each fresh for each round"
    yield f"- {record.machine}"
    yield f"- server on core {record.server_core}, load on core {record.load_core}" + (
        f"; load average of the machine before rounds {min(averages):.2f} to {max(averages):.2f}" if averages else ""
    )
    yield "- " + ", ".join(f"{name} {version}" for name, version in record.versions.items())
    for name, command in record.servers.items():
        yield f"- {name}: `{command}`"
    yield from ["", "The load's commands, with the server's address and process left out:", ""]
    for row in record.rows:
        if row.rounds:
            yield f"- {row.title}: `{row.rounds[0].command}`"
