"""The key set of `tokens.jwks_url`: fetched by one task, kept, fetched anew when it is old or lacks a key.

What clients send can bring a fetch forward, but never two closer together than `tokens.jwks_retry_seconds`.
"""

from urllib.parse import urlsplit

import structlog
import trio

from framecast import metrics
from framecast.accounts.tokens.algorithms import Key
from framecast.accounts.tokens.fetch import Fetcher, FetchError
from framecast.accounts.tokens.key_set import KeySet, parse_key_set
from framecast.accounts.tokens.refused import Reason, TokenRefusedError, quote
from framecast.settings import Tokens

log = structlog.get_logger(__name__)


class KeySource:
    """Keys by `kid`. `run` is the only task that fetches; whoever needs a key waits for it, and may be cancelled."""

    def __init__(self, settings: Tokens) -> None:
        self._settings = settings
        self._fetcher = Fetcher(settings.jwks_url, max_bytes=settings.jwks_bytes, seconds=settings.fetch_seconds)
        self._host = urlsplit(settings.jwks_url).hostname
        self._keys: KeySet | None = None
        self._fetched_at = 0.0
        self._resting = False
        self._wanted = trio.Event()
        self._ended = trio.Event()
        self._failures = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Fetch now, and whenever it is due or wanted, until cancelled. Never fails because of the source."""
        task_status.started()
        while True:
            await self._fetch()
            self._tell_waiting()
            self._resting = True
            await trio.sleep(self._settings.jwks_retry_seconds)
            self._resting = False
            if self._failures == 0:
                with trio.move_on_at(self._fetched_at + self._settings.jwks_seconds):
                    await self._wanted.wait()

    async def find(self, kid: str) -> tuple[Key, ...]:
        """The keys that have this `kid`, at least one. Waits for one fetch at most, `tokens.fetch_seconds`.

        TokenRefusedError when the set, asked anew, does not have it; KEYS_UNAVAILABLE when it could not be asked, or
        was asked so short a time ago that it is not asked again: who made the token may be about to publish the key.
        """
        found = self._find_known(kid)
        if found:
            return found
        if not self._resting:
            ended = self._ended
            self._wanted.set()
            with trio.move_on_after(self._settings.fetch_seconds):
                await ended.wait()
            found = self._find_known(kid)
            if found:
                return found
            if ended.is_set() and self._failures == 0:
                raise TokenRefusedError(Reason.UNKNOWN_KEY, f"kid {quote(kid)} is not in the key set")
        raise TokenRefusedError(Reason.KEYS_UNAVAILABLE, f"kid {quote(kid)} is not known, the set was not asked again")

    def _find_known(self, kid: str) -> tuple[Key, ...]:
        return self._keys.get(kid, ()) if self._keys is not None else ()

    def _tell_waiting(self) -> None:
        self._ended.set()
        self._ended, self._wanted = trio.Event(), trio.Event()

    async def _fetch(self) -> None:
        try:
            body = await self._fetcher.fetch()
            keys, unusable = parse_key_set(body)
        except (FetchError, ValueError) as error:
            self._note_failure(error)
            return
        metrics.key_set_fetches.labels("fetched").inc()
        news = self._keys is None or self._keys.keys() != keys.keys()
        self._keys, self._fetched_at = keys, trio.current_time()
        if news or self._failures:
            log.info("key set fetched", host=self._host, keys=len(keys), unusable=unusable, failures=self._failures)
        self._failures = 0

    def _note_failure(self, error: Exception) -> None:
        """Count it; the first of a row is logged, with what it means."""
        metrics.key_set_fetches.labels("failed").inc()
        self._failures += 1
        good_until = self._fetched_at + self._settings.jwks_seconds + self._settings.jwks_stale_seconds
        if self._keys is not None and trio.current_time() >= good_until:
            self._keys = None
            log.warning("key set let go: too old, and no newer one to be had", host=self._host, error=str(error))
        elif self._failures == 1:
            effect = "no token that needs it is accepted" if self._keys is None else "the last one is used on"
            log.warning("key set not fetched, trying again", host=self._host, error=str(error), effect=effect)
