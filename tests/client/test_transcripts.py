"""Golden transcripts, held against a session alone and over a real WebSocket, however their messages are cut."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import trio.testing
from trio_websocket import ConnectionClosed

from client.desk import Desk
from client.transcripts import CLIENT, SOMEBODY, TRANSCRIPTS, Transcript, let_happen, read_transcript
from client.wired import World, open_world
from framecast.errors import PeerError

FILES = pytest.mark.parametrize("file", TRANSCRIPTS, ids=lambda file: file.stem)
CUTS = pytest.mark.parametrize("singly", [False, True], ids=["whole", "singly"])


def open_desk(transcript: Transcript) -> Desk:
    desk = Desk(wishes=transcript.wishes, client=CLIENT)
    desk.hub.pasts.update(transcript.pasts)
    return desk


def messages_of(transcript: Transcript, what: str, *, singly: bool) -> list[bytes]:
    return transcript.singly(what) if singly else [transcript.message(what)]


def hear(desk: Desk, transcript: Transcript, messages: Sequence[bytes]) -> list[Any]:
    """What is said to these messages, the goodbye included."""
    end = []
    try:
        for message in messages:
            desk.give(message)
    except PeerError as broken:
        end = [f"{broken.code} {broken.reason}"]
    said, desk.wire = desk.wire, []
    return [line for message in said for line in transcript.heard(message)] + end


def play(transcript: Transcript, *, singly: bool = False, ending: bytes = b"", break_at: int | None = None) -> bool:
    """Hold a transcript against a session. With `break_at`, that message of the client is followed by garbage.

    Whether there was that message.
    """
    desk = open_desk(transcript)
    said: list[Any] = []
    number = 0
    for who, what in transcript.steps:
        if who == ">":
            assert said == []
            messages = [one + ending for one in messages_of(transcript, what, singly=singly)]
            if number == break_at:
                messages[-1] += transcript.garbage
            said += hear(desk, transcript, messages)
            number += 1
        elif who == "<":
            assert said.pop(0) == transcript.expected(what)
            if said == ["3501 bad request"] and number - 1 == break_at:
                return True
        elif who == "!":
            assert said.pop(0) == what
        elif what == "ping":
            desk.ping()
            said += hear(desk, transcript, [])
        else:
            let_happen(desk.hub, who, what)
            said += hear(desk, transcript, [])
    assert said == ([] if break_at is None or number <= break_at else ["3501 bad request"])
    return break_at is not None and number > break_at


@FILES
@CUTS
def test_a_session_holds_to_the_transcript(file: Path, *, singly: bool) -> None:
    transcript = read_transcript(file)
    assert any(who == "<" for who, _ in transcript.steps)
    play(transcript, singly=singly)
    play(read_transcript(file), singly=singly, ending=read_transcript(file).ending)


@FILES
def test_garbage_behind_a_message_ends_it_after_its_good_commands(file: Path) -> None:
    says = sum(who == ">" for who, _ in read_transcript(file).steps)
    broken = 0
    for number in range(says):
        transcript = read_transcript(file)
        if end_after(transcript, number):
            assert play(transcript, break_at=number)
            broken += 1
    assert broken >= says - 1


def end_after(transcript: Transcript, number: int) -> bool:
    """Let a message of the client, and what is said to it, be the last. False where it is the end anyway."""
    kept: list[tuple[str, str]] = []
    for who, what in transcript.steps:
        if number < 0 and who != "<":
            break
        number -= who == ">"
        kept.append((who, what))
    rest = transcript.steps[len(kept) :]
    transcript.steps = kept
    return not rest or rest[0][0] != "!"


async def play_wired(world: World, transcript: Transcript, *, singly: bool, ending: bytes) -> bool:
    """Hold a transcript against a connection; whether it has been closed."""
    world.hub.pasts.update(transcript.pasts)
    said: list[Any] = []
    for who, what in transcript.steps:
        if who == ">":
            for one in messages_of(transcript, what, singly=singly):
                whole = one + ending
                await world.client.send_message(whole if transcript.binary else whole.decode())
        elif who == "<":
            if not said:
                message = await world.client.get_message()
                said += transcript.heard(message.encode() if isinstance(message, str) else message)
            assert said.pop(0) == transcript.expected(what)
        elif who == "!":
            assert said == []
            code, reason = await world.wait_closed()
            assert f"{code} {reason}" == what
            return True
        elif what != "ping":
            await trio.testing.wait_all_tasks_blocked()
            let_happen(world.hub, who, what)
    assert said == []
    return False


@FILES
@CUTS
@pytest.mark.parametrize("most_bytes", [None, 1], ids=["at once", "byte by byte"])
async def test_a_connection_holds_to_the_transcript(
    file: Path, *, singly: bool, most_bytes: int | None, autojump_clock: trio.testing.MockClock
) -> None:
    transcript = read_transcript(file)
    async with open_world(wishes=transcript.wishes) as world:
        world.outbox.most_bytes = most_bytes
        closed = await play_wired(world, transcript, singly=singly, ending=transcript.ending if singly else b"")
        if not closed:
            await trio.testing.wait_all_tasks_blocked()
            assert not world.ended.is_set()
            await world.client.send_message(transcript.garbage)
            with pytest.raises(ConnectionClosed):
                await world.client.get_message()
            assert await world.wait_closed() == (3501, "bad request")
        await world.ended.wait()
        assert not [key for key in world.hub.subscribers if key[1] != SOMEBODY]
