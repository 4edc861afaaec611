"""Fetches a key set over HTTP, with every size and wait bounded. Knows nothing of keys."""

import ssl

import httpx
import trio

from framecast.accounts.other_server import read_url

MAX_REDIRECTS = 3
_NO_DEADLINE_OF_ITS_OWN = httpx.Timeout(None)  # one deadline stands over the whole fetch
_HEADERS = {"Accept": "application/jwk-set+json, application/json", "Accept-Encoding": "identity"}


class FetchError(Exception):
    """The key set could not be fetched; the message says why."""


class Fetcher:
    """Fetches one URL, as often as it is asked to. The body is at most `max_bytes` long."""

    def __init__(self, url: str, *, max_bytes: int, seconds: float) -> None:
        read_url("tokens.jwks_url", url, "https://host/path")
        self._url = url
        self._max_bytes = max_bytes
        self._seconds = seconds
        self._trust: ssl.SSLContext = httpx.create_ssl_context()

    async def fetch(self) -> bytes:
        """The body of a 200 answer. FetchError for anything else, and after `seconds`.

        Follows a few redirects, but none from https to http. Proxies and certificates are those of the environment,
        as httpx reads it.
        """
        try:
            with trio.fail_after(self._seconds):
                async with httpx.AsyncClient(verify=self._trust, timeout=_NO_DEADLINE_OF_ITS_OWN) as client:
                    return await self._follow(client)
        except trio.TooSlowError:
            raise FetchError(f"no whole answer within {self._seconds:g} s") from None
        # OSError and ValueError: what slips through httpx, a host name that cannot be one for example
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError) as error:
            raise FetchError(f"{type(error).__name__}: {error}") from None

    async def _follow(self, client: httpx.AsyncClient) -> bytes:
        """By hand: httpx would read the whole body of a redirect, however long."""
        request = client.build_request("GET", self._url, headers=_HEADERS)
        for _ in range(MAX_REDIRECTS + 1):
            response = await client.send(request, stream=True)
            try:
                if response.next_request is None:
                    return await self._read(response)
                if request.url.scheme == "https" and response.next_request.url.scheme != "https":
                    raise FetchError("is redirected from https to another scheme")
                request = response.next_request
            finally:
                await response.aclose()
        raise FetchError(f"more than {MAX_REDIRECTS} redirects")

    async def _read(self, response: httpx.Response) -> bytes:
        if response.status_code != httpx.codes.OK:
            raise FetchError(f"status {response.status_code}")
        if response.headers.get("content-encoding", "identity") != "identity":
            raise FetchError("the answer is compressed, though that was not asked for")
        body = bytearray()
        with trio.CancelScope() as reading:
            async for piece in response.aiter_raw():
                body += piece
                if len(body) > self._max_bytes:
                    reading.cancel()  # httpx's generators come to an end from the inside only
        if len(body) > self._max_bytes:
            raise FetchError(f"longer than tokens.jwks_bytes = {self._max_bytes}")
        return bytes(body)
