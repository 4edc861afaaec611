"""Ids that were pushed to and are no streams: why not, for who looks for the stream and finds none.

A stream begins with its first accepted line. Without this page of the book a sender whose every line is bad would be
the one that nobody can find out about.
"""

from collections import OrderedDict

from framecast.streams.ledger import PushError

Key = tuple[int, str]
"""Org and stream id."""


class Unbegun:
    """Remembers the last error of at most `max_ids` ids; beyond, the longest untouched is forgotten."""

    def __init__(self, max_ids: int) -> None:
        self._max_ids = max_ids
        self._errors: OrderedDict[Key, PushError] = OrderedDict()

    def note(self, key: Key, error: PushError) -> None:
        """Nothing was taken of a push to `key`, because of `error`."""
        self._errors[key] = error
        self._errors.move_to_end(key)
        if len(self._errors) > self._max_ids:
            self._errors.popitem(last=False)

    def forget(self, key: Key) -> None:
        """It is a stream now."""
        self._errors.pop(key, None)

    def find(self, key: Key) -> PushError | None:
        """Why the last push to `key` began no stream; None when none is remembered."""
        return self._errors.get(key)
