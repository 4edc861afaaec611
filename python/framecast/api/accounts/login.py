"""``POST /login`` and ``/logout``: the beginning and the end of a browser's session.

The gate is asked about neither: who logs in has nothing to show yet, and who logs out may have a session that is over.
That no other site's page logs anybody in or out is seen to before (`routes.build_check`).
"""

import structlog
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from framecast import metrics
from framecast.accounts.cookies import drop_cookie, find_cookie, set_cookie
from framecast.accounts.entrance import Entrance
from framecast.api.accounts.words import Done, LenientBody
from framecast.api.bodies import JsonBodies
from framecast.api.late import head_of
from framecast.api.routing import PROBLEM, ApiRoute, JsonBody
from framecast.errors import Refusal
from framecast.settings import Settings

log = structlog.get_logger(__name__)

LOGIN_PATH = "/login"
LOGOUT_PATH = "/logout"
PATHS = frozenset({LOGIN_PATH, LOGOUT_PATH})


class LoginBody(LenientBody):
    """Who logs in."""

    user: str = Field(description="The login.")
    password: str


class LoginRoutes:
    """The two routes."""

    def __init__(self, entrance: Entrance, bodies: JsonBodies, settings: Settings) -> None:
        self._entrance = entrance
        self._body = JsonBody(bodies, settings.api.body_bytes)
        self._accounts = settings.accounts
        self._secure = settings.server.seen_as_https

    def routes(self) -> list[ApiRoute]:
        """Which path leads to which of the methods below."""
        unsaved = dict.fromkeys((503, 507), PROBLEM)
        refused = dict.fromkeys((403, 404, 429), PROBLEM) | unsaved
        return [
            ApiRoute(LOGIN_PATH, self.log_in, methods=("POST",), takes=self._body, answers={200: Done, **refused}),
            ApiRoute(LOGOUT_PATH, self.log_out, methods=("GET", "POST"), answers={200: Done, **unsaved}),
        ]

    async def log_in(self, body: LoginBody, request: Request) -> Response:
        """Begin a session: the answer sets its cookie.

        429 after too many wrong passwords from the caller's address, or for the login.
        """
        accounts, entrance = self._accounts, self._entrance
        if not (accounts.passwords and accounts.sessions):
            raise Refusal(404, "Not Found: nobody logs in here (accounts.passwords, accounts.sessions)")
        try:
            user = await entrance.logins.find(body.user, body.password, head_of(request.scope).peer)
        except Refusal as refusal:
            metrics.logins.labels("refused" if refusal.code < 500 else "failed").inc()
            raise
        roles = entrance.register.directory.users.roles_of(user.user_id)
        org_id = user.org_id if user.org_id in roles else min(roles, default=0)
        if not org_id:
            raise Refusal(403, "Forbidden: this user is a member of no org")
        session, secret = await entrance.register.sessions.begin(user.user_id, org_id, password_hash=user.password_hash)
        metrics.logins.labels("begun").inc()
        log.info("session begun", session=session.session_id, user=user.user_id)
        answer = JSONResponse({"message": "Logged in"})
        answer.headers["Set-Cookie"] = set_cookie(
            accounts.session_cookie, secret, seconds=accounts.session_seconds, secure=self._secure
        )
        return answer

    async def log_out(self, request: Request) -> Response:
        """End the caller's session and its connections. Without one there is nothing to end."""
        name, directory = self._accounts.session_cookie, self._entrance.register.directory
        secret = find_cookie(head_of(request.scope), name)
        session = directory.sessions.use_secret(secret, directory.clock()) if secret else None
        if session is not None:
            await self._entrance.register.sessions.end([session.session_id])
            log.info("session ended", session=session.session_id, user=session.user_id)
        answer = JSONResponse({"message": "Logged out"})
        answer.headers["Set-Cookie"] = drop_cookie(name, secure=self._secure)
        return answer
