"""Over TLS, as its users have it: the published SDKs, our own commands, and a renewal under their hands."""

import contextlib
import json
import os
import signal
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trio
from bench.tls.certificate import make_self_signed

from certificates import Files, make_certificate
from end_to_end.conftest import ServerStarter
from end_to_end.sdk_programs import EVERY_SDK, Sdk, SdkPrograms
from end_to_end.server import RunningServer, clean_environment, run_framecast, running_server
from patience import PATIENCE_SECONDS

BROADCAST = ("--channel", "grafana/broadcast/bench", "--prefix", "1")
SMALL = ("--subscribers", "5", "--seconds", "1", "--warm-up", "0.2")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, files: Files) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("secured"), *files.overrides, "live.max_connections=-1") as server:
        yield server


def framecast(*arguments: str, trust: Path | None, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    environment = clean_environment()
    environment.pop("SSL_CERT_FILE", None)
    if trust is not None:
        environment["SSL_CERT_FILE"] = str(trust)
    return run_framecast(*arguments, stdin=stdin, environment=environment)


async def test_every_sdk_hears_over_tls_and_stays_through_a_renewal(
    start_server: ServerStarter, sdk_programs: SdkPrograms, tmp_path: Path
) -> None:
    used, renewed = make_certificate(tmp_path / "used"), make_certificate(tmp_path / "renewed")
    server = start_server(*used.overrides, "live.max_connections=-1")
    renewal, heard = trio.Event(), trio.Event()
    waiting = set(EVERY_SDK)

    async def check(sdk: Sdk) -> None:
        async with sdk_programs.connected(sdk, server.address, authority=used.authority) as client:
            await client.do("subscribe", channel="stream/s/m")
            await client.wait_for("subscribed", channel="stream/s/m")
            waiting.remove(sdk)
            if not waiting:
                heard.set()
            await renewal.wait()
            publication = await client.wait_for("publication", channel="stream/s/m")
            assert publication["data"]["data"]["values"][2] == [2]
            assert client.all("connecting")[1:] == client.all("error") == []

    async def push(trusted: ssl.SSLContext, value: int) -> None:
        async with httpx.AsyncClient(timeout=PATIENCE_SECONDS, verify=trusted) as http:
            answer = await http.post(f"{server.url}/api/live/push/s", content=b"m n=%di" % value)
            assert answer.status_code == 204

    with trio.fail_after(PATIENCE_SECONDS):
        await push(used.client_context(), 1)
        async with trio.open_nursery() as nursery:
            for sdk in EVERY_SDK:
                nursery.start_soon(check, sdk)
            await heard.wait()
            used.replace(renewed)
            os.kill(server.process.pid, signal.SIGHUP)
            while True:
                with contextlib.suppress(httpx.ConnectError):  # the old one is shown yet
                    await push(renewed.client_context(), 2)
                    break
                await trio.sleep(0.05)
            renewal.set()
        server.check_well()


def test_what_is_pushed_over_tls_is_what_is_watched(secured: RunningServer, files: Files, stream: str) -> None:
    pushed = framecast("push", stream, "--url", secured.url, trust=files.authority, stdin=b"cpu idle=0.5 1\n")
    assert (pushed.returncode, b"1 points accepted" in pushed.stderr) == (0, True), pushed
    arguments = ("watch", f"stream/{stream}/cpu", "--count", "1", "--format", "json", "--url", secured.url)
    watched = framecast(*arguments, trust=files.authority)
    assert watched.returncode == 0, watched
    assert json.loads(watched.stdout)["fields"] == {"idle": 0.5}
    assert stream.encode() in framecast("streams", "--url", secured.url, trust=files.authority).stdout


@pytest.mark.parametrize("command", ["push", "watch", "streams", "token"])
def test_a_server_that_cannot_be_trusted_is_left_at_once_with_a_hint(secured: RunningServer, command: str) -> None:
    arguments = {
        "push": ("push", "s", "--url", secured.url),
        "watch": ("watch", "stream/s/m", "--url", secured.url),
        "streams": ("streams", "--url", secured.url),
        "token": ("token", "list", "--url", secured.url),
    }[command]
    done = framecast(*arguments, trust=None, stdin=b"m n=1i 1\n")
    assert done.returncode == 1, done
    assert b"its certificate is not trusted: " in done.stderr
    assert b"SSL_CERT_FILE=authority.pem" in done.stderr


def test_a_certificate_for_another_name_is_not_believed(secured: RunningServer, files: Files, tmp_path: Path) -> None:
    other = secured.url.replace("127.0.0.1", "127.0.0.2")
    for command in (("streams",), ("watch", "stream/s/m")):
        done = framecast(*command, "--url", other, trust=files.authority)
        assert done.returncode == 1, done
        assert b"127.0.0.2" in done.stderr


def test_authorities_that_cannot_be_read_are_told(secured: RunningServer, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for name, words in (("none", b"No such file"), ("empty", b"no certificate")):
        for command in (("streams",), ("watch", "stream/s/m"), ("push", "s")):
            done = framecast(*command, "--url", secured.url, trust=tmp_path / name)
            assert (done.returncode, words in done.stderr) == (2, True), done


def test_the_wrong_scheme_is_told_either_way(secured: RunningServer, server: RunningServer, files: Files) -> None:
    for command in (("streams",), ("watch", "stream/s/m"), ("push", "s")):
        plain = framecast(*command, "--url", f"http://{secured.address}", trust=files.authority, stdin=b"m n=1i 1\n")
        assert (plain.returncode, b"use https://" in plain.stderr) == (1, True), plain
    for command in (("streams",), ("watch", "stream/s/m")):
        done = framecast(*command, "--url", f"https://{server.address}", trust=files.authority)
        assert (done.returncode, b"does it speak TLS there?" in done.stderr) == (1, True), done


@pytest.mark.parametrize(
    "work",
    [
        ("latency", "--publish", "push", *SMALL),
        ("latency", "--publish", "push-socket", "--protocol", "protobuf", *SMALL),
        ("fanout", "--publish", "command", *BROADCAST, "--bytes", "20000", *SMALL),
        ("ingest", "--lines", "500", "--warm-up", "0.2", "--seconds", "1"),
        ("connect", "--subscribers", "20", "--idle", "0.2"),
    ],
    ids=lambda work: " ".join(work[:3]),
)
def test_the_bench_measures_over_tls(secured: RunningServer, files: Files, stream: str, work: tuple[str, ...]) -> None:
    command, *options = work
    if command != "connect" and "--channel" not in options:
        options += ["--stream", stream]
    done = framecast("bench", command, secured.url, *options, "--json", trust=files.authority)
    assert done.returncode == 0, done
    report = json.loads(done.stdout)
    assert report["valid"]
    assert report["verdict"]["faults"] == []
    assert b"BEGIN CERTIFICATE" not in done.stdout


def test_the_bench_measures_no_server_that_it_does_not_trust(secured: RunningServer) -> None:
    done = framecast("bench", "connect", secured.url, trust=None)
    assert done.returncode == 1
    assert b"its certificate is not trusted" in done.stderr


def test_a_certificate_for_a_trial_is_trusted_by_its_own_file(tmp_path: Path) -> None:
    certificate, key = make_self_signed(tmp_path)
    files = f"server.tls_cert={certificate}", f"server.tls_key={key}"
    with running_server(tmp_path / "server", *files) as server:
        work = ("push", "demo", "--url", server.url), ("bench", "connect", server.url, *SMALL[:2], "--idle", "0")
        for command in work:
            done = framecast(*command, trust=certificate, stdin=b"m x=1")
            assert done.returncode == 0, done
