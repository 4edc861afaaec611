"""The host of plugins reads a plugin's packets, and nothing else does.

`python -m bench.plugins.host_reader FOLDER REQUEST`, where FOLDER holds the plugin.
"""

import json
import sys

import structlog
import trio

from bench.plugins.program import PLUGIN_ID
from bench.plugins.readers import Request, Tally, find_lateness, parse_request, report_lateness
from framecast.plugins.host.backend import PacketStream
from framecast.plugins.host.context import CallContext, DataSourceInstance
from framecast.plugins.host.host import load_plugins
from framecast.settings import Plugins

CONTEXT = CallContext(data_source=DataSourceInstance(uid="bench", updated_ms=1))


async def read(folder: str, request: Request) -> dict[str, float]:
    """Start the plugin, read, and stop it."""
    host = await load_plugins(Plugins(path=folder, allow_loading_unsigned_plugins=(PLUGIN_ID,)))
    async with trio.open_nursery() as nursery:
        await nursery.start(host.run)
        async with host.plugins[PLUGIN_ID].running_stream(CONTEXT, request.path, b"") as packets:
            figures = await (_read_stamps(packets, request.stamps) if request.stamps else _read_all(packets))
        nursery.cancel_scope.cancel()
    return figures


async def _read_all(packets: PacketStream) -> dict[str, float]:
    await anext(packets)
    tally = Tally()
    async for _ in packets:
        tally.packets += 1
    return tally.report()


async def _read_stamps(packets: PacketStream, count: int) -> dict[str, float]:
    return report_lateness([find_lateness(await anext(packets)) for _ in range(count)])


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # stdout is for the figures
    print(json.dumps(trio.run(read, sys.argv[1], parse_request(sys.argv[2]))))
