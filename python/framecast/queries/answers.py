"""What is answered, spelled as Grafana does: ``{"results": {"A": {"status": 200, "frames": […]}}}``."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from framecast.plugins.query import Answered


@dataclass(frozen=True, slots=True)
class Results:
    """The results of one request."""

    body: bytes
    """JSON, on one line."""
    failed: bool
    """Whether there is an error among them: Grafana answers 400 then, with all of them."""


def spell_results(answers: Mapping[str, Answered]) -> Results:
    """All answers by their names, sorted. Frames go out byte for byte."""
    parts = [b"%b:%b" % (msgspec.json.encode(ref_id), _spell(answers[ref_id])) for ref_id in sorted(answers)]
    failed = any(answer.error for answer in answers.values())
    return Results(b'{"results":{%b}}' % b",".join(parts), failed)


def _spell(answer: Answered) -> bytes:
    said: dict[str, object] = {}
    if answer.error:
        said = {"error": answer.error, "errorSource": answer.error_source}
    said["status"] = answer.status
    spelled = msgspec.json.encode(said)
    if answer.error and not answer.frames:
        return spelled
    return b'%b,"frames":[%b]}' % (spelled[:-1], b",".join(answer.frames))
