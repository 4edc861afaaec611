"""What clients are called: a name for each connection, new with every one and never guessed."""

import os
from collections.abc import Iterator

NAMES_AT_ONCE = 64
"""Made of one piece of randomness, for which the system is asked each time."""


def _names() -> Iterator[str]:
    """Random UUIDs (RFC 9562, version 4), as centrifuge's are. The class of the library takes ten times as long."""
    while True:
        digits = os.urandom(16 * NAMES_AT_ONCE).hex()
        for start in range(0, len(digits), 32):
            name = digits[start : start + 32]
            variant = "89ab"[int(name[16], 16) % 4]
            yield f"{name[:8]}-{name[8:12]}-4{name[13:16]}-{variant}{name[17:20]}-{name[20:]}"


new_name = _names().__next__
"""The next client's."""
