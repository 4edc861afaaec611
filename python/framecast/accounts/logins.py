"""Who it is that shows a login and a password.

Passwords that were right are known again for a while: InfluxDB's clients and scripts send theirs with each request, and
argon2 would take a core for ten of them a second. What is remembered is a hash with a key of this process, and of the
user's record only as long as that has the same password.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import structlog
import trio

from framecast import metrics
from framecast.accounts.attempts import Attempts
from framecast.accounts.passwords import Passwords
from framecast.accounts.register.register import Register
from framecast.errors import Refusal
from framecast.settings import Accounts
from framecast.store.users import User

log = structlog.get_logger(__name__)


class Remembered:
    """Passwords that were right a short while ago. Belongs to the Trio thread."""

    def __init__(self, limits: Accounts, clock: Callable[[], float]) -> None:
        self._seconds = limits.remember_seconds
        self._most = limits.remembered_passwords
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._kept: dict[bytes, tuple[str, float]] = {}
        """By what was shown: what the user's record had of the password then, and until when that counts."""

    def __len__(self) -> int:
        return len(self._kept)

    def knows(self, user: User, password: str) -> bool:
        """Whether this was the user's password lately, and it is the same still."""
        kept, until = self._kept.get(self._name(user, password), ("", 0.0))
        return self._clock() < until and kept == user.password_hash

    def note(self, user: User, password: str) -> None:
        """This is the user's password."""
        if not self._seconds:
            return
        name = self._name(user, password)
        self._kept.pop(name, None)
        if len(self._kept) >= self._most:
            del self._kept[next(iter(self._kept))]
        self._kept[name] = (user.password_hash, self._clock() + self._seconds)

    def _name(self, user: User, password: str) -> bytes:
        text = f"{user.user_id}:{password}".encode("utf-8", "surrogatepass")
        return hmac.new(self._key, text, hashlib.sha256).digest()


class Logins:
    """Checks logins with their passwords. One for the server; any task may ask it."""

    def __init__(
        self,
        register: Register,
        passwords: Passwords,
        attempts: Attempts,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        self._register = register
        self._passwords = passwords
        self._attempts = attempts
        self._remembered = Remembered(register.desk.limits, clock)

    async def find(self, login: str, password: str, address: str) -> User:
        """The user who has this login and password, as it is at this moment.

        Refusal 401 where there is none or it is disabled, 429 after too many that were wrong, 503 when it cannot be
        checked just now.
        """
        users = self._register.directory.users
        user = users.find_login(login)
        if user is not None and not user.disabled and self._remembered.knows(user, password):
            return user
        # Asked before the wait, so that a crowd costs no place in it, and again behind it: meanwhile the others of a
        # crowd may have used up what was left.
        may_be_tried = partial(self._attempts.check_password_may_be_tried, login, address)
        may_be_tried()
        if user is None:
            await self._passwords.verify_nobodys(password, before=may_be_tried)
            raise self._attempts.wrong_password(login, address)
        right, better = await self._passwords.verify(password, user.password_hash, before=may_be_tried)
        now = users.find(user.user_id)
        if not right or now is None or now.disabled or now.password_hash != user.password_hash:
            raise self._attempts.wrong_password(login, address)
        if better is not None:
            now = await self._keep(now, better)
        self._remembered.note(now, password)
        metrics.checked_passwords.inc()
        return now

    async def _keep(self, user: User, better: str) -> User:
        """Keep the password by a hash as they are made now. That it could not be kept so is no reason to refuse."""
        with suppress(Refusal):
            await self._register.users.rehash_password(user.user_id, user.password_hash, better)
        found = self._register.directory.users.find(user.user_id)
        if found is None or found.disabled or found.password_hash not in {user.password_hash, better}:
            raise Refusal(401, "Unauthorized: this user was changed just now")
        return found
