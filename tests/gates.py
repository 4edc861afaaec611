"""Gates of tests: one that lets nobody in, and one that lets everybody in as who a test says."""

from framecast.accounts.gate import build_gate
from framecast.accounts.identity import Identity
from framecast.door.head import RequestHead

closed_gate = build_gate([])


class Door:
    """A gate that everybody comes through as whoever stands in it."""

    def __init__(self, caller: Identity) -> None:
        self.caller = caller

    async def __call__(self, head: RequestHead) -> Identity:
        return self.caller
