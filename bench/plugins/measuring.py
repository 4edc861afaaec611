"""Asks the questions, one after the other, in rounds: whoever answers takes turns in being first.

What goes wrong with one answer is a fault in the record, and never the end of the run.
"""

import os
import subprocess
from collections.abc import Callable, Iterable, Sequence

from bench.comparison import Round
from bench.cores import NotHereError
from bench.plugins.frames import EndedError
from bench.plugins.question import Measured, Place, Question
from bench.plugins.reading import ReaderError
from bench.servers import ServerError
from bench.table import describe_figures, tell

EXPECTED = (NotHereError, ServerError, ReaderError, EndedError, OSError, subprocess.SubprocessError, ValueError)
"""What may go wrong with a server, a reader or this machine."""

Watcher = Callable[[Question, list[Round]], None]


def measure(questions: Sequence[Question], place: Place, rounds: int, done: Watcher) -> None:
    """All of them; `done` is called after each, and when it breaks off."""
    for position, question in enumerate(questions, 1):
        tell(f"{position}/{len(questions)} {question.name}: {question.title}")
        answers: list[Round] = []
        try:
            for number in range(1, rounds + 1):
                for name in _in_turn(tuple(question.contenders), number):
                    answers.append(_measure_once(question, name, number, place))  # noqa: PERF401 - kept if one breaks off
        finally:
            done(question, answers)


def _in_turn(names: Sequence[str], number: int) -> Iterable[str]:
    first = (number - 1) % len(names)
    return [*names[first:], *names[:first]]


def _measure_once(question: Question, name: str, number: int, place: Place) -> Round:
    average = round(os.getloadavg()[0], 2)
    try:
        measured = question.contenders[name](place)
    except EXPECTED as error:
        measured = Measured({}, [str(error) or repr(error)])
    answer = Round(
        server=name,
        number=number,
        figures=measured.figures,
        faults=measured.faults,
        held_back=measured.held_back,
        load_average=average,
    )
    tell(f"  round {number}, {name:<10} {describe_figures(question.figures, answer)}")
    return answer
