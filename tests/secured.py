"""A whole server that speaks TLS: what its tests say to it and look at."""

import json
from typing import Any

from prometheus_client import REGISTRY

from end_to_end.wire import Connection, request


async def ask(connection: Connection, method: str, path: str, body: bytes = b"", **headers: str) -> Any:
    """One request on a connection that stays open: its status, headers and body."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    await connection.send(request(method, path, body, host="127.0.0.1", headers=fields))
    answer = await connection.answer()
    return answer.status, answer.headers, answer.body


async def heard_value(connection: Connection) -> Any:
    return json.loads((await connection.message()).payload)["push"]["pub"]["data"]["data"]["values"][-1][-1]


def count_of(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def warnings_of(logged: list[Any]) -> list[str]:
    return [entry["event"] for entry in logged if entry["log_level"] in {"warning", "error"}]
