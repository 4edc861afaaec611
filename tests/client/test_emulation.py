"""Frames on their way to the session they are for."""

import gc
import weakref

import pytest
import trio
import trio.testing

from framecast.accounts.identity import DEVELOPER, Identity, Role
from framecast.client.emulation import REQUEST_BYTES, EmulatedSessions, Mailbox
from framecast.client.transport import Emulated
from framecast.errors import PeerLeft, Refusal
from framecast.settings import Live

OTHER = Identity(org_id=1, login="other", role=Role.ADMIN)
LIMITS = Live(message_size_limit=3 * REQUEST_BYTES, command_seconds=10.0)


async def check_refused(sessions: EmulatedSessions, address: Emulated, code: int, sender: Identity | None) -> None:
    with pytest.raises(Refusal) as refused:
        await sessions.deliver(sender, address, b"frame")
    assert refused.value.code == code
    assert address.session not in refused.value.message


async def take_all(mailbox: Mailbox, frames: list[bytes]) -> None:
    while True:
        frames.append(await mailbox.get())


async def test_frames_arrive_in_order_each_in_its_own_session(nursery: trio.Nursery) -> None:
    sessions = EmulatedSessions(LIMITS)
    with sessions.open(DEVELOPER) as one, sessions.open(DEVELOPER) as other:
        heard: tuple[list[bytes], list[bytes]] = ([], [])
        nursery.start_soon(take_all, one, heard[0])
        nursery.start_soon(take_all, other, heard[1])
        for number in range(20):
            await sessions.deliver(DEVELOPER, (one, other)[number % 2].address, b"%d" % number)
        await trio.testing.wait_all_tasks_blocked()
        assert heard == ([b"%d" % n for n in range(0, 20, 2)], [b"%d" % n for n in range(1, 20, 2)])
        nursery.cancel_scope.cancel()


async def test_only_its_owner_finds_a_session_and_only_on_its_node() -> None:
    sessions, elsewhere = EmulatedSessions(LIMITS), EmulatedSessions(LIMITS)
    with sessions.open(DEVELOPER) as mailbox, sessions.open(None) as strangers:
        address = mailbox.address
        for sender in (OTHER, None):
            await check_refused(sessions, address, 404, sender)
        await check_refused(sessions, strangers.address, 404, DEVELOPER)
        await check_refused(elsewhere, address, 404, DEVELOPER)
        await check_refused(sessions, Emulated(address.session, "other node"), 404, DEVELOPER)
        await check_refused(sessions, Emulated("guessed", address.node), 404, DEVELOPER)
    await check_refused(sessions, address, 404, DEVELOPER)


async def test_secrets_differ_and_are_not_shown() -> None:
    sessions = EmulatedSessions(LIMITS)
    with sessions.open(DEVELOPER) as one, sessions.open(DEVELOPER) as other:
        assert one.address.session != other.address.session
        assert len(one.address.session) >= 43
        assert one.address.session not in repr(one.address)


async def test_a_frame_waits_until_it_is_taken(autojump_clock: trio.testing.MockClock, nursery: trio.Nursery) -> None:
    sessions = EmulatedSessions(LIMITS)
    with sessions.open(DEVELOPER) as mailbox:
        taken = trio.Event()

        async def deliver() -> None:
            await sessions.deliver(DEVELOPER, mailbox.address, b"frame")
            taken.set()

        nursery.start_soon(deliver)
        await trio.sleep(9)
        assert not taken.is_set()
        assert await mailbox.get() == b"frame"
        await taken.wait()


async def test_a_session_that_does_not_come_to_a_frame_never_gets_it(autojump_clock: trio.testing.MockClock) -> None:
    sessions = EmulatedSessions(LIMITS)
    with sessions.open(DEVELOPER) as mailbox:
        begun = trio.current_time()
        await check_refused(sessions, mailbox.address, 429, DEVELOPER)
        assert trio.current_time() - begun == LIMITS.command_seconds
        with trio.move_on_after(100):
            raise AssertionError(await mailbox.get())


async def test_a_flood_at_one_session_is_refused_at_once(autojump_clock: trio.testing.MockClock) -> None:
    sessions = EmulatedSessions(LIMITS)
    refused = 0

    async def flood(address: Emulated) -> None:
        nonlocal refused
        try:
            await sessions.deliver(DEVELOPER, address, b"x")
        except Refusal as refusal:
            assert refusal.code == 429
            refused += 1

    with sessions.open(DEVELOPER) as mailbox, sessions.open(DEVELOPER) as neighbour:
        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(flood, mailbox.address)
            await trio.testing.wait_all_tasks_blocked()
            assert refused == 48  # two wait
            nursery.start_soon(flood, neighbour.address)
            assert await neighbour.get() == b"x"
            assert [await mailbox.get() for _ in range(2)] == [b"x"] * 2
        assert refused == 48
        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood, mailbox.address)
            assert await mailbox.get() == b"x"


async def test_one_frame_of_any_size_may_wait(nursery: trio.Nursery) -> None:
    sessions = EmulatedSessions(LIMITS)
    with sessions.open(DEVELOPER) as mailbox:
        large = b"x" * LIMITS.message_size_limit
        nursery.start_soon(sessions.deliver, DEVELOPER, mailbox.address, large)
        assert await mailbox.get() == large


async def test_who_waits_when_a_session_ends_is_told_and_nobody_reads_on() -> None:
    sessions = EmulatedSessions(LIMITS)
    async with trio.open_nursery() as nursery:
        with sessions.open(DEVELOPER) as mailbox:
            nursery.start_soon(check_refused, sessions, mailbox.address, 404, DEVELOPER)
            await trio.testing.wait_all_tasks_blocked()
    with pytest.raises(PeerLeft):
        await mailbox.get()


async def test_nothing_is_left_of_a_session() -> None:
    sessions = EmulatedSessions(LIMITS)
    with sessions.open(DEVELOPER) as mailbox:
        left = weakref.ref(mailbox)
    del mailbox
    gc.collect()
    assert left() is None


async def test_the_reader_of_a_closed_mailbox_is_told() -> None:
    sessions = EmulatedSessions(LIMITS)

    async def read(mailbox: Mailbox) -> None:
        with pytest.raises(PeerLeft):
            await mailbox.get()

    with sessions.open(DEVELOPER) as mailbox:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, mailbox)
            await trio.testing.wait_all_tasks_blocked()
            mailbox.close()
