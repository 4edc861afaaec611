"""Who holds most, found without a search: holders in classes by the power of two of the bytes they hold.

An exact order would cost a heap's work with every publication. What classes promise is enough to be fair: whoever
holds less than half of what another holds is never named.
"""

from collections import OrderedDict


class Holders:
    """Names and the bytes they hold; those who hold nothing are not kept."""

    __slots__ = ("_class_of", "_classes")

    def __init__(self) -> None:
        self._class_of: dict[str, int] = {}
        self._classes: dict[int, OrderedDict[str, None]] = {}

    def note(self, name: str, held_bytes: int, *, used: bool = False) -> None:
        """`name` holds so many bytes now; `used` when something was added to them."""
        before, now = self._class_of.get(name, 0), held_bytes.bit_length()
        if before != now:
            self._leave(name, before)
            self._enter(name, now)
        if used and now:
            self._classes[now].move_to_end(name)

    def one_of_the_largest(self) -> str:
        """Of those who hold most, within a factor of two, the one that was used longest ago. ValueError without any."""
        return next(iter(self._classes[max(self._classes)]))

    def _leave(self, name: str, number: int) -> None:
        if number:
            del self._class_of[name], self._classes[number][name]
            if not self._classes[number]:
                del self._classes[number]

    def _enter(self, name: str, number: int) -> None:
        if number:
            self._class_of[name] = number
            group = self._classes.setdefault(number, OrderedDict())
            group[name] = None
            group.move_to_end(name, last=False)
