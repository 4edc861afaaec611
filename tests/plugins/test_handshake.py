"""The line that a plugin begins with: what is good, and one clear reason for each line that is not."""

import base64
import ssl
from pathlib import Path

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from framecast.plugins.host.certificates import make_certificate, trust_only
from framecast.plugins.host.dialling import prepare_dial, read_first_line
from framecast.plugins.host.handshake import Handshake, HandshakeError, handshake_environment, parse_handshake

CERTIFICATE = base64.b64encode(bytes(range(100))).decode().rstrip("=")


@pytest.mark.parametrize(
    "line",
    [
        b"1|2|unix|/tmp/p/plugin1|grpc|",
        b"1|2|unix|/tmp/p/plugin1|grpc",
        b"1|2|unix|/tmp/p/plugin1|grpc||true\r\n",
        b"  1|2|unix|/tmp/p/plugin1|grpc|extra\n",
        b"1|2|unix|/tmp/p/plugin1|grpc|" + CERTIFICATE.encode(),
    ],
)
def test_a_good_line_tells_where_the_plugin_listens(line: bytes) -> None:
    assert parse_handshake(line, wants_certificate=False) == Handshake(Path("/tmp/p/plugin1"), None)


def test_the_certificate_has_no_padding_and_is_read_where_it_was_asked_for() -> None:
    line = f"1|2|unix|/tmp/p/plugin1|grpc|{CERTIFICATE}|true".encode()
    assert parse_handshake(line, wants_certificate=True).certificate == bytes(range(100))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"Hello, I am a plugin!", "it said 'Hello, I am a plugin!' where a go-plugin handshake belongs"),
        (b"", "it said ''"),
        (b"\xff\xfe\x00", "handshake belongs"),
        (b"x" * 5_000, "…"),
        (b"2|2|unix|/tmp/p|grpc|", "version '2' of go-plugin, and we version 1"),
        (b"1|1|unix|/tmp/p|grpc|", "version '1' of Grafana's plugin protocol, and we version 2"),
        (b"1|2|tcp|127.0.0.1:1234|grpc|", "listens on 'tcp:127.0.0.1:1234', and only Unix sockets"),
        (b"1|2|unix|plugin1|grpc|", "'plugin1', which is not absolute"),
        (b"1|2|unix|/tmp/p|netrpc|", "speaks 'netrpc' and not grpc"),
        (b"1|2|unix|/tmp/p", "speaks 'netrpc' and not grpc"),
    ],
)
def test_a_bad_line_is_refused_for_one_reason(line: bytes, words: str) -> None:
    with pytest.raises(HandshakeError) as caught:
        parse_handshake(line, wants_certificate=False)
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"1|2|unix|/tmp/p|grpc|", "knows nothing of TLS: switch plugins.mutual_tls off"),
        (b"1|2|unix|/tmp/p|grpc|short", "knows nothing of TLS"),
        (b"1|2|unix|/tmp/p|grpc|" + b"!" * 60, "no base64"),
    ],
)
def test_a_plugin_without_a_certificate_is_refused_where_one_is_wanted(line: bytes, words: str) -> None:
    with pytest.raises(HandshakeError, match=words):
        parse_handshake(line, wants_certificate=True)


@given(
    st.one_of(st.binary(max_size=200), st.lists(st.text(max_size=20), max_size=9).map(lambda p: "|".join(p).encode()))
)
def test_any_line_is_a_handshake_or_refused(line: bytes) -> None:
    for wants_certificate in (False, True):
        try:
            parse_handshake(line, wants_certificate=wants_certificate)
        except HandshakeError as error:
            assert str(error)


def test_a_plugin_is_told_the_cookie_the_version_and_its_folder() -> None:
    assert handshake_environment(Path("/run/x"), None) == {
        "grafana_plugin_type": "datasource",
        "PLUGIN_PROTOCOL_VERSIONS": "2",
        "PLUGIN_UNIX_SOCKET_DIR": "/run/x",
        "TMPDIR": "/run/x",
    }
    assert handshake_environment(Path("/run/x"), "PEM")["PLUGIN_CLIENT_CERT"] == "PEM"


async def first_line(*pieces: bytes, max_bytes: int = 100) -> tuple[bytes, bytes] | None:
    ours, theirs = trio.testing.memory_stream_one_way_pair()
    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:

            async def send() -> None:
                for piece in pieces:
                    await ours.send_all(piece)
                    await trio.testing.wait_all_tasks_blocked()
                await ours.aclose()

            nursery.start_soon(send)
            return await read_first_line(theirs, max_bytes)
    raise AssertionError


async def test_the_first_line_comes_in_any_pieces_and_the_rest_is_kept() -> None:
    assert await first_line(b"1|2|", b"unix", b"\nmore\nof it") == (b"1|2|unix", b"more\nof it")
    assert await first_line(b"1|2|unix\n") == (b"1|2|unix", b"")


async def test_output_that_ends_without_a_line_is_no_line() -> None:
    assert await first_line(b"1|2|") is None


async def test_a_line_without_end_is_refused_at_the_limit() -> None:
    ours, theirs = trio.testing.memory_stream_one_way_pair()
    await ours.send_all(b"x" * 101)
    with pytest.raises(HandshakeError, match="without end"), trio.fail_after(10):
        await read_first_line(theirs, 100)


@pytest.mark.parametrize("path", ["/run/docker.sock", "{folder}/../elsewhere", "{folder}/link/plugin1"])
def test_a_socket_outside_of_the_plugin_s_folder_is_not_dialled(tmp_path: Path, path: str) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    handshake = Handshake(Path(path.format(folder=folder)), None)
    with pytest.raises(HandshakeError, match="outside of the folder in PLUGIN_UNIX_SOCKET_DIR"):
        prepare_dial(handshake, None, folder=folder)


def test_a_certificate_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HandshakeError, match="certificate cannot be used"):
        prepare_dial(Handshake(tmp_path / "plugin1", bytes(100)), make_certificate(), folder=tmp_path)


def test_a_key_of_ours_is_never_shown_and_never_the_same(tmp_path: Path) -> None:
    ours, other = make_certificate(), make_certificate()
    assert ours.pem != other.pem
    assert "PRIVATE" not in repr(ours)
    assert trust_only(_der(ours.pem), other).verify_mode is ssl.CERT_REQUIRED


def _der(pem: bytes) -> bytes:
    body = pem.decode().split("-----")[2]
    return base64.b64decode("".join(body.split()))
