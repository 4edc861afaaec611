"""``framecast streams``: the streams of a server, or what becomes of one's pushes."""

import os
from typing import Annotated
from urllib.parse import quote, urlsplit

import httpx
import msgspec
import trio
from cyclopts import Parameter

from framecast.cli.delivery import describe_answer, describe_trouble, open_client
from framecast.cli.failure import CommandError
from framecast.cli.rows import cut, terminal_columns
from framecast.cli.stream_page import describe_stream, describe_streams
from framecast.logs import escape_json


def streams(
    stream: Annotated[str, Parameter(help="A stream's id; without it all are listed.")] = "",
    /,
    *,
    measurement: Annotated[str, Parameter(help="Show this measurement of the stream alone, with its columns.")] = "",
    url: Annotated[str, Parameter(help="The server.")] = "http://127.0.0.1:8300",
    token: Annotated[str | None, Parameter(help="Or $FRAMECAST_TOKEN.")] = None,
    json: Annotated[bool, Parameter(help="The server's answer as it is.", negative=())] = False,
) -> int:
    """List the streams, or show one: counts, limits that were met, newest errors, measurements."""
    if urlsplit(url).scheme not in {"http", "https"}:
        raise CommandError(f"--url {url} is not of the form http://HOST:PORT or https://HOST:PORT", status=2)
    if measurement and not stream:
        raise CommandError("--measurement needs the stream's id before it", status=2)
    address = f"{url.rstrip('/')}/api/live/streams"
    if stream:
        address += f"/{quote(stream, safe='')}"
    if measurement:
        address += f"?measurement={quote(measurement, safe='')}"
    answer = trio.run(_ask, address, token or os.environ.get("FRAMECAST_TOKEN"))
    if json:
        print(escape_json(answer.decode("utf-8", "replace")))
        return 0
    try:
        lines = describe_stream(answer) if stream else describe_streams(answer)
    except msgspec.DecodeError as error:
        raise CommandError(f"the server's answer cannot be read: {error}") from None
    for line in lines:
        print(cut(line, terminal_columns()))
    return 0


async def _ask(address: str, token: str | None) -> bytes:
    """The body of the answer; CommandError when there is none or it says no."""
    try:
        async with open_client(address, token) as client:
            response = await client.get(address)
    except httpx.TransportError as error:
        raise CommandError(describe_trouble(error, address)) from None
    except httpx.InvalidURL as error:
        raise CommandError(f"{address} cannot be used: {error}", status=2) from None
    if not response.is_success:
        raise CommandError(describe_answer(response))
    return response.content
