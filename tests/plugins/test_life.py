"""One life of a plugin, and what keeps it alive: every way to begin badly or to end has one clear reason."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from framecast.errors import Refusal
from framecast.plugins.host.backend import BackendPlugin, StreamBrokenError
from framecast.plugins.host.context import CallContext
from framecast.plugins.host.discovery import PluginPackage, discover
from framecast.plugins.host.grpc.channel import Channel
from framecast.plugins.host.life import Ending, Life
from framecast.plugins.host.methods import HEALTH
from framecast.plugins.host.supervisor import Supervisor, pass_environment
from framecast.plugins.schema.health_pb2 import HealthCheckRequest
from framecast.settings import Plugins
from plugins.fake_plugin import write_script
from plugins.installed import TEST_ID, install
from plugins.processes import PATIENCE_SECONDS, exists, processes_in, wait_until

ENVIRONMENT = {"PATH": "/usr/bin:/bin"}
SHELL = "#!/bin/sh\n"
HEARING_SECONDS = 3
"""In which a plugin on a busy machine has surely heard that it is to go."""
HEALTHY = HealthCheckRequest(service="plugin").SerializeToString()


def package_of(root: Path, script: str) -> PluginPackage:
    install(root, script=script)
    [package] = discover(Plugins(path=str(root), allow_loading_unsigned_plugins=(TEST_ID,))).packages
    return package


def count(entries: list[Any], event: str) -> int:
    return sum(entry["event"] == event for entry in entries)


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def names_in(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


async def live(root: Path, script: str, **settings: Any) -> Ending:
    """Run one life to its end, which must leave nothing behind."""
    package = package_of(root, script)
    life = Life(package, ENVIRONMENT, Plugins(**settings), lambda _channel: None)
    with trio.fail_after(PATIENCE_SECONDS):
        ending = await life.run()
    assert processes_in(package.folder) == []
    return ending


@asynccontextmanager
async def living(root: Path, script: str, **settings: Any) -> AsyncIterator[Channel]:
    """A life in the background, which ends with the block as with the server."""
    package = package_of(root, script)
    ready: list[Channel] = []
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(Life(package, ENVIRONMENT, Plugins(**settings), ready.append).run)
            await wait_until(lambda: bool(ready))
            yield ready[0]
            nursery.cancel_scope.cancel()
    assert processes_in(package.folder) == []


def diary_of(root: Path) -> list[str]:
    return (root / "diary").read_text().splitlines()


@pytest.mark.parametrize(
    ("script", "reason", "words"),
    [
        ("echo Hello; sleep 600", "handshake", "it said 'Hello' where a go-plugin handshake belongs"),
        ("echo Hello; exit 1", "handshake", "it said 'Hello'"),
        ("exec cat /dev/zero", "handshake", "without end where a go-plugin handshake belongs"),
        ("echo '1|2|tcp|127.0.0.1:1|grpc|'; sleep 600", "handshake", "only Unix sockets are dialled"),
        ("echo '1|2|unix|/tmp/x|grpc|'; sleep 600", "handshake", "outside of the folder in PLUGIN_UNIX_SOCKET_DIR"),
        ("exit 3", "exit", "it exited with status 3; it said nothing"),
        ("echo no licence >&2; exit 3", "exit", "it exited with status 3; its last words: no licence"),
        ("kill -9 $$", "exit", "it was killed by SIGKILL"),
        ('echo "1|2|unix|$PLUGIN_UNIX_SOCKET_DIR/x|grpc|"; sleep 600', "connection", "No such file or directory"),
        ('echo "1|2|unix|$PLUGIN_UNIX_SOCKET_DIR/x|grpc|"; sleep 0.2; exit 4', "exit", "it exited with status 4"),
    ],
)
async def test_a_bad_start_ends_for_one_reason(tmp_path: Path, script: str, reason: str, words: str) -> None:
    ending = await live(tmp_path, f"{SHELL}{script}\n")
    assert (ending.reason, words in ending.text) == (reason, True), ending.text


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("sleep 600", "it was not ready within 1 s: its handshake is missing"),
        ("exec >&-; sleep 600", "it was not ready within 1 s: its handshake is missing"),
        ("trap '' TERM; while :; do sleep 1; done", "its handshake is missing"),
    ],
)
async def test_a_plugin_that_hangs_at_its_start_is_too_slow(tmp_path: Path, script: str, words: str) -> None:
    ending = await live(tmp_path, f"{SHELL}{script}\n", start_seconds=1, terminate_seconds=0.2)
    assert (ending.reason, words in ending.text) == ("slow", True), ending.text


async def test_a_plugin_that_serves_nothing_on_its_socket_is_too_slow(tmp_path: Path) -> None:
    script = write_script(health=("silence",))
    # Time enough for its handshake, on a machine that is busy.
    ending = await live(tmp_path, script, start_seconds=12, terminate_seconds=0.2)
    assert ending == Ending("slow", "it was not ready within 12 s: its word that it serves is missing")


async def test_a_plugin_that_says_it_does_not_serve_is_not_begun_with(tmp_path: Path) -> None:
    ending = await live(tmp_path, write_script(health=("NOT_SERVING",)))
    assert ending == Ending("connection", "the plugin says that it is NOT_SERVING")


async def test_a_plugin_that_floods_stderr_before_its_handshake_is_too_slow_and_its_flood_is_counted(
    tmp_path: Path, entries: list[Any]
) -> None:
    script = f"{SHELL}while :; do echo all work and no play; done >&2\n"
    ending = await live(tmp_path, script, start_seconds=2, terminate_seconds=0.2, log_burst=5)
    assert ending.reason == "slow"
    told = [entry for entry in entries if entry["event"] == "plugin output"]
    assert 0 < len(told) < 200
    assert sum(entry["lines"] for entry in entries if entry["event"] == "plugin output left out") > 100


FLOOD = """
import os, threading
def flood():
    while True:
        os.write(2, b"x" * 500 + b"\\n")
