"""The measured side: a Trio process whose `Fanout` publishes to raw TCP subscribers. Started by run.py.

``server.py CONNECTIONS HERTZ PAYLOAD_BYTES SECONDS`` prints its port, accepts, then one line of JSON.
HERTZ 0 publishes as fast as the sockets take it, with at most IN_FLIGHT publications waiting.
"""

import json
import sys
import time

import trio

from framecast._core import Fanout
from framecast.door.outbound import WriterEvents

IN_FLIGHT = 16


async def publish(fanout: Fanout, sample: list[int], hertz: float, payload_bytes: int, seconds: float) -> None:
    begin, cpu = time.monotonic(), time.process_time()
    before = fanout.statistics()
    spent: list[int] = []
    number = 0
    while time.monotonic() - begin < seconds:
        if hertz:
            await trio.sleep(max(0.0, begin + number / hertz - time.monotonic()))
        else:
            while max(map(fanout.queued_bytes, sample)) > IN_FLIGHT * payload_bytes:  # noqa: ASYNC110
                await trio.sleep(0.0002)
            await trio.lowlevel.checkpoint()  # noqa: TID251 -- a loop of publishes must let the events in
        number += 1
        data = b'{"t":%d,"x":"' % time.monotonic_ns()
        data += b"x" * (payload_bytes - len(data) - 2) + b'"}'
        called = time.perf_counter_ns()
        fanout.publish("bench", data, number)
        spent.append(time.perf_counter_ns() - called)
    cpu = time.process_time() - cpu
    after = fanout.statistics()
    spent.sort()
    figures = {
        "deliveries": after.deliveries - before.deliveries,
        "cpu_ns": int(cpu * 1e9),
        "publishes": number,
        "publish_p50_us": spent[len(spent) // 2] / 1e3,
        "publish_p99_us": spent[len(spent) * 99 // 100] / 1e3,
        "deliveries_per_send": (after.deliveries - before.deliveries) / max(1, after.send_calls - before.send_calls),
        "overflows": after.overflows,
    }
    print(json.dumps(figures), flush=True)


async def main(connections: int, hertz: float, payload_bytes: int, seconds: float) -> None:
    fanout = Fanout(max_total_bytes=1 << 30)
    events = WriterEvents(fanout)
    async with trio.open_nursery() as nursery:
        await nursery.start(events.run)
        listening = trio.socket.socket()
        await listening.bind(("127.0.0.1", 0))
        listening.listen(1024)
        print(listening.getsockname()[1], flush=True)
        streams = []
        for _ in range(connections):
            socket, _address = await listening.accept()
            accepted = trio.SocketStream(socket)
            stream = events.adopt(
                accepted, accepted, max_queue_bytes=1 << 22, write_seconds=60, close_flush_seconds=0.1
            )
            fanout.subscribe(stream.connection, "bench", "bench")
            streams.append(stream)
        sample = [stream.connection for stream in streams[:: max(1, connections // 8)]]
        await publish(fanout, sample, hertz, payload_bytes, seconds)
        nursery.cancel_scope.cancel()
    fanout.close()


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
