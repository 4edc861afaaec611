"""Calls over a connection in memory, against a server whose handlers behave or misbehave as they like."""

import math

import pytest
import trio
import trio.testing
from h2.errors import ErrorCodes

from framecast.plugins.host.grpc.channel import Channel, ChannelOptions
from framecast.plugins.host.grpc.status import GrpcError, StatusCode
from plugins.grpc_server import ANSWER, Handler, ServedCall, framed
from plugins.wired import LIMITS, connected


async def ask_code(channel: Channel, path: str, seconds: float = 10) -> tuple[StatusCode, str]:
    with pytest.raises(GrpcError) as caught:
        await channel.ask(path, b"question", seconds=seconds)
    return caught.value.code, caught.value.message


async def echo(call: ServedCall) -> None:
    await call.request_ended.wait()
    await call.answer(call.message)


async def test_a_unary_call_brings_the_answer(autojump_clock: trio.testing.MockClock) -> None:
    async with connected({"/x/Echo": echo}) as (channel, _):
        assert await channel.ask("/x/Echo", b"hello", seconds=10) == b"hello"
        assert await channel.ask("/x/Echo", b"", seconds=10) == b""
        assert await channel.ask("/x/Echo", bytes(900_000), seconds=10) == bytes(900_000)


async def test_many_calls_share_a_connection_and_none_waits_for_another(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def slow_echo(call: ServedCall) -> None:
        await call.request_ended.wait()
        await trio.sleep(100 - call.message[0])
        await call.answer(call.message)

    async with connected({"/x/Echo": slow_echo}) as (channel, peer):
        answers = []

        async def ask(number: int) -> None:
            answers.append((await channel.ask("/x/Echo", bytes([number]), seconds=1_000))[0])

        async with trio.open_nursery() as nursery:
            for number in range(40):
                nursery.start_soon(ask, number)
        assert answers == sorted(range(40), reverse=True)
        assert len(peer.servers) == 1


async def test_the_plugin_is_told_the_deadline_and_the_call_ends_at_it_even_if_the_plugin_does_not(
    autojump_clock: trio.testing.MockClock,
) -> None:
    served: list[ServedCall] = []

    async def deaf(call: ServedCall) -> None:
        served.append(call)
        await call.reset.wait()

    async with connected({"/x/Deaf": deaf, "/x/Echo": echo}) as (channel, _):
        began = trio.current_time()
        assert await ask_code(channel, "/x/Deaf", seconds=7) == (
            StatusCode.DEADLINE_EXCEEDED,
            "the plugin did not answer within 7 s",
        )
        assert trio.current_time() - began == pytest.approx(7)
        await trio.testing.wait_all_tasks_blocked()
        assert (served[0].fields["grpc-timeout"], served[0].reset_code) == ("7000m", ErrorCodes.CANCEL)
        assert await channel.ask("/x/Echo", b"still here", seconds=10) == b"still here"


async def check_ending(handler: Handler, code: StatusCode, words: str) -> None:
    async with connected({"/x/Ends": handler, "/x/Echo": echo}) as (channel, _):
        told, message = await ask_code(channel, "/x/Ends")
        assert (told, words in message) == (code, True), message
        assert await channel.ask("/x/Echo", b"on", seconds=10) == b"on"


async def test_a_status_with_words_is_told(autojump_clock: trio.testing.MockClock) -> None:
    async def refuse(call: ServedCall) -> None:
        await call.head()
        await call.finish("7", ("grpc-message", "not%20you %E2%9D%97"))

    await check_ending(refuse, StatusCode.PERMISSION_DENIED, "not you ❗")


async def test_an_answer_of_trailers_alone_is_an_ending(autojump_clock: trio.testing.MockClock) -> None:
    async def refuse(call: ServedCall) -> None:
        await call.head(("grpc-status", "12"), ("grpc-message", "unknown service"), ends=True)

    await check_ending(refuse, StatusCode.UNIMPLEMENTED, "unknown service")


async def test_a_web_page_is_no_answer(autojump_clock: trio.testing.MockClock) -> None:
    async def page(call: ServedCall) -> None:
        await call.fields_only((":status", "200"), ("content-type", "text/html"), ends=False)
        await call.data(b"<html>", ends=True)

    await check_ending(page, StatusCode.UNKNOWN, "text/html")


async def test_a_reset_stream_ends_its_call_alone(autojump_clock: trio.testing.MockClock) -> None:
    async def reset(call: ServedCall) -> None:
        await call.head()
        await call.break_off(ErrorCodes.ENHANCE_YOUR_CALM)

    await check_ending(reset, StatusCode.RESOURCE_EXHAUSTED, "ENHANCE_YOUR_CALM")


async def test_a_stream_that_ends_without_trailers_is_an_error(autojump_clock: trio.testing.MockClock) -> None:
    async def vanish(call: ServedCall) -> None:
        await call.head()
        await call.data(framed(b"something"), ends=True)

    await check_ending(vanish, StatusCode.INTERNAL, "without a status")


async def test_an_ending_within_a_message_is_an_error_though_it_says_ok(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def vanish(call: ServedCall) -> None:
        await call.head()
        await call.data(framed(b"something")[:-1])
        await call.finish()

    await check_ending(vanish, StatusCode.INTERNAL, "within a message")


async def test_a_compressed_message_is_refused_and_its_call_broken_off(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def compress(call: ServedCall) -> None:
        await call.head()
        await call.data(framed(b"something", flag=1))
        await call.reset.wait()

    await check_ending(compress, StatusCode.INTERNAL, "compressed")


async def test_a_message_above_the_limit_is_refused_and_its_call_broken_off(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def swell(call: ServedCall) -> None:
        await call.head()
        await call.data(framed(bytes(1_000_001)))

    await check_ending(swell, StatusCode.RESOURCE_EXHAUSTED, "1,000,001 bytes, and 1,000,000 are allowed")


async def test_no_answer_and_two_answers_are_errors_of_a_unary_call(autojump_clock: trio.testing.MockClock) -> None:
    async def none(call: ServedCall) -> None:
        await call.answer()

    async def two(call: ServedCall) -> None:
        await call.answer(b"1", b"2")

    await check_ending(none, StatusCode.INTERNAL, "without an answer")
    await check_ending(two, StatusCode.INTERNAL, "answered twice")


async def test_a_stream_brings_its_messages_in_order_and_then_its_end(autojump_clock: trio.testing.MockClock) -> None:
    async def count(call: ServedCall) -> None:
        await call.answer(*(b"%d" % number for number in range(500)))

    async with (
        connected({"/x/Count": count}) as (channel, _),
        channel.listen("/x/Count", b"", begin_seconds=10) as call,
    ):
        messages = [await call.receive() for _ in range(500)]
        assert messages == [b"%d" % number for number in range(500)]
        assert await call.receive() is None
        assert await call.receive() is None


async def test_a_stream_that_fails_brings_what_came_before_first(autojump_clock: trio.testing.MockClock) -> None:
    async def fail(call: ServedCall) -> None:
        await call.head()
        await call.send(b"one", b"two")
        await call.finish("10", ("grpc-message", "enough"))

    async with connected({"/x/Fail": fail}) as (channel, _), channel.listen("/x/Fail", b"", begin_seconds=10) as call:
        await trio.testing.wait_all_tasks_blocked()
        assert [await call.receive(), await call.receive()] == [b"one", b"two"]
        for _ in range(2):
            with pytest.raises(GrpcError, match="ABORTED: enough"):
                await call.receive()


async def test_leaving_a_stream_cancels_it_in_the_plugin(autojump_clock: trio.testing.MockClock) -> None:
    served: list[ServedCall] = []

    async def forever(call: ServedCall) -> None:
        served.append(call)
        await call.head()
        while True:
            await call.send(b"tick")
            await trio.sleep(1)

    async with connected({"/x/Forever": forever, "/x/Echo": echo}) as (channel, _):
        async with channel.listen("/x/Forever", b"", begin_seconds=10) as call:
            assert [await call.receive() for _ in range(3)] == [b"tick"] * 3
            assert "grpc-timeout" not in served[0].fields
        with trio.fail_after(10):
            await served[0].reset.wait()
        assert served[0].reset_code == ErrorCodes.CANCEL
        assert await channel.ask("/x/Echo", b"on", seconds=10) == b"on"


async def test_a_cancelled_consumer_loses_no_message(autojump_clock: trio.testing.MockClock) -> None:
    async def count(call: ServedCall) -> None:
        await call.head()
        for number in range(1_000):
            await call.send(b"%d" % number)
            if number % 10 == 0:
                await trio.sleep(1)
        await call.finish()

    async with (
        connected({"/x/Count": count}) as (channel, _),
        channel.listen("/x/Count", b"", begin_seconds=10) as call,
    ):
        messages: list[bytes] = []
        message: bytes | None = b""
        while message is not None:
            message = b""
            with trio.move_on_after(0.01 * (len(messages) % 7 + 1)):
                message = await call.receive()
            if message:
                messages.append(message)
        assert messages == [b"%d" % number for number in range(1_000)]


async def test_a_consumer_of_many_messages_lets_the_others_in(autojump_clock: trio.testing.MockClock) -> None:
    async def count(call: ServedCall) -> None:
        await call.answer(*[b"x"] * 6_400)

    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with connected({"/x/Count": count}) as (channel, _), channel.listen("/x/Count", b"", begin_seconds=9) as call:
        await trio.testing.wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(others)
            assert [await call.receive() for _ in range(6_400)] == [b"x"] * 6_400
            nursery.cancel_scope.cancel()
    assert turns >= 90


async def test_a_call_that_is_left_makes_room_for_the_next(autojump_clock: trio.testing.MockClock) -> None:
    async def forever(call: ServedCall) -> None:
        await call.head()
        await call.reset.wait()

    async with connected({"/x/Forever": forever}, settings={3: 1}) as (channel, peer):
        await peer.servers[0].settings_acknowledged.wait()
        begun: list[int] = []

        async def run(number: int) -> None:
            async with channel.listen("/x/Forever", b"", begin_seconds=100):
                begun.append(number)
                await trio.sleep(10)

        async with trio.open_nursery() as nursery:
            for number in range(5):
                nursery.start_soon(run, number)
        assert sorted(begun) == list(range(5))


async def test_a_slow_consumer_holds_its_stream_back_and_no_other(autojump_clock: trio.testing.MockClock) -> None:
    sent = 0

    async def fast(call: ServedCall) -> None:
        nonlocal sent
        await call.head()
        while True:
            await call.send(bytes(95))
            sent += 1

    async with (
        connected({"/x/Fast": fast, "/x/Echo": echo}) as (channel, _),
        channel.listen("/x/Fast", b"", begin_seconds=10) as call,
    ):
        await trio.sleep(5)
        held = sent
        assert held * 100 <= LIMITS.window_bytes
        assert await channel.ask("/x/Echo", bytes(500_000), seconds=10) == bytes(500_000)
        await trio.sleep(5)
        assert sent == held
        for _ in range(400):
            assert await call.receive() == bytes(95)
        await trio.sleep(5)
        assert held < sent <= held + 400


async def test_a_message_larger_than_the_window_arrives(autojump_clock: trio.testing.MockClock) -> None:
    async def large(call: ServedCall) -> None:
        await call.answer(b"small", bytes(700_000), b"small", bytes(999_999))

    async with (
        connected({"/x/Large": large}) as (channel, _),
        channel.listen("/x/Large", b"", begin_seconds=10) as call,
    ):
        sizes = [len(await call.receive() or b"") for _ in range(4)]
        assert sizes == [5, 700_000, 5, 999_999]
        assert await call.receive() is None


async def test_calls_wait_for_room_when_the_plugin_allows_few(autojump_clock: trio.testing.MockClock) -> None:
    at_once = most = 0

    async def busy(call: ServedCall) -> None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await call.request_ended.wait()
        await trio.sleep(1)
        at_once -= 1
        await call.answer(b"done")

    async with connected({"/x/Busy": busy}, settings={3: 2}) as (channel, peer):
        with trio.fail_after(10):
            await peer.servers[0].settings_acknowledged.wait()
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(lambda: channel.ask("/x/Busy", b"", seconds=30))
        assert most == 2
        assert await ask_code_after_waiting(channel) is StatusCode.DEADLINE_EXCEEDED


async def ask_code_after_waiting(channel: Channel) -> StatusCode:
    """Fill the room for two calls, and let a third one wait for longer than it can."""
    async with channel.listen("/x/Busy", b"", begin_seconds=5), channel.listen("/x/Busy", b"", begin_seconds=5):
        with pytest.raises(GrpcError) as caught:
            async with channel.listen("/x/Busy", b"", begin_seconds=0.5):
                pass
        return caught.value.code


async def test_the_end_of_the_connection_ends_all_calls_and_later_ones_with_unavailable(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def hang_up(call: ServedCall) -> None:
        await call.head()
        await call.send(b"last words")
        await trio.sleep(1)
        await call.server.stream.aclose()

    endings: list[GrpcError] = []

    async def listen(channel: Channel) -> None:
        async with channel.listen("/x/HangUp", b"", begin_seconds=10) as call:
            assert await call.receive() == b"last words"
            with pytest.raises(GrpcError) as caught:
                await call.receive()
            endings.append(caught.value)

    async with connected({"/x/HangUp": hang_up}) as (channel, peer):
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(listen, channel)
        assert {(error.code, error.message) for error in endings} == {
            (StatusCode.UNAVAILABLE, "the plugin closed the connection")
        }
        assert await ask_code(channel, "/x/HangUp") == (StatusCode.UNAVAILABLE, "the plugin closed the connection")
        assert len(peer.servers) == 1


async def test_what_is_no_http2_ends_the_connection_with_a_reason(autojump_clock: trio.testing.MockClock) -> None:
    async def garbage(call: ServedCall) -> None:
        await call.server.send_raw(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)
        await trio.sleep_forever()

    async with connected({"/x/Garbage": garbage}) as (channel, _):
        code, message = await ask_code(channel, "/x/Garbage")
        assert (code, message.startswith("the plugin broke HTTP/2: ")) == (StatusCode.UNAVAILABLE, True)


async def test_a_plugin_that_takes_no_more_calls_is_dialled_anew_and_ends_the_old_ones_in_its_time(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def slow(call: ServedCall) -> None:
        await call.head()
        for number in range(5):
            await call.send(b"%d" % number)
            await trio.sleep(10)
        await call.finish()

    async with connected({"/x/Slow": slow, "/x/Echo": echo}) as (channel, peer):
        async with channel.listen("/x/Slow", b"", begin_seconds=10) as call:
            assert await call.receive() == b"0"
            await peer.servers[0].send_raw(b"\0\0\x08\x07\0\0\0\0\0\x7f\xff\xff\xff" + bytes(4))
            await trio.testing.wait_all_tasks_blocked()
            assert await channel.ask("/x/Echo", b"new", seconds=10) == b"new"
            assert [len(server.calls) for server in peer.servers] == [1, 1]
            assert [await call.receive() for _ in range(5)] == [b"1", b"2", b"3", b"4", None]
        assert await channel.ask("/x/Echo", b"newer", seconds=10) == b"newer"
        assert [len(server.calls) for server in peer.servers] == [1, 2]


async def test_a_plugin_that_cannot_be_dialled_anew_is_over(autojump_clock: trio.testing.MockClock) -> None:
    async with connected({"/x/Echo": echo}) as (channel, peer):
        peer.unreachable = True
        await peer.servers[0].send_raw(b"\0\0\x08\x07\0\0\0\0\0\x7f\xff\xff\xff" + bytes(4))
        await trio.testing.wait_all_tasks_blocked()
        code, message = await ask_code(channel, "/x/Echo", seconds=10)
        assert (code, "No such file" in message) == (StatusCode.UNAVAILABLE, True)


async def test_a_plugin_that_cannot_be_dialled_at_all_is_told_at_once(autojump_clock: trio.testing.MockClock) -> None:
    async def refuse() -> trio.abc.Stream:
        raise OSError(111, "Connection refused")

    async def hang() -> trio.abc.Stream:
        await trio.sleep(math.inf)
        raise AssertionError

    options = ChannelOptions(limits=LIMITS, scheme="http", dial_seconds=5, send_seconds=5, redial_seconds=1)
    for dial, words in ((refuse, "Connection refused"), (hang, "within 5 s")):
        with pytest.raises(GrpcError, match=words) as caught:
            await Channel(dial, options).run()
        assert caught.value.code is StatusCode.UNAVAILABLE


async def test_a_plugin_that_reads_nothing_is_given_up(autojump_clock: trio.testing.MockClock) -> None:
    ours, _theirs = trio.testing.lockstep_stream_pair()

    async def dial() -> trio.abc.Stream:
        return ours

    options = ChannelOptions(limits=LIMITS, scheme="http", dial_seconds=5, send_seconds=5, redial_seconds=1)
    with trio.fail_after(100):
        assert await Channel(dial, options).run() == "the plugin took nothing of what we sent for 5 s"


async def test_the_answer_s_head_may_come_long_before_its_messages(autojump_clock: trio.testing.MockClock) -> None:
    async def slowly(call: ServedCall) -> None:
        call.server.h2.send_headers(call.stream_id, ANSWER)
        await call.server.flush()
        await trio.sleep(3_00)
        await call.send(b"at last")
        await call.finish()

    async with (
        connected({"/x/Slowly": slowly}) as (channel, _),
        channel.listen("/x/Slowly", b"", begin_seconds=10) as call,
    ):
        assert [await call.receive(), await call.receive()] == [b"at last", None]
