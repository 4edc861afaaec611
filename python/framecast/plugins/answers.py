"""What the methods of a plugin may return. Whoever returns something else is told so by the method's name."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from framecast.plugins.frames import Frame
from framecast.plugins.packets import Packet, packet_of, parse_packet
from framecast.plugins.plugin import Health


class AnswerError(TypeError):
    """A method of a plugin returned what is no answer. The message names the method and the type, and no value."""


def packet_of_answer(method: str, answer: Any) -> Packet | None:
    """What `subscribe` or `publish` returned. FrameError for bytes that are no JSON."""
    if answer is None or answer == b"":
        return None
    if isinstance(answer, Frame):
        return packet_of(answer)
    if isinstance(answer, bytes):
        return parse_packet(answer)
    raise AnswerError(f"{method} returned {_named(answer)}: a Frame, JSON as bytes or None")


def frames_of_answer(answer: Any) -> Iterator[Frame]:
    """What `query` returned; frames that it makes one after another are not made before they are taken."""
    if isinstance(answer, Frame):
        return iter([answer])
    if isinstance(answer, str | bytes | Mapping) or not isinstance(answer, Iterable):
        raise AnswerError(f"query returned {_named(answer)}: a Frame or several")
    return _each_frame(answer)


def _each_frame(answer: Iterable[Any]) -> Iterator[Frame]:
    for frame in answer:
        if not isinstance(frame, Frame):
            raise AnswerError(f"query returned {_named(answer)} of {_named(frame)}: a Frame or several")
        yield frame


def health_of_answer(answer: Any) -> Health | None:
    """What `check_health` returned."""
    if answer is None:
        return None
    if not isinstance(answer, Health):
        raise AnswerError(f"check_health returned {_named(answer)}: a Health or None")
    try:
        msgspec.json.encode((answer.status, answer.message, answer.details))
    except (TypeError, ValueError) as error:
        raise AnswerError(f"check_health returned a Health that cannot be written as JSON: {error}") from None
    return answer


def _named(value: Any) -> str:
    return "None" if value is None else type(value).__name__
