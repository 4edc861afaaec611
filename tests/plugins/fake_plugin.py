"""A plugin in Python, as a process of its own: what go-plugin's guide demands of one, and the faults of the tests.

`write_script` makes an executable of it. What it knows of the host is the environment that it was started with.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import trio

from framecast.plugins.schema.go_plugin_pb2 import StdioData
from framecast.plugins.schema.health_pb2 import HealthCheckRequest, HealthCheckResponse
from framecast.plugins.schema.pluginv2_pb2 import (
    RunStreamRequest,
    StreamPacket,
    SubscribeStreamRequest,
    SubscribeStreamResponse,
)
from plugins.grpc_server import GrpcServer, ServedCall

TESTS = Path(__file__).resolve().parent.parent


def write_script(**options: Any) -> str:
    """The text of an executable that runs `FakePlugin` with these options."""
    return (
        f"#!{sys.executable}\nimport sys\nsys.path[:0] = [{str(TESTS)!r}, {str(TESTS.parent / 'python')!r}]\n"
        f"from plugins.fake_plugin import main\nmain({options!r})\n"
    )


def main(options: dict[str, Any]) -> None:
    trio.run(FakePlugin(**options).run)


class FakePlugin:
    """`health`: what it says, one after another, the last for ever. `deaf`: it ignores SIGTERM. `shutdown`: whether it
    heeds that call. `stdio`: what it says by that call, None where it has none. `says`: what it prints on stderr."""

    def __init__(
        self,
        *,
        health: tuple[str, ...] = ("SERVING",),
        deaf: bool = False,
        shutdown: bool = True,
        stdio: tuple[str, ...] | None = (),
        says: str = "",
        diary: str = "",
        address: str = "",
        begin: str = "1|2|unix|{path}|grpc|",
    ) -> None:
        self._health = list(health)
        self._shutdown = shutdown
        self._stdio = stdio
        self._says = says
        self._diary = diary
        self._path = address or str(Path(os.environ["PLUGIN_UNIX_SOCKET_DIR"]) / "plugin1")
        self._begin = begin
        self._ended = trio.Event()
        if deaf:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        else:
            signal.signal(signal.SIGTERM, self._die)

    def _note(self, word: str) -> None:
        """Write down what happened, for the test to read."""
        if self._diary:
            with Path(self._diary).open("a") as diary:
                diary.write(f"{word}\n")

    def _die(self, *_: object) -> None:
        self._note("SIGTERM")
        os._exit(0)

    async def run(self) -> None:
        self._note(f"started {os.getpid()} {Path.cwd()} {os.environ['PLUGIN_UNIX_SOCKET_DIR']}")
        sys.stderr.write(self._says)
        sys.stderr.flush()
        socket = trio.socket.socket(trio.socket.AF_UNIX)
        await socket.bind(self._path)
        socket.listen()
        sys.stdout.write(self._begin.format(path=self._path) + "\n")
        sys.stdout.flush()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, self._serve, [trio.SocketListener(socket)])
            await self._ended.wait()
            nursery.cancel_scope.cancel()
        self._note("exited")

    async def _serve(self, stream: trio.SocketStream) -> None:
        handlers = {
            "/grpc.health.v1.Health/Check": self._check_health,
            "/plugin.GRPCStdio/StreamStdio": self._stream_stdio,
            "/plugin.GRPCController/Shutdown": self._shut_down,
            "/pluginv2.Stream/SubscribeStream": self._subscribe,
            "/pluginv2.Stream/RunStream": self._run_stream,
        }
        await GrpcServer(stream, handlers).run()

    async def _check_health(self, call: ServedCall) -> None:
        await call.request_ended.wait()
        assert HealthCheckRequest.FromString(call.message).service == "plugin"
        word = self._health.pop(0) if len(self._health) > 1 else self._health[0]
        if word == "silence":
            await trio.sleep_forever()
        if word == "freeze":
            time.sleep(3_600)  # noqa: ASYNC251 - that nothing else goes on is the fault
        await call.answer(HealthCheckResponse(status=word).SerializeToString())

    async def _stream_stdio(self, call: ServedCall) -> None:
        if self._stdio is None:
            await call.head(("grpc-status", "12"), ends=True)
            return
        await call.head()
        for text in self._stdio:
            await call.send(StdioData(channel=StdioData.STDOUT, data=text.encode()).SerializeToString())
        await trio.sleep_forever()

    async def _shut_down(self, call: ServedCall) -> None:
        self._note("Shutdown")
        if self._shutdown:
            self._ended.set()

    async def _subscribe(self, call: ServedCall) -> None:
        await call.request_ended.wait()
        request = SubscribeStreamRequest.FromString(call.message)
        if request.path == "garbage":
            await call.answer(b"\xff\xff\xff")
            return
        status = {"status7": 7, "missing": 1}.get(request.path, 0)
        data = json.dumps({"path": request.path, "pid": os.getpid()}).encode()
        answer = SubscribeStreamResponse(data=data)
        answer.status = status  # type: ignore[assignment] # 7 is none of them, which is the point
        await call.answer(answer.SerializeToString())

    async def _run_stream(self, call: ServedCall) -> None:
        await call.request_ended.wait()
        request = RunStreamRequest.FromString(call.message)
        await call.head()
        if request.path == "garbage":
            await call.send(b"\xff\xff\xff")
        if request.path == "exit":
            await call.send(StreamPacket(data=b"1").SerializeToString())
            sys.stderr.write("last words\n")
            sys.stderr.flush()
            os._exit(9)
        for number in range(3):
            await call.send(StreamPacket(data=b"%d" % number).SerializeToString())
        await call.finish()
