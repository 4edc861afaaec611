"""Messages and bodies in tiny pieces: how many are handled in one turn, and when they are too many and too small.

Each piece costs as much as a large one, and a peer can send thousands in what one read brings.
"""

PIECES_PER_TURN = 64
"""Chunks, or what frames say, handled between two checkpoints: less than a millisecond, so that ten floods are felt as
ten."""

FREE_PIECES = 10_000
PIECE_BYTES = 8
"""No settings: Telegraf's chunks have 240 bytes and its frames 4,096, a line of its own for each chunk has more than 8,
and who sends fewer than 10,000 pieces may cut them as small as it likes."""


class Pieces:
    """Counts the pieces of one body; those of a message the core counts, in the same way."""

    def __init__(self) -> None:
        self._count = 0
        self._bytes = 0

    def add(self, size: int, *, ends: bool = True) -> bool:
        """Count `size` bytes, with which a piece `ends` or not; return whether the pieces have become crumbs."""
        self._count += ends
        self._bytes += size
        return self._count > FREE_PIECES and self._bytes < self._count * PIECE_BYTES
