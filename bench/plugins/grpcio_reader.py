"""The same with grpcio's synchronous iterator: `python -m bench.plugins.grpcio_reader SOCKET SCHEMA CALL REQUEST`.

Runs in an environment that has grpcio and Protobuf alone. SCHEMA is our own generated module of messages, CALL the
request of the call in Base64, as ours makes it: both readers ask for the same, and parse the same answers.
"""

import base64
import importlib.util
import json
import sys
from collections.abc import Iterator
from itertools import islice
from typing import Any

import grpc

from bench.plugins.readers import Request, Tally, find_lateness, parse_request, report_lateness

RUN_STREAM = "/pluginv2.Stream/RunStream"


def load_schema(path: str) -> Any:
    """The module alone: the packages that it lies in need more than there is here."""
    spec = importlib.util.spec_from_file_location("pluginv2_pb2", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(socket: str, schema: Any, message: bytes, request: Request) -> dict[str, float]:
    with grpc.insecure_channel(f"unix:{socket}") as channel:
        call = channel.unary_stream(
            RUN_STREAM, request_serializer=None, response_deserializer=schema.StreamPacket.FromString
        )(message)
        packets: Iterator[bytes] = (packet.data for packet in call)
        if request.stamps:
            figures = report_lateness([find_lateness(packet) for packet in islice(packets, request.stamps)])
            call.cancel()
            return figures
        next(packets)
        tally = Tally()
        for _ in packets:
            tally.packets += 1
        return tally.report()


if __name__ == "__main__":
    where, messages, encoded, asked = sys.argv[1:]
    done = read(where, load_schema(messages), base64.b64decode(encoded), parse_request(asked))
    print(json.dumps(done))
