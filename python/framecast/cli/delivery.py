"""Delivers batches to ``/api/live/push/{stream}``, in order, each one until it is answered for good."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from urllib.parse import urlsplit

import httpx
import msgspec
import trio

from framecast.cli.failure import CommandError, name_cause
from framecast.cli.rejected import Rejected
from framecast.cli.trust import find_distrust, trust

TIMEOUT = httpx.Timeout(connect=5.0, write=30.0, read=30.0, pool=5.0)
"""The server answers after queueing, well under a second; ten times Telegraf's patience is generous."""

FIRST_DELAY_SECONDS = 0.25
LONGEST_DELAY_SECONDS = 10.0
RETRIED_STATUSES = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
LONGEST_MESSAGE = 500


class Report(msgspec.Struct, frozen=True):
    """What the server says about one body; `rejections` may be cut, `rejected` is the true number."""

    accepted: int = 0
    rejected: int = 0
    rejections: list[Rejected] = []
    mismatched: int = 0
    mismatches: list[str] = []
    """Of the values that did not fit their columns, a sentence for each column; may be cut."""
    late: int = 0
    """Rows older than what their measurement had before."""


class UndeliveredError(CommandError):
    """A batch could not be delivered, and so none after it."""


class Delivery:
    """Sends one body after the other. `notice` is told what is being waited for."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        url: str,
        *,
        retry_seconds: float,
        notice: Callable[[str], None],
    ) -> None:
        self._client = client
        self._url = url
        self._retry_seconds = retry_seconds
        self._notice = notice

    async def deliver(self, body: bytes, entries: int) -> Report:
        """Send `body` until it is accepted. UndeliveredError when it is refused or `retry_seconds` have passed.

        A server that answers without a report is taken to have accepted all `entries`.
        """
        give_up = trio.current_time() + self._retry_seconds
        attempt = 0
        while True:
            asked: float | None = None
            try:
                response = await self._client.post(self._url, content=body)
            except httpx.TransportError as error:
                trouble = describe_trouble(error, self._url)
                if find_distrust(error):
                    raise UndeliveredError(trouble) from None
            except httpx.InvalidURL as error:
                raise CommandError(f"{self._url} cannot be used: {error}", status=2) from None
            else:
                if response.is_success:
                    return read_report(response, entries)
                trouble = describe_answer(response)
                if not (response.is_server_error or response.status_code in RETRIED_STATUSES):
                    raise UndeliveredError(trouble)
                asked = retry_after(response.headers.get("retry-after"), datetime.now(UTC))
            delay = back_off(attempt, asked)
            attempt += 1
            if trio.current_time() + delay > give_up:
                raise UndeliveredError(f"{trouble}; gave up after {attempt} attempts (--retry-seconds)")
            self._notice(f"{trouble}; trying again in {delay:.1f} s")
            await trio.sleep(delay)


def back_off(attempt: int, asked: float | None) -> float:
    """Seconds to wait after failed attempt number `attempt` (from 0): doubled each time, spread, or as was asked.

    What the server asks for is a minimum; the spread on top of it keeps many senders from coming back at once.
    """
    ceiling = min(LONGEST_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2.0 ** min(attempt, 16))
    spread = random.uniform(ceiling / 2, ceiling)  # noqa: S311 - no secret
    return spread if asked is None else asked + spread / 10


def retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds in a Retry-After header (RFC 9110, 10.2.3: a number or a date); None when it says nothing usable."""
    if header is None:
        return None
    if header.strip().isascii() and header.strip().isdigit():
        return float(header)
    try:
        when = parsedate_to_datetime(header)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - now).total_seconds())


def read_report(response: httpx.Response, entries: int) -> Report:
    """The report in a successful answer, or one that says that all is well when there is none."""
    if response.content.lstrip()[:1] == b"{":
        try:
            return msgspec.json.decode(response.content, type=Report)
        except msgspec.DecodeError as error:
            raise UndeliveredError(f"the server's report cannot be read: {error}") from None
    return Report(accepted=entries)


def describe_trouble(error: httpx.TransportError, url: str) -> str:
    """Why there was no answer, for a person."""
    place = urlsplit(url).netloc
    if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
        return f"cannot connect to {place}: {find_distrust(error) or name_cause(error)}"
    if isinstance(error, httpx.TimeoutException):
        return f"{place} did not answer in time"
    return f"{place} closed the connection: {name_cause(error)}"


def describe_answer(response: httpx.Response) -> str:
    """Status and message of an answer that is no success."""
    phrase = response.reason_phrase or httpx.codes.get_reason_phrase(response.status_code)
    status = f"{response.status_code} {phrase}".strip()
    if response.is_redirect:
        return f"the server answered {status}, the place is {response.headers.get('location', 'not given')}"
    message = response.text.strip()
    try:
        document = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        document = None
    if isinstance(document, dict) and isinstance(document.get("message"), str):
        message = document["message"]
    return f"the server answered {status}: {message[:LONGEST_MESSAGE]}" if message else f"the server answered {status}"


def open_client(url: str, token: str | None) -> httpx.AsyncClient:
    """A client for one server. A proxy of the environment is not asked for what is on this machine.

    CommandError when the environment names authorities that cannot be read.
    """
    loopback = urlsplit(url).hostname in {"localhost", "127.0.0.1", "::1"}
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
    return httpx.AsyncClient(headers=headers, timeout=TIMEOUT, limits=limits, trust_env=not loopback, verify=trust(url))
