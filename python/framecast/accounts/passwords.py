"""Hashes passwords, slowly on purpose (argon2id), in threads of their own and never more at once than is allowed.

The only module that knows the library. It keeps nothing and knows no users.
"""

from collections.abc import Callable
from typing import TypeVar

import trio
from pwdlib import PasswordHash
from pwdlib.exceptions import PwdlibError
from pwdlib.hashers.argon2 import Argon2Hasher

from framecast.errors import Refusal
from framecast.settings import Accounts

T = TypeVar("T")

MAX_BYTES = 1_024
"""Of a password. No person has a longer one, and one that is cut would be another."""


def _nothing() -> None:
    """Ask nobody."""


class Passwords:
    """Hashes and checks. One for the server; any task may ask it."""

    def __init__(self, limits: Accounts) -> None:
        self._limits = limits
        # One lane: several would be as many threads of the library's own.
        hasher = Argon2Hasher(time_cost=limits.password_passes, memory_cost=limits.password_kib, parallelism=1)
        self._hasher = PasswordHash((hasher,))
        self._turns = trio.CapacityLimiter(limits.password_threads)
        """Whose turn it is. Beside the threads, since one that was given up works on without whoever waited for it."""
        self._threads = trio.CapacityLimiter(limits.password_threads)
        self._at_work = 0
        self._nobodys: str | None = None

    async def hash(self, password: str) -> str:
        """What is kept of a new password. Refusal 400 for one that is too short or too long, 503 as `verify`."""
        least = self._limits.password_characters
        if len(password) < least:
            raise Refusal(400, f"password is shorter than {least} characters (accounts.password_characters)")
        if _is_too_long(password):
            raise Refusal(400, f"password is longer than {MAX_BYTES} bytes")
        return await self._work(lambda: self._hasher.hash(_bytes(password)))

    async def verify(
        self, password: str, kept: str, *, before: Callable[[], None] = _nothing
    ) -> tuple[bool, str | None]:
        """Whether it is the password that `kept` was made of, and what to keep instead if that was made too cheaply.

        `before` is called when its turn has come, and may refuse it still. Refusal 503 when too many are being checked,
        or when it takes too long.
        """
        if _is_too_long(password):
            return False, None

        def check() -> tuple[bool, str | None]:
            try:
                return self._hasher.verify_and_update(_bytes(password), kept)
            except PwdlibError:  # what is kept is none of the library's hashes
                return False, None

        return await self._work(check, before)

    async def verify_nobodys(self, password: str, *, before: Callable[[], None] = _nothing) -> None:
        """Take as long as `verify` does: how long an answer takes must not tell which logins there are."""
        if self._nobodys is None:
            self._nobodys = await self._work(lambda: self._hasher.hash(b"nobody has this password"))
        await self.verify(password, self._nobodys, before=before)

    async def _work(self, work: Callable[[], T], before: Callable[[], None] = _nothing) -> T:
        most = self._limits.password_threads + self._limits.waiting_passwords
        if self._at_work >= most:
            raise Refusal(503, "too many passwords are being checked (accounts.waiting_passwords)", temporary=True)
        self._at_work += 1
        try:
            with trio.fail_after(self._limits.password_seconds):
                async with self._turns:
                    before()
                    return await trio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=self._threads)
        except trio.TooSlowError:
            raise Refusal(
                503, "the password was not checked in time (accounts.password_seconds)", temporary=True
            ) from None
        except RuntimeError:  # the system gave no thread
            raise Refusal(503, "no thread is left to check the password: try again", temporary=True) from None
        finally:
            self._at_work -= 1


def _is_too_long(password: str) -> bool:
    return len(_bytes(password)) > MAX_BYTES


def _bytes(password: str) -> bytes:
    return password.encode("utf-8", "surrogatepass")
