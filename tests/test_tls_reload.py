"""A running server takes on another certificate when it is told to, and keeps its own when the other is no good."""

import datetime as dt
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from certificates import Files, make_certificate
from end_to_end.wire import connect, request, subscribe
from secured import ask, count_of, heard_value, warnings_of
from served import running, settings_for


async def shown_serial(place: str, files: Files) -> str:
    """The certificate that a new connection is shown, which must be one of this authority's."""
    async with connect(place, tls=files.client_context()) as connection:
        assert connection.tls is not None
        serial: str = connection.tls.getpeercert()["serialNumber"]
        return serial


async def told(logged: list[Any], event: str, count: int) -> list[Any]:
    """Wait until that was logged so often."""
    while len(found := [entry for entry in logged if entry["event"] == event]) < count:  # noqa: ASYNC110 - a log
        await trio.sleep(0.005)
    return found


def tell_to_reload() -> None:
    os.kill(os.getpid(), signal.SIGHUP)


async def test_sighup_brings_a_new_certificate_to_new_connections_and_running_ones_stay(
    tmp_path: Path, logged: list[Any]
) -> None:
    files, renewed = make_certificate(tmp_path / "used"), make_certificate(tmp_path / "renewed")
    old_context = files.client_context()
    async with (
        running(settings_for(tmp_path / "data", *files.overrides)) as place,
        connect(place, tls=old_context) as pushing,
        connect(place, tls=old_context) as listening,
        connect(place) as shaking_hands,
    ):
        await pushing.push("s", b"m n=1i")
        await subscribe(listening, place, "stream/s/m")
        before = await shown_serial(place, files)
        files.replace(renewed)
        tell_to_reload()
        await told(logged, "certificate in use", 2)
        assert await shown_serial(place, renewed) != before
        with pytest.raises(trio.BrokenResourceError):
            async with connect(place, tls=old_context):
                pass
        for value in (2, 3):
            await pushing.push("s", b"m n=%di" % value)
            assert await heard_value(listening) == value
        secured = trio.SSLStream(shaking_hands.stream, renewed.client_context(), server_hostname="127.0.0.1")
        await secured.do_handshake()
    assert warnings_of(logged) == []


@pytest.mark.parametrize("spoiled", ["half a certificate", "another's key", "no key", "both at once"])
async def test_a_pair_that_is_no_good_changes_nothing_and_is_told(
    tmp_path: Path, logged: list[Any], spoiled: str
) -> None:
    files, renewed = make_certificate(tmp_path / "used"), make_certificate(tmp_path / "renewed")
    refused = count_of("framecast_tls_reloads_total", outcome="refused")
    async with running(settings_for(tmp_path / "data", *files.overrides)) as place:
        before = await shown_serial(place, files)
        if spoiled == "half a certificate":
            files.cert.write_bytes(renewed.cert.read_bytes()[:300])
        elif spoiled == "another's key":
            files.key.write_bytes(renewed.key.read_bytes())
        elif spoiled == "no key":
            files.key.unlink()
        else:
            files.cert.write_bytes(b"")
            files.key.write_bytes(b"")
        tell_to_reload()
        [entry] = await told(logged, "the certificate was not reloaded, the one from before stays", 1)
        assert str(tmp_path / "used") in entry["reason"]
        assert await shown_serial(place, files) == before
        files.replace(renewed)  # the renewal is done now
        tell_to_reload()
        await told(logged, "certificate in use", 2)
        assert await shown_serial(place, renewed) != before
    assert len(warnings_of(logged)) == 1
    assert count_of("framecast_tls_reloads_total", outcome="refused") == refused + 1


async def test_files_that_cannot_be_read_in_time_change_nothing(tmp_path: Path, logged: list[Any]) -> None:
    files = make_certificate(tmp_path / "used")
    settings = settings_for(tmp_path / "data", *files.overrides, "server.tls_reload_seconds=0.05")
    async with running(settings) as place:
        files.cert.unlink()
        os.mkfifo(files.cert)  # reading it waits for somebody who writes
        tell_to_reload()
        [entry] = await told(logged, "the certificate was not reloaded, the one from before stays", 1)
        assert "server.tls_reload_seconds" in entry["reason"]
        assert await shown_serial(place, files)
        async with await trio.open_file(files.cert, "wb"):
            pass


async def test_sighup_without_a_certificate_is_told_and_ends_nothing(tmp_path: Path, logged: list[Any]) -> None:
    async with running(settings_for(tmp_path)) as place, connect(place) as connection:
        tell_to_reload()
        await told(logged, "nothing to reload", 1)
        assert (await ask(connection, "GET", "/api/health"))[0] == 200


async def test_sighup_while_the_server_ends_does_not_end_it_at_once(tmp_path: Path, logged: list[Any]) -> None:
    files = make_certificate(tmp_path / "used")
    async with (
        running(settings_for(tmp_path, *files.overrides)) as place,
        connect(place, tls=files.client_context()) as connection,
    ):
        body = request("POST", "/api/live/push/s", b"m n=1i", host="127.0.0.1")
        await connection.send(body[:-2])
        await trio.testing.wait_all_tasks_blocked(0.01)
        os.kill(os.getpid(), signal.SIGTERM)
        await told(logged, "stopping", 1)
        tell_to_reload()
        await told(logged, "certificate in use", 2)
        await connection.send(body[-2:])
        assert (await connection.answer()).status == 204


async def test_a_certificate_that_has_expired_is_used_and_told(tmp_path: Path, logged: list[Any]) -> None:
    yesterday = dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(days=1)
    files = make_certificate(tmp_path / "used", not_before=yesterday - dt.timedelta(days=1), not_after=yesterday)
    async with running(settings_for(tmp_path / "data", *files.overrides)):
        assert count_of("framecast_tls_certificate_expiry_timestamp_seconds") == yesterday.timestamp()
    [entry] = [entry for entry in logged if entry["log_level"] == "warning"]
    assert entry["event"] == "clients will refuse the certificate"
    assert f"{yesterday:%Y-%m-%d %H:%M} UTC" in entry["reason"]
