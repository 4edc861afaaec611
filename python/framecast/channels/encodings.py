"""What was encoded for one subscriber and may be wanted by the next, bounded in bytes: the newest ones made."""

from collections import OrderedDict
from collections.abc import Callable, Hashable

from framecast.channels.history import ENTRY_BYTES


class Encodings:
    """Texts by what they were made of."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()
        self.bytes = 0
        """What is kept, and what keeping it costs."""

    def find_or_make(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """What was made for `key`; it must say all that `make` depends on."""
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = make()
            self.bytes += len(found) + ENTRY_BYTES
            while self.bytes > self._max_bytes:
                _, dropped = self._kept.popitem(last=False)
                self.bytes -= len(dropped) + ENTRY_BYTES
        return found
