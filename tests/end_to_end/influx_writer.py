"""A program around the stock influxdb-client: commands as JSON lines on stdin, what came of them on stdout."""

import json
import sys
from typing import Any

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write.point import Point
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

PATIENCE_MS = 60_000
"""For an answer: a server that is slow because the machine is busy is not lost."""


def tell(event: str, **details: Any) -> None:
    sys.stdout.write(json.dumps({"event": event, **details}) + "\n")
    sys.stdout.flush()


def make_point(described: dict[str, Any], precision: str) -> Any:
    point: Any = Point(described["measurement"])  # type: ignore[no-untyped-call]  # it is typed in parts
    for key, value in described.get("tags", {}).items():
        point.tag(key, value)
    for key, value in described["fields"].items():
        point.field(key, value)
    return point.time(described["time"], precision)


def run(client: Any, command: dict[str, Any]) -> None:
    if command["do"] == "ask":
        tell("asked", ping=client.ping(), version=client.version(), health=client.health().to_dict())
        return
    precision = command.get("precision", "ns")
    record = command.get("lines") or [make_point(point, precision) for point in command["points"]]
    try:
        client.write_api(write_options=SYNCHRONOUS).write(
            bucket=command["bucket"], record=record, write_precision=precision
        )
    except ApiException as error:
        tell("refused", status=error.status, message=error.message, retry_after=error.retry_after)
    else:
        tell("written")


def main() -> None:
    with InfluxDBClient(
        url=sys.argv[1], token="any", org="acme org", timeout=PATIENCE_MS, enable_gzip="--gzip" in sys.argv
    ) as client:
        for line in sys.stdin:
            run(client, json.loads(line))


main()
