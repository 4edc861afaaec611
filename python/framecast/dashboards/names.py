"""The words of dashboards' and folders' addresses."""

import re
import unicodedata

_NO_WORD = re.compile(r"[^a-z0-9]+")
_SLUG_CHARACTERS = 100


def slug_of(title: str, uid: str) -> str:
    """A title as a part of an address; the uid where it has no letter that could be."""
    plain = unicodedata.normalize("NFKD", title[:_SLUG_CHARACTERS]).encode("ascii", "ignore").decode().lower()
    return _NO_WORD.sub("-", plain).strip("-")[:_SLUG_CHARACTERS].rstrip("-") or uid


def dashboard_url(uid: str, title: str) -> str:
    """Where Grafana's pages show it."""
    return f"/d/{uid}/{slug_of(title, uid)}"


def folder_url(uid: str, title: str) -> str:
    """Where Grafana's pages show it."""
    return f"/dashboards/f/{uid}/{slug_of(title, uid)}"
