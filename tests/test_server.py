"""The supervisor within the test's own process: how it begins, whom it lets in, what one failure costs, how it ends."""

import json
import logging
import os
import re
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from end_to_end.wire import (
    Connection,
    ConnectionEnded,
    connect,
    encode_frame,
    request,
    subscribe,
    upgrade_request,
)
from framecast import routes
from framecast.accounts import entrance
from framecast.accounts.identity import DEVELOPER, Identity
from framecast.api import app as api_app
from framecast.configuration import load_settings
from framecast.door.head import RequestHead
from framecast.errors import ConfigurationError
from framecast.server import serve
from framecast.settings import Settings
from patience import PATIENCE_SECONDS
from served import running, settings_for


async def ask(connection: Connection, method: str, path: str, body: bytes = b"", **headers: str) -> Any:
    """One request on a connection that stays open; its status and JSON, text or nothing."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    await connection.send(request(method, path, body, host="127.0.0.1", headers=fields))
    answer = await connection.answer()
    is_json = answer.headers.get("content-type") == "application/json"
    return answer.status, json.loads(answer.body) if is_json else answer.body.decode()


# How it begins.


async def test_it_says_on_stdout_where_it_listens_and_answers_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], logged: list[Any]
) -> None:
    async with running(settings_for(tmp_path / "data")) as place:
        assert capsys.readouterr().out == f"listening on http://{place}\n"
        assert not place.endswith(":0")
        async with connect(place) as connection:
            status, document = await ask(connection, "GET", "/api/health")
            assert (status, document["status"]) == (200, "pass")


async def test_every_place_is_announced_on_a_line_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], logged: list[Any]
) -> None:
    flags = {("server", "data"): str(tmp_path), ("server", "listen"): ["127.0.0.1:0", "127.0.0.2:0"]}
    settings = load_settings(environment={}, flags=flags)
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            places = await nursery.start(serve, settings)
            assert [place.partition(":")[0] for place in places] == ["127.0.0.1", "127.0.0.2"]
            said = capsys.readouterr().out.splitlines()
            assert said[:2] == [f"listening on http://{place}" for place in places]
            nursery.cancel_scope.cancel()


@pytest.mark.parametrize("place", ["0.0.0.0:0", "[::]:0", "192.0.2.1:0", "example.com:80"])
async def test_dev_with_a_foreign_address_is_refused_before_anything_is_touched(tmp_path: Path, place: str) -> None:
    with trio.fail_after(PATIENCE_SECONDS), pytest.raises(ConfigurationError, match="reachable from other machines"):
        await serve(settings_for(tmp_path / "data", listen=place))
    assert not (tmp_path / "data").exists()


async def test_a_second_server_on_the_same_data_is_refused_while_the_first_runs(tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "data")
    async with running(settings) as place:
        with pytest.raises(ConfigurationError, match=f"in use by another server .process {os.getpid()}"):
            await serve(settings)
        async with connect(place) as connection:
            assert (await ask(connection, "GET", "/api/health"))[0] == 200
    async with running(settings) as place:
        assert place


async def test_a_port_in_use_is_refused_and_the_data_is_free_again(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path / "one")) as place:
        with pytest.raises(ConfigurationError, match=f"cannot listen on {place}"):
            await serve(settings_for(tmp_path / "two", listen=place))
    async with running(settings_for(tmp_path / "two")) as place:
        assert place


# Whom it lets in.


async def test_without_dev_nobody_gets_further_than_health(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path, dev=False)) as place:
        async with connect(place) as connection:
            assert (await ask(connection, "GET", "/api/health"))[0] == 200
            for method, path in (("GET", "/"), ("GET", "/metrics"), ("POST", "/api/live/push/s"), ("GET", "/no")):
                assert (await ask(connection, method, path))[0] == 401
        for path in ("/api/live/ws", "/api/live/push/s"):
            async with connect(place) as connection:
                await connection.send(upgrade_request(path, host=place, headers={"Authorization": "Bearer x"}))
                assert (await connection.answer()).status == 401
        async with connect(place) as connection:
            assert (await ask(connection, "POST", "/api/live/push/s", b"m n=1i"))[0] == 401


async def test_the_gate_is_told_from_where_each_request_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, str]] = []

    async def gate(head: RequestHead) -> Identity:
        seen.append((head.path, head.peer))
        return DEVELOPER

    monkeypatch.setattr(entrance, "open_gate", gate)
    async with running(settings_for(tmp_path)) as place:
        async with connect(place) as connection:
            await ask(connection, "POST", "/api/live/push/a", b"m f=1")
            await ask(connection, "GET", "/api/live/list")
            await ask(connection, "POST", "/api/live/push/late", b"m f=1")
        for path in ("/api/live/ws", "/api/live/push/socket"):
            async with connect(place) as connection:
                await connection.upgrade(upgrade_request(path, host=place))
    paths = ["/api/live/push/a", "/api/live/list", "/api/live/push/late", "/api/live/ws", "/api/live/push/socket"]
    assert [path for path, _ in seen if path not in paths] == []
    assert list(dict.fromkeys(seen)) == [(path, "127.0.0.1") for path in paths]


async def test_the_rules_for_names_and_origins_hold_for_every_request_of_a_connection(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path)) as place, connect(place) as connection:
        for _ in range(2):
            assert (await ask(connection, "GET", "/api/live/list"))[0] == 200
            status, document = await ask(connection, "GET", "/api/live/list", Host="rebound.example")
            assert (status, "Host" in document["message"]) == (403, True)
            status, document = await ask(
                connection, "POST", "/api/live/push/s", b"m n=1i", Origin="https://evil.example"
            )
            assert (status, "Origin" in document["message"]) == (403, True)
            channels = (await ask(connection, "GET", "/api/live/list"))[1]["channels"]
            assert [one for one in channels if one["channel"].startswith("stream/")] == []


async def test_a_push_reaches_subscribers_however_late_on_its_connection_it_comes(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path)) as place, connect(place) as pushing, connect(place) as listening:
        await pushing.push("s", b"m n=1i")
        replies = await subscribe(listening, place, "stream/s/m")
        assert replies[1]["subscribe"]["data"]["data"]["values"][2] == [1]
        assert (await ask(pushing, "GET", "/"))[0] == 200  # from here on the connection is the application's
        await pushing.push("s", b"m n=2i")
        message = json.loads((await listening.message()).payload)
        assert message["push"]["pub"]["data"]["data"]["values"][2] == [2]


async def test_a_late_upgrade_is_told_to_open_a_connection_of_its_own(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path)) as place, connect(place) as connection:
        assert (await ask(connection, "GET", "/api/health"))[0] == 200
        await connection.send(upgrade_request("/api/live/ws", host=place))
        answer = await connection.answer()
        assert answer.status == 426
        assert "first request" in json.loads(answer.body)["message"]


async def test_live_that_is_switched_off_refuses_subscribers_and_takes_pushes(tmp_path: Path) -> None:
    async with running(settings_for(tmp_path, "live.max_connections=0")) as place:
        async with connect(place) as connection:
            await connection.send(upgrade_request("/api/live/ws", host=place))
            assert (await connection.answer()).status == 503
        async with connect(place) as connection:
            await connection.push("s", b"m n=1i")


# What one failure costs.


async def test_a_failure_in_one_connection_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: list[Any]
) -> None:
    async def fail(*arguments: Any) -> None:
        raise ValueError("a bug of ours")

    async with running(settings_for(tmp_path)) as place, connect(place) as healthy, connect(place) as failing:
        await subscribe(healthy, place, "stream/s/m")
        with monkeypatch.context() as patched:
            patched.setattr(routes, "serve_subscriber", fail)
            await failing.upgrade(upgrade_request("/api/live/ws", host=place))
            await failing.until_closed()
        async with connect(place) as another:
            await another.push("s", b"m n=1i")
        assert b'"channel":"stream/s/m"' in (await healthy.message()).payload
    assert [event["event"] for event in logged if event["log_level"] == "error"] == ["connection failed"]


async def test_a_route_that_raises_is_a_500_without_details_and_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, logged: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    async def fail() -> Any:
        raise ValueError("the password is hunter2")

    monkeypatch.setattr(api_app, "welcome", fail)  # before the routes are made
    async with running(settings_for(tmp_path)) as place:
        async with connect(place) as connection:
            await connection.send(request("GET", "/", host=place))
            answer = await connection.answer()
            assert answer.status == 500
            assert list(json.loads(answer.body)) == ["message"]
            assert b"hunter2" not in answer.body
        async with connect(place) as connection:
            assert (await ask(connection, "GET", "/api/health"))[0] == 200
    [record] = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert record.exc_info is not None
    assert "hunter2" in str(record.exc_info[1])
    assert [event for event in logged if event["log_level"] == "error"] == []


async def test_a_sender_that_leaves_in_the_middle_of_a_late_push_is_no_failure(
    tmp_path: Path, logged: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    async with running(settings_for(tmp_path)) as place:
        async with connect(place) as connection:
            assert (await ask(connection, "GET", "/"))[0] == 200
            await connection.send(request("POST", "/api/live/push/s", b"m n=1i\n" * 10, host=place)[:-20])
            await connection.stream.send_eof()
            await connection.until_closed()
        async with connect(place) as connection:
            channels = (await ask(connection, "GET", "/api/live/list"))[1]["channels"]
            assert [one for one in channels if one["channel"].startswith("stream/")] == []
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert [event for event in logged if event["log_level"] == "error"] == []


async def test_a_late_push_that_drips_is_answered_in_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with running(settings_for(tmp_path, "push.body_seconds=0.2")) as place, connect(place) as connection:
        assert (await ask(connection, "GET", "/"))[0] == 200
        await connection.send(request("POST", "/api/live/push/s", b"m n=1i\n" * 10, host=place)[:-20])
        answer = await connection.answer()
        assert answer.status == 408
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


# How it ends.


async def test_sigterm_ends_it_and_tells_subscribers_to_come_back(tmp_path: Path, logged: list[Any]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    ended = trio.Event()

    async def serve_to_the_end(settings: Settings, *, task_status: trio.TaskStatus[list[str]]) -> None:
        await serve(settings, task_status=task_status)
        ended.set()

    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            settings = settings_for(tmp_path)
            [place] = await nursery.start(partial(serve_to_the_end, settings))
            async with connect(place) as listening, connect(place) as idle, connect(place) as pushing:
                await pushing.push("s", b"m n=1i")
                await subscribe(listening, place, "stream/s/m")
                assert (await ask(idle, "GET", "/api/health"))[0] == 200
                os.kill(os.getpid(), signal.SIGTERM)
                closing = await listening.message()
                assert closing.close_code == 3001
                await listening.send(encode_frame(8, closing.payload[:2]))
                assert await listening.until_closed() == b""
                assert await idle.until_closed() == b""
                assert await pushing.until_closed() == b""
            await ended.wait()
            with pytest.raises(OSError, match="refused"):
                async with connect(place):
                    pass
    assert signal.getsignal(signal.SIGTERM) == before
    assert [event["event"] for event in logged][-1] == "stopped"
    assert {"event": "stopping", "signal": "SIGTERM", "log_level": "info"} in logged


async def test_cancelling_ends_it_at_once_with_subscribers_and_pushes_under_way(
    tmp_path: Path, logged: list[Any]
) -> None:
    # None of the deadlines that would end it may be needed.
    settings = settings_for(tmp_path, "live.close_seconds=1000", "server.linger_seconds=1000")
    async with trio.open_nursery() as nursery:
        [place] = await nursery.start(serve, settings)
        async with connect(place) as listening, connect(place) as pushing, connect(place) as late:
            await subscribe(listening, place, "stream/s/m")
            await pushing.send(request("POST", "/api/live/push/s", b"m n=1i\n" * 10, host=place)[:-20])
            assert (await ask(late, "GET", "/"))[0] == 200
            nursery.cancel_scope.cancel()
            with trio.CancelScope(deadline=trio.current_time() + PATIENCE_SECONDS, shield=True) as patience:
                for connection in (listening, pushing, late):
                    await connection.until_closed()
            assert not patience.cancelled_caught
    assert [event["event"] for event in logged if event["log_level"] in {"warning", "error"}] == []
    async with running(settings) as place:
        assert place


async def test_peers_that_are_not_done_are_cut_after_the_grace(tmp_path: Path) -> None:
    patient = ("live.close_seconds=0.2", "server.head_seconds=1000", "push.body_seconds=1000")
    settings = settings_for(tmp_path, "server.shutdown_grace_seconds=0.3", *patient)
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            [place] = await nursery.start(serve, settings)
            async with connect(place) as listening, connect(place) as half, connect(place) as dripping:
                await half.send(b"GET / HT")
                await dripping.send(request("POST", "/api/live/push/s", b"m n=1i\n" * 10, host=place)[:-20])
                await subscribe(listening, place, "stream/s/m")
                os.kill(os.getpid(), signal.SIGTERM)
                assert (await listening.message()).close_code == 3001
                with pytest.raises(ConnectionEnded):
                    await listening.message()
                await half.until_closed()
                await dripping.until_closed()


async def test_cancelled_before_it_runs_it_leaves_nothing(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    with trio.fail_after(PATIENCE_SECONDS):
        for turns in range(12):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(serve, settings)
                for _ in range(turns):
                    await trio.lowlevel.checkpoint()  # a turn, no time
                nursery.cancel_scope.cancel()
    async with running(settings) as place:
        assert place


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("live.queue_bytes=1000000", "live.queue_bytes = 1000000 is too small"),
        (
            "history.bytes=1048577",
            "history_bytes = 1048577: a subscriber's queue must hold four times the larger, 4194308",
        ),
        ("channels.chat/a.history_bytes=1048577", "all channels' history_bytes = 1048577: "),
    ],
)
async def test_a_queue_that_a_new_subscriber_would_overflow_is_refused(
    tmp_path: Path, override: str, message: str
) -> None:
    settings = load_settings(environment={}, overrides=[override, f"server.data={tmp_path}"], flags={})
    with trio.fail_after(PATIENCE_SECONDS), pytest.raises(ConfigurationError, match=re.escape(message)):
        await serve(settings)


async def test_a_budget_of_all_queues_that_holds_not_even_one_is_refused(tmp_path: Path) -> None:
    settings = load_settings(
        environment={}, overrides=["live.total_queue_bytes=4194303", f"server.data={tmp_path}"], flags={}
    )
    with (
        trio.fail_after(PATIENCE_SECONDS),
        pytest.raises(ConfigurationError, match=r"live\.total_queue_bytes = 4194303 is too small"),
    ):
        await serve(settings)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "live.waiting_bytes=1048575",
            "live.waiting_bytes = 1048575 is too small for live.message_size_limit = 1048576",
        ),
        ("push.body_bytes=268435457", "push.waiting_bytes = 268435456 is too small for push.body_bytes = 268435457"),
    ],
)
async def test_a_limit_that_one_body_may_pass_alone_is_refused(tmp_path: Path, override: str, message: str) -> None:
    settings = load_settings(environment={}, overrides=[override, f"server.data={tmp_path}"], flags={})
    with trio.fail_after(PATIENCE_SECONDS), pytest.raises(ConfigurationError, match=re.escape(message)):
        await serve(settings)


async def test_all_that_is_refused_is_told_at_once(tmp_path: Path) -> None:
    overrides = ["push.body_bytes=268435457", "live.total_queue_bytes=1", "server.listen=a", f"server.data={tmp_path}"]
    settings = load_settings(environment={}, overrides=overrides, flags={})
    with trio.fail_after(PATIENCE_SECONDS), pytest.raises(ConfigurationError) as caught:
        await serve(settings)
    assert len(caught.value.mistakes) == 3
