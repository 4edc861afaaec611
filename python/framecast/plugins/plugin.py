"""What a plugin is: the questions that the server asks it, and what it is told with each of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, get_args

from framecast.accounts.identity import Role
from framecast.plugins.frames import Frame
from framecast.plugins.query import Query, QueryError
from framecast.plugins.sender import Sender

Sharing = Literal["channel", "user", "data"]
HealthStatus = Literal["ok", "error", "unknown"]
HEALTHS = get_args(HealthStatus)


class NotFoundError(Exception):
    """The plugin has no such stream: who subscribes is told so for good (404)."""


class PermissionDeniedError(Exception):
    """This one may not: who subscribes or publishes is told so for good (403)."""


class RefusedError(Exception):
    """No, for a reason of the plugin's own, as for bad subscribe data or settings: whoever asked is told it.

    `status` is as of HTTP. With 400 to 499 it is final, but for 429; 429 and 500 to 599 are tried again by clients, and
    by the server where `run` raises it.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        if not 400 <= status <= 599:
            raise ValueError(f"a RefusedError has a status from 400 to 599, not {status!r}")
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class User:
    """Who asks."""

    login: str
    """"" for nobody in particular, as where the server needs no token."""

    role: Role


@dataclass(frozen=True, slots=True)
class DataSource:
    """The data source that a stream is of, with its secrets in the clear: they are in no `repr`, and in no log."""

    uid: str
    name: str = ""
    type: str = ""
    url: str = ""
    user: str = ""
    database: str = ""
    basic_auth: bool = False
    basic_auth_user: str = ""
    json_data: Mapping[str, Any] = field(default_factory=dict)
    json_text: bytes = b""
    """`json_data` as it was set, to the last digit; empty where nobody set it."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    updated_ms: int = 0
    """When its settings changed last: never the same for two of them."""
    number: int = 0
    """Grafana's older id of it."""


@dataclass(frozen=True, slots=True)
class Health:
    """How a data source is."""

    status: HealthStatus

    message: str = ""
    """For whoever set it up. Everybody may see it who may look at the data source's streams."""

    details: Mapping[str, Any] = field(default_factory=dict)
    """Further values, as JSON has them."""

    def __post_init__(self) -> None:
        if self.status not in HEALTHS:
            raise ValueError(f"a Health is one of {', '.join(map(repr, HEALTHS))}, not {self.status!r}")


@dataclass(frozen=True, slots=True)
class Context:
    """On whose behalf a plugin is asked, and about what."""

    org_id: int
    plugin_id: str
    channel: str
    """``plugin/{id}/{path}`` or ``ds/{uid}/{path}``; "" in a question about none."""

    user: User | None = None
    """None in a `run` that is everybody's."""

    data_source: DataSource | None = None
    """None for a channel of the plugin itself."""


class Plugin:
    """A plugin. A subclass says what it streams and answers; the server makes one object of it, without arguments.

    All of it runs on the server's one thread, beside everything else: what computes for long, or blocks, belongs into
    ``trio.to_thread.run_sync``.
    """

    sharing: ClassVar[Sharing] = "channel"
    """Whose one stream of a channel is, and so what `run` is told.

    ``channel``: everybody's. It is told neither a user nor data, so that who comes first decides nothing for others.
    ``user``: one user's own, whom it is told; the path must end with ``/`` and the login (`path_of_login`).
    ``data``: that of one subscribe data, which it is told; who brings other data while somebody watches is refused
    (409). What tells such streams apart belongs into the path, as in Grafana's own data sources.
    """

    async def subscribe(self, context: Context, path: str, data: bytes) -> Frame | bytes | None:
        """Say whether this one may subscribe; what is returned is what it begins with, a frame or any JSON.

        Asked for every subscriber. `data` is the JSON that the subscriber sent along, or empty. NotFoundError,
        PermissionDeniedError and RefusedError say no.
        """
        raise NotFoundError

    async def publish(self, context: Context, path: str, data: bytes) -> Frame | bytes | None:
        """Say what becomes of a client's message: what is returned is published, None publishes nothing."""
        raise PermissionDeniedError

    async def run(self, context: Context, path: str, data: bytes, sender: Sender) -> None:
        """Stream until cancelled. To return is to have nothing more to send; to fail is to be started again."""
        raise NotFoundError

    async def check_health(self, context: Context) -> Health | None:
        """Say how the data source of `context` is; None where the plugin does not tell."""
        return None

    async def query(self, context: Context, query: Query) -> Frame | Iterable[Frame]:
        """Answer a query of a data source (``context.data_source``), with one frame or with several.

        QueryError says why not, with a status as of HTTP; so do NotFoundError, PermissionDeniedError and RefusedError.
        """
        raise QueryError(f"the plugin {context.plugin_id} answers no queries", 404)
