"""What was made is found again, and the newest of it is kept."""

from framecast.channels.encodings import Encodings
from framecast.channels.history import ENTRY_BYTES


def test_what_was_made_is_not_made_again() -> None:
    encodings = Encodings(10_000)
    made: list[str] = []

    def make(text: str) -> bytes:
        made.append(text)
        return text.encode()

    for key in ("a", "b", "a"):
        assert encodings.find_or_make((key, 1), lambda key=key: make(key)) == key.encode()  # type: ignore[misc]
    assert encodings.find_or_make(("a", 2), lambda: make("c")) == b"c"
    assert made == ["a", "b", "c"]


def test_the_newest_are_kept_within_the_limit() -> None:
    encodings = Encodings(3 * (ENTRY_BYTES + 100))
    for number in range(10):
        encodings.find_or_make(number, lambda: b"x" * 100)
        assert encodings.bytes == min(number + 1, 3) * (ENTRY_BYTES + 100)
    encodings.find_or_make(7, fail)
    made = [encodings.find_or_make(number, lambda: b"y") for number in (9, 8, 6)]
    assert made == [b"x" * 100, b"x" * 100, b"y"]
    encodings.find_or_make("huge", lambda: b"x" * 10_000)
    assert encodings.bytes == 0


def fail() -> bytes:
    raise AssertionError("it was there")
