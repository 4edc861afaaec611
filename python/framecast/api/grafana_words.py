"""How Grafana's API says what its clients read of dashboards and folders: moments, authors, rights."""

from datetime import UTC, datetime

from framecast.accounts.identity import Identity, Role
from framecast.accounts.permissions import Action, may
from framecast.dashboards.saving import Author

MAX_ID = 2**63 - 1
"""SQLite's integers."""

NEVER = "0001-01-01T00:00:00Z"
"""Go's zero time."""

ANONYMOUS = "Anonymous"


def tell_moment(unix_seconds: float) -> str:
    """RFC 3339."""
    return datetime.fromtimestamp(unix_seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def tell_login(login: str) -> str:
    """A login, or the word for nobody in particular."""
    return login or ANONYMOUS


def author_of(caller: Identity) -> Author:
    """Who changes something when this caller does."""
    return Author(caller.org_id, caller.login)


def rights_of(caller: Identity) -> dict[str, bool]:
    """What the caller may do with every dashboard and folder of its org."""
    changes = may(caller, Action.WRITE_DASHBOARDS)
    administers = changes and caller.role.covers(Role.ADMIN)
    return {"canSave": changes, "canEdit": changes, "canDelete": changes, "canAdmin": administers}
