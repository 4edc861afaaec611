"""Schemathesis against the description that the server itself serves: what is said of a route is what it does."""

import subprocess
from pathlib import Path

import httpx

from end_to_end.conftest import ServerStarter
from end_to_end.server import clean_environment

PROGRAM = Path(__file__).parent.parent.parent / ".tools" / "schemathesis" / "bin" / "schemathesis"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",  # what breaks the description is refused
    "unsupported_method",
    "allow_header_conformance",
)
"""Not positive_data_acceptance: what two fields say together (a title that is taken) no schema tells."""

ENDLESS = "/api/live/(sse|http_stream|uni_sse)"
"""Answers that go on until somebody leaves."""

EXAMPLES = 15
"""For each operation; with those of the coverage phase a thousand requests."""

PATIENCE_SECONDS = 600


def test_what_is_described_is_what_is_answered(start_server: ServerStarter, tmp_path: Path) -> None:
    assert PROGRAM.exists(), f"{PROGRAM} is not there: `make test-python` makes its environment"
    server = start_server()
    saved = httpx.post(f"{server.url}/api/dashboards/db", json={"dashboard": {"uid": "0", "title": "0"}}, timeout=60)
    assert saved.status_code == 200
    described = httpx.get(f"{server.url}/openapi.json", timeout=60).json()["paths"]
    arguments = [
        *("--checks", ",".join(CHECKS)),
        *("--exclude-path-regex", ENDLESS),
        *("--max-examples", str(EXAMPLES)),
        *("--seed", "6"),  # a failure is for whoever made the change, not for who comes next
        *("--generation-database", "none"),
        *("--suppress-health-check", "all"),  # they mind time, which a busy machine has none of
        *("--request-timeout", "120"),
        *("--warnings", "off"),
        "--no-color",
    ]
    ran = subprocess.run(
        [PROGRAM, "run", f"{server.url}/openapi.json", *arguments],
        cwd=tmp_path,
        env=clean_environment() | {"PYTHONPATH": ""},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-10_000:] + ran.stderr[-2_000:]
    assert "/api/dashboards/db" in described
    assert "test cases" in ran.stdout.lower(), ran.stdout[-2_000:]
