"""What senders of metrics do on their connections: keep them, pipeline on them, wait for 100, send too much."""

import gzip
import json
import zlib

import trio

from end_to_end.conftest import ServerStarter
from end_to_end.server import RunningServer
from end_to_end.wire import Answer, connect, request, upgrade_request
from patience import PATIENCE_SECONDS

MIB = 1024 * 1024


async def send_once(server: RunningServer, data: bytes) -> Answer:
    async with connect(server.address) as connection:
        await connection.send(data)
        return await connection.answer()


def push_request(server: RunningServer, stream: str, body: bytes, query: str = "", **headers: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return request("POST", f"/api/live/push/{stream}{query}", body, host=server.address, headers=named)


def channels_of(listed: Answer, stream: str) -> list[str]:
    assert listed.status == 200, listed
    names = [row["channel"] for row in json.loads(listed.body)["channels"]]
    return [name for name in names if name.startswith(f"stream/{stream}/")]


async def test_a_push_is_answered_with_counts_and_no_body(server: RunningServer, stream: str) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        answer = await send_once(server, push_request(server, stream, b"m x=1 1\nbad\nm x=2 2\n"))
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["framecast-accepted"] == "2"
    assert answer.headers["framecast-rejected"] == "1"


async def test_a_report_names_the_bad_line(server: RunningServer, stream: str) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        answer = await send_once(server, push_request(server, stream, b"m x=1 1\nm y= 2\nm x=2 2\n", "?report=1"))
    assert answer.status == 200
    report = json.loads(answer.body)
    assert (report["accepted"], report["rejected"]) == (2, 1)
    (rejection,) = report["rejections"]
    assert (rejection["line"], rejection["column"]) == (2, 5)
    assert rejection["reason"]
    assert rejection["message"]


async def test_a_strict_push_with_a_bad_line_is_refused_with_the_report(server: RunningServer, stream: str) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        bad = await send_once(server, push_request(server, stream, b"m x=1 1\nbad\n", "?strict=1"))
        good = await send_once(server, push_request(server, stream, b"m x=2 2\n", "?strict=1"))
    assert bad.status == 400
    assert json.loads(bad.body)["rejections"][0]["line"] == 2
    assert good.status == 204


async def test_a_thousand_pushes_fit_on_one_connection(server: RunningServer, stream: str) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as connection:
            for number in range(1000):
                await connection.send(push_request(server, stream, b"m n=%di %d" % (number, number)))
                assert (await connection.answer()).status == 204


async def test_pipelined_pushes_are_answered_one_by_one(server: RunningServer, stream: str) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as connection:
            await connection.send(b"".join(push_request(server, stream, b"m n=1i %d\nm n=2i" % n) for n in range(50)))
            for _ in range(50):
                answer = await connection.answer()
                assert (answer.status, answer.headers["framecast-accepted"]) == (204, "2")


async def test_a_connection_that_pushed_can_ask_for_the_list_and_push_again(server: RunningServer, stream: str) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as connection:
            await connection.send(push_request(server, stream, b"first n=1i"))
            assert (await connection.answer()).status == 204
            await connection.send(request("GET", "/api/live/list", host=server.address))
            assert channels_of(await connection.answer(), stream) == [f"stream/{stream}/first"]
            await connection.send(push_request(server, stream, b"second n=1i"))
            assert (await connection.answer()).status == 204
            await connection.send(request("GET", "/api/live/list", host=server.address))
            listed = channels_of(await connection.answer(), stream)
            assert listed == [f"stream/{stream}/first", f"stream/{stream}/second"]


async def test_a_connection_that_pushed_can_become_a_websocket(server: RunningServer, stream: str) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as connection:
            await connection.send(push_request(server, stream, b"http n=1i"))
            assert (await connection.answer()).status == 204
            await connection.upgrade(upgrade_request(f"/api/live/push/{stream}", host=server.address))
            await connection.send_message(b"socket n=1i\n")
            while f"stream/{stream}/socket" not in channels_of(  # noqa: ASYNC110 - a push socket acknowledges nothing
                await send_once(server, request("GET", "/api/live/list", host=server.address)), stream
            ):
                await trio.sleep(0.02)


async def test_a_websocket_after_other_requests_is_refused_clearly(server: RunningServer, stream: str) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as connection:
            await connection.send(request("GET", "/api/live/list", host=server.address))
            assert (await connection.answer()).status == 200
            await connection.send(upgrade_request(f"/api/live/push/{stream}", host=server.address))
            answer = await connection.answer()
    assert answer.status in {101, 426}
    if answer.status == 426:
        assert "new connection" in json.loads(answer.body)["message"]


async def test_a_sender_that_waits_for_100_gets_it(server: RunningServer, stream: str) -> None:
    body = b"m n=1i\n"
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as connection:
            await connection.send(push_request(server, stream, body, Expect="100-continue").removesuffix(body))
            assert (await connection.answer()).status == 100
            await connection.send(body)
            answer = await connection.answer()
    assert (answer.status, answer.headers["framecast-accepted"]) == (204, "1")


async def test_no_path_is_answered_with_a_redirect(server: RunningServer, stream: str) -> None:
    # Telegraf follows one with a GET that has no body, and takes its 2xx for a delivery.
    with trio.fail_after(PATIENCE_SECONDS):
        for target in (f"/api/live/push/{stream}/", f"//api/live/push/{stream}", "/api/live/push/", "/api/live/push"):
            answer = await send_once(server, request("POST", target, b"m n=1i", host=server.address))
            assert not 300 <= answer.status < 400, (target, answer)
            answer = await send_once(server, request("GET", target, host=server.address))
            assert not 300 <= answer.status < 400, (target, answer)


async def test_what_cannot_be_a_stream_is_refused(server: RunningServer) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        for name in ("a%20b", "a/b", "%C3%A9", "x" * 200):
            answer = await send_once(server, push_request(server, name, b"m n=1i"))
            assert answer.status in {400, 404}, (name, answer)
            assert json.loads(answer.body)["message"]


async def test_a_body_over_the_limit_is_refused(start_server: ServerStarter, stream: str) -> None:
    server = start_server("push.body_bytes=65536")
    line = b"m n=1i\n"
    body = line * (70_000 // len(line))
    with trio.fail_after(PATIENCE_SECONDS):
        announced = await send_once(server, push_request(server, stream, body))
        assert announced.status == 413
        chunked = request(
            "POST", f"/api/live/push/{stream}", host=server.address, headers={"Transfer-Encoding": "chunked"}
        ).replace(b"Content-Length: 0\r\n", b"")
        chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
        assert (await send_once(server, chunked + chunks)).status == 413
        packed = gzip.compress(body)
        assert (await send_once(server, push_request(server, stream, packed, Content_Encoding="gzip"))).status == 413
        within = line * (60_000 // len(line))
        assert (await send_once(server, push_request(server, stream, within))).status == 204


async def test_a_message_over_the_limit_ends_its_push_socket_only(start_server: ServerStarter, stream: str) -> None:
    server = start_server("push.body_bytes=65536")
    with trio.fail_after(PATIENCE_SECONDS):
        async with connect(server.address) as connection:
            await connection.upgrade(upgrade_request(f"/api/live/push/{stream}", host=server.address))
            await connection.send_message(b"m n=1i\n" * 10_000)
            assert (await connection.message()).close_code == 1009
        assert (await send_once(server, push_request(server, stream, b"m n=1i"))).status == 204


async def test_gzip_bombs_are_refused_in_flat_memory(start_server: ServerStarter, stream: str) -> None:
    server = start_server("push.body_bytes=8388608")
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(MIB)) for _ in range(512)) + packer.flush()
    assert len(bomb) < MIB
    sizes = []
    with trio.fail_after(PATIENCE_SECONDS):
        for _ in range(12):
            sizes.append(server.resident_bytes())
            answer = await send_once(server, push_request(server, stream, bomb, Content_Encoding="gzip"))
            assert answer.status == 413, answer
        assert (await send_once(server, push_request(server, stream, b"m n=1i"))).status == 204
    # What one body may be, what it grew from and a copy: never what eleven left behind.
    assert max(sizes) - sizes[0] < 6 * 8 * MIB, sizes


async def test_broken_gzip_is_refused(server: RunningServer, stream: str) -> None:
    packed = gzip.compress(b"m n=1i\n")
    with trio.fail_after(PATIENCE_SECONDS):
        for body in (b"m n=1i\n", packed[:-4], packed[:-8] + bytes(8), packed + b"rest"):
            answer = await send_once(server, push_request(server, stream, body, Content_Encoding="gzip"))
            assert answer.status == 400, (body, answer)
        other = await send_once(server, push_request(server, stream, packed, Content_Encoding="br"))
        assert other.status == 415


async def test_the_metrics_count_pushes_and_name_no_stream(server: RunningServer, stream: str) -> None:
    def count(metrics: str, name: str) -> float:
        return sum(
            float(line.split()[-1]) for line in metrics.splitlines() if line.startswith((f"{name} ", f"{name}{{"))
        )

    with trio.fail_after(PATIENCE_SECONDS):
        ask = request("GET", "/metrics", host=server.address)
        before = (await send_once(server, ask)).body.decode()
        await send_once(server, push_request(server, stream, b"m n=1i\nbad\nm n=2i\n"))
        await send_once(server, push_request(server, stream, b'm n=1i 1\nm n="x" 2\n'))
        answer = await send_once(server, ask)
    after = answer.body.decode()
    assert answer.headers["content-type"].startswith("text/plain")
    for name, more in (
        ("framecast_push_requests_total", 2),
        ("framecast_push_accepted_lines_total", 4),
        ("framecast_push_rejected_lines_total", 1),
        ("framecast_push_mismatched_values_total", 1),
        ("framecast_push_late_rows_total", 2),
    ):
        assert count(after, name) - count(before, name) == more, name
    assert stream not in after


async def test_a_sender_that_leaves_in_the_middle_harms_nobody(server: RunningServer, stream: str) -> None:
    whole = push_request(server, stream, b"m n=1i\n" * 1000)
    with trio.fail_after(PATIENCE_SECONDS):
        for length in (1, 20, len(whole) - 1):
            async with connect(server.address) as connection:
                await connection.send(whole[:length])
        assert (await send_once(server, whole)).headers["framecast-accepted"] == "1000"
