"""What a stream that was read from already looks like to whoever gets it next."""

import pytest
import trio
from trio.testing import lockstep_stream_pair, wait_all_tasks_blocked

from framecast.door.replay import ReplayedStream
from patience import PATIENCE_SECONDS


async def test_sending_while_the_stream_is_being_ended_finds_it_broken() -> None:
    ours, theirs = lockstep_stream_pair()
    replayed = ReplayedStream(ours, b"", send_seconds=10)
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ours.send_all, b"held up until somebody reads")
            await wait_all_tasks_blocked()
            with pytest.raises(trio.BrokenResourceError, match="being ended"):
                await replayed.send_all(b"")
            assert await theirs.receive_some() == b"held up until somebody reads"
