"""A program around the stock grafana-client: calls as JSON lines on stdin, what came of them on stdout.

It runs in an environment of its own (``.tools/grafana-client``). A command is ``{"do": "call", "number", "method":
"dashboard.get_dashboard", "arguments": […], "named": {…}}``; its answer has ``result``, or ``code`` and ``message``.
"""

import json
import sys
from typing import Any
from urllib.parse import urlsplit

from grafana_client import GrafanaApi, TokenAuth  # type: ignore[import-not-found]  # only that environment has it
from grafana_client.client import GrafanaException  # type: ignore[import-not-found]  # as above

PATIENCE_SECONDS = 60.0
"""For an answer: a server that is slow because the machine is busy is not lost."""


def call(api: Any, command: dict[str, Any]) -> dict[str, Any]:
    method: Any = api
    for name in command["method"].split("."):
        method = getattr(method, name)
    try:
        return {"result": method(*command.get("arguments", ()), **command.get("named", {}))}
    except GrafanaException as error:
        return {"code": error.status_code, "message": str(error), "response": error.response}


def main(url: str, token: str) -> None:
    place = urlsplit(url)
    api = GrafanaApi(TokenAuth(token), host=place.hostname, port=place.port, timeout=PATIENCE_SECONDS)
    for line in sys.stdin:
        command = json.loads(line)
        answer = {"event": "answer", "number": command["number"], **call(api, command)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
