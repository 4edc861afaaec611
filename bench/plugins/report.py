"""What the rounds come to: a record of everything, and a page of medians, ratios and goals."""

from collections.abc import Iterator, Sequence

import msgspec

from bench.comparison import OURS, Median, Ratio, Round, find_median, judge
from bench.page import NOTHING, tell_cell, tell_goal
from bench.plugins.question import Goal, Question
from bench.plugins.questions import CROWD_LATE, DELIVERED_LATE, GRPCIO, READ_LATE, Shape
from bench.record import Run
from bench.rows.row import Figure

EXPLANATION = """\
Medians of the rounds [least-most]; ratios are ours to grpcio's synchronous iterator, in the same run on the same core.
`*`: in a round at least, something else than what is measured set the pace, so that a rate may be better than was seen;
where that could turn the outcome, it is *not judged*. `!`: a round or more had faults, and counts for nothing."""


class Finding(msgspec.Struct, frozen=True):
    """A figure of a question."""

    figure: str
    unit: str
    more_is_better: bool
    medians: dict[str, Median]
    ratio: float | None
    goal: Ratio | None


class Answer(msgspec.Struct, frozen=True):
    """A question, measured."""

    name: str
    title: str
    findings: list[Finding]
    rounds: list[Round]


class PluginsRecord(Run, kw_only=True):
    """A run."""

    rounds: int
    shape: Shape
    server_core: int
    load_core: int
    plugin_core: int
    answers: list[Answer] = msgspec.field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """All that was wrong; rounds of it count for nothing."""
        return [
            f"{answer.title}, {each.server}, round {each.number}: {fault.splitlines()[0]}"
            for answer in self.answers
            for each in answer.rounds
            for fault in each.faults
        ]


def find_answer(question: Question, rounds: Sequence[Round]) -> Answer:
    """What the rounds of a question come to."""
    findings = []
    for figure in question.figures:
        found = {
            name: find_median(figure, [each for each in rounds if each.server == name]) for name in question.contenders
        }
        medians = {name: median for name, median in found.items() if median is not None}
        goal = question.goal if question.goal is not None and question.goal.figure == figure.name else None
        findings.append(
            Finding(
                figure=figure.name,
                unit=figure.unit,
                more_is_better=figure.more_is_better,
                medians=medians,
                ratio=_find_ratio(medians),
                goal=None if goal is None else _judge(figure, goal, medians),
            )
        )
    return Answer(question.name, question.title, findings, list(rounds))


def _find_ratio(medians: dict[str, Median]) -> float | None:
    if OURS not in medians or GRPCIO not in medians or medians[GRPCIO].middle <= 0:
        return None
    return medians[OURS].middle / medians[GRPCIO].middle


def _judge(figure: Figure, goal: Goal, medians: dict[str, Median]) -> Ratio:
    if goal.against:
        return judge(figure, goal.value, medians, goal.against)
    ours = medians.get(OURS)
    if ours is None:
        return Ratio(goal.value, "not judged", why=f"no valid round of {OURS}")
    if ours.middle >= goal.value if figure.more_is_better else ours.middle <= goal.value:
        return Ratio(goal.value, "met")
    if ours.held_back:
        return Ratio(goal.value, "not judged", why=f"{OURS} was held back: {ours.held_back}")
    return Ratio(goal.value, "missed")


def write_page(record: PluginsRecord) -> str:
    """For a person."""
    return "\n".join(_lines(record)) + "\n"


def _lines(record: PluginsRecord) -> Iterator[str]:
    yield from [f"# Plugins, {record.began[:10]}, {record.machine.name}", ""]
    if not record.ended:
        yield from ["**Not complete: this run has not come to its end.**", ""]
    yield f"| what | figure | {OURS} | {GRPCIO} | ratio | goal | |"
    yield "| --- | --- | ---: | ---: | ---: | ---: | --- |"
    for answer in record.answers:
        for finding in answer.findings:
            yield _row(answer, finding)
    yield from ["", EXPLANATION, "", *_added(record)]
    doubts = [*record.faults, *_holds(record)]
    if doubts:
        yield from ["## What is not valid, or was held back", "", *(f"- {doubt}" for doubt in doubts), ""]
    yield from _conditions(record)


def _row(answer: Answer, finding: Finding) -> str:
    ratio = NOTHING if finding.ratio is None else f"{finding.ratio:.2f}"
    goal, outcome = "", ""
    if finding.goal is not None:
        goal, outcome = tell_goal(finding.goal, more_is_better=finding.more_is_better)
    cells = [tell_cell(finding.medians.get(name), answer.rounds, name) for name in (OURS, GRPCIO)]
    return "| " + " | ".join([answer.title, finding.unit, *cells, ratio, goal, outcome]) + " |"


def _added(record: PluginsRecord) -> Iterator[str]:
    """What the way from the host to a subscriber takes beyond the host alone."""
    middles = {
        answer.name: finding.medians[OURS].middle
        for answer in record.answers
        for finding in answer.findings
        if finding.figure == "p50" and OURS in finding.medians
    }
    found = [
        f"{middles[name] - middles[READ_LATE]:.2f} ms to {count:,}"
        for name, count in ((DELIVERED_LATE, 1), (CROWD_LATE, record.shape.subscribers))
        if name in middles and READ_LATE in middles
    ]
    if found:
        yield from [f"At the median, the server adds to what the host alone takes: {', '.join(found)}.", ""]


def _holds(record: PluginsRecord) -> Iterator[str]:
    for answer in record.answers:
        for each in answer.rounds:
            if each.held_back:
                yield f"{answer.title}, {each.server}, round {each.number}: held back, {each.held_back}"


def _conditions(record: PluginsRecord) -> Iterator[str]:
    averages = [each.load_average for answer in record.answers for each in answer.rounds]
    yield from ["## Conditions", ""]
    yield f"- `{record.command}`, commit {record.commit}, {record.began} to {record.ended or 'it broke off'}"
    yield f"- {record.rounds} rounds, whoever is measured in turn, each with a fresh process and a fresh plugin"
    yield f"- {record.machine}"
    cores = (
        f"server, or reader, on core {record.server_core}, load on {record.load_core}, plugin on {record.plugin_core}"
    )
    yield f"- {cores}" + (
        f"; load average before rounds {min(averages):.2f} to {max(averages):.2f}" if averages else ""
    )
    yield "- " + ", ".join(f"{name} {version}" for name, version in record.versions.items())