threading.Thread(target=flood, daemon=True).start()
"""


async def test_a_flood_of_stderr_keeps_no_plugin_from_serving(tmp_path: Path) -> None:
    script = write_script().replace("import sys", f"import sys{FLOOD}")
    async with living(tmp_path, script, log_bytes_per_second=200_000) as channel:
        for _ in range(20):
            assert await channel.ask(HEALTH.path, HEALTHY, seconds=60)


async def test_a_plugin_is_started_in_its_folder_with_a_private_one_that_is_removed(tmp_path: Path) -> None:
    async with living(tmp_path, write_script(diary=str(tmp_path / "diary"))):
        _, _, working, own = diary_of(tmp_path)[0].split()
        assert working == str(tmp_path / TEST_ID)
        assert (mode_of(Path(own)), names_in(Path(own))) == (0o700, ["plugin1"])
    assert not exists(Path(own))


async def test_an_orderly_stop_asks_for_the_exit(tmp_path: Path) -> None:
    async with living(tmp_path, write_script(diary=str(tmp_path / "diary"))):
        pass
    assert diary_of(tmp_path)[1:] == ["Shutdown", "exited"]


async def test_a_plugin_that_does_not_heed_the_call_gets_a_sigterm(tmp_path: Path) -> None:
    script = write_script(diary=str(tmp_path / "diary"), shutdown=False)
    async with living(tmp_path, script, shutdown_seconds=HEARING_SECONDS, terminate_seconds=60):
        pass
    assert diary_of(tmp_path)[1:] == ["Shutdown", "SIGTERM"]


async def test_a_plugin_that_ignores_both_is_killed(tmp_path: Path, entries: list[Any]) -> None:
    script = write_script(diary=str(tmp_path / "diary"), shutdown=False, deaf=True)
    async with living(tmp_path, script, shutdown_seconds=HEARING_SECONDS, terminate_seconds=0.5):
        pass
    assert diary_of(tmp_path)[1:] == ["Shutdown"]
    assert "plugin had to be killed" in [entry["event"] for entry in entries]


async def test_a_plugin_that_stops_to_answer_is_ended_for_its_health(tmp_path: Path) -> None:
    ending = await live(
        tmp_path,
        write_script(health=("SERVING", "freeze")),
        health_seconds=0.2,
        call_seconds=0.3,
        health_failures=2,
        terminate_seconds=0.2,
    )
    assert ending == Ending("health", "it gave no good sign of life 2 times in a row")


async def test_one_bad_sign_of_life_is_forgiven(tmp_path: Path, entries: list[Any]) -> None:
    script = write_script(health=("SERVING", "NOT_SERVING", "SERVING", "NOT_SERVING", "SERVING"))
    async with living(tmp_path, script, health_seconds=0.05, health_failures=2) as channel:
        await wait_until(lambda: count(entries, "plugin gave no good sign of life") == 2)
        await trio.sleep(0.3)
        assert await channel.ask(HEALTH.path, HEALTHY, seconds=60)


async def test_what_a_plugin_prints_after_its_handshake_is_logged_wherever_it_prints_it(
    tmp_path: Path, entries: list[Any]
) -> None:
    begin = "1|2|unix|{path}|grpc|\n[INFO] by stdout"
    script = write_script(begin=begin, stdio=("[INFO] by", " gRPC\n"), says="[WARN] by stderr\n")
    async with living(tmp_path, script):
        wanted = {("stdout", "[INFO] by gRPC"), ("stdout", "[INFO] by stdout"), ("stderr", "[WARN] by stderr")}
        await wait_until(lambda: wanted <= {(entry.get("source"), entry.get("text")) for entry in entries})
    [started] = [entry for entry in entries if entry["event"] == "plugin started"]
    assert (started["plugin"], started["version"]) == (TEST_ID, "1.2.3")


async def test_a_plugin_without_a_stream_of_its_output_lives_all_the_same(tmp_path: Path) -> None:
    async with living(tmp_path, write_script(stdio=None)) as channel:
        assert await channel.ask(HEALTH.path, HEALTHY, seconds=60)


async def test_a_plugin_that_knows_no_tls_is_told_where_it_is_wanted(tmp_path: Path) -> None:
    ending = await live(tmp_path, write_script(), mutual_tls=True)
    assert ending == Ending("handshake", "it knows nothing of TLS: switch plugins.mutual_tls off")


async def test_a_plugin_is_started_again_with_rests_that_grow(tmp_path: Path, entries: list[Any]) -> None:
    package = package_of(tmp_path, f"{SHELL}exit 1\n")
    supervisor = Supervisor(package, Plugins(restart_seconds=0.05, restart_max_seconds=0.2))
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervisor.run)
            await wait_until(lambda: count(entries, "plugin ended") >= 4)
            nursery.cancel_scope.cancel()
    told = [entry for entry in entries if entry["event"] == "plugin ended"]
    assert [entry["again_in_seconds"] for entry in told[:4]] == [0.05, 0.1, 0.2, 0.2]
    assert {entry["reason"] for entry in told} == {"exit"}


async def test_a_life_that_was_long_enough_begins_the_rests_anew(tmp_path: Path, entries: list[Any]) -> None:
    package = package_of(tmp_path, f"{SHELL}exit 1\n")
    supervisor = Supervisor(package, Plugins(restart_seconds=0.05, stable_seconds=0.001))
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervisor.run)
            await wait_until(lambda: count(entries, "plugin ended") >= 3)
            nursery.cancel_scope.cancel()
    assert {entry["again_in_seconds"] for entry in entries if entry["event"] == "plugin ended"} == {0.05}


async def test_a_plugin_that_dies_is_back_after_a_while(tmp_path: Path) -> None:
    package = package_of(tmp_path, write_script(diary=str(tmp_path / "diary")))
    plugin = BackendPlugin(package, Plugins(restart_seconds=0.05))
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(plugin.run)
            for life in range(1, 4):
                await wait_until(lambda: plugin.running)
                begun = [line for line in diary_of(tmp_path) if line.startswith("started")]
                assert len(begun) == life
                os.kill(int(begun[-1].split()[1]), signal.SIGKILL)
                await wait_until(lambda: not plugin.running)
            nursery.cancel_scope.cancel()


async def test_a_plugin_that_rests_refuses_calls_with_the_reason(tmp_path: Path) -> None:
    plugin = BackendPlugin(package_of(tmp_path, f"{SHELL}exit 5\n"), Plugins(restart_seconds=600))
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(plugin.run)
            with pytest.raises(Refusal, match="it exited with status 5") as caught:
                await plugin.subscribe(CallContext(), "path", b"")
            assert (caught.value.code, caught.value.temporary) == (503, True)
            assert "started again" in (plugin.down_because or "")
            nursery.cancel_scope.cancel()
    assert plugin.down_because == "it was stopped"


async def test_a_bug_of_ours_costs_one_life_and_is_told(
    tmp_path: Path, entries: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(self: Life) -> Ending:
        raise ZeroDivisionError

    package = package_of(tmp_path, f"{SHELL}exit 5\n")
    supervisor = Supervisor(package, Plugins(restart_seconds=0.01))
    with trio.fail_after(PATIENCE_SECONDS), monkeypatch.context() as patch:
        patch.setattr(Life, "run", fail)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(supervisor.run)
            await wait_until(lambda: count(entries, "plugin failed because of a bug of ours") >= 2)
            nursery.cancel_scope.cancel()
    assert {entry["reason"] for entry in entries if entry["event"] == "plugin ended"} == {"bug"}


async def test_a_plugin_that_just_starts_is_waited_for(tmp_path: Path) -> None:
    plugin = BackendPlugin(package_of(tmp_path, write_script()), Plugins(call_seconds=PATIENCE_SECONDS))
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(plugin.run)
            assert b'"path": "x"' in await plugin.subscribe(CallContext(), "x", b"")
            nursery.cancel_scope.cancel()


async def test_a_stream_of_a_plugin_that_dies_breaks_after_its_last_packet(tmp_path: Path) -> None:
    plugin = BackendPlugin(package_of(tmp_path, write_script()), Plugins(call_seconds=PATIENCE_SECONDS))
    with trio.fail_after(PATIENCE_SECONDS):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(plugin.run)
            async with plugin.running_stream(CallContext(), "exit", b"") as packets:
                assert await anext(packets) == b"1"
                with pytest.raises(StreamBrokenError, match="UNAVAILABLE: the plugin closed the connection"):
                    await anext(packets)
            nursery.cancel_scope.cancel()


def test_plugins_get_the_variables_that_the_settings_name_and_no_others() -> None:
    environment = {"PATH": "/bin", "FRAMECAST_TOKENS_HMAC_SECRET": "sesame", "MINE": "yes"}
    assert pass_environment(Plugins(), environment) == {"PATH": "/bin"}
    assert pass_environment(Plugins(environment=("MINE", "ABSENT")), environment) == {"MINE": "yes"}
