"""What dashboards and folders go by: uids, and the words of their addresses."""

import re
import secrets
import string
import unicodedata

from framecast.errors import Refusal

UID_CHARACTERS = 40
"""As Grafana's, and of the same characters; so a uid is a part of a channel too."""

_UID = re.compile(r"[A-Za-z0-9_-]+")
_MADE_CHARACTERS = string.ascii_lowercase + string.digits
_MADE_LENGTH = 14
_NO_WORD = re.compile(r"[^a-z0-9]+")
_SLUG_CHARACTERS = 100


def check_uid(uid: str, field: str) -> None:
    """Refusal 400, in Grafana's words, for what cannot be one."""
    if len(uid) > UID_CHARACTERS:
        raise Refusal(400, f"Bad Request: {field}: uid too long, max {UID_CHARACTERS} characters")
    if not _UID.fullmatch(uid):
        raise Refusal(400, f"Bad Request: {field}: uid contains illegal characters, it may have A-Z a-z 0-9 _ -")


def make_uid() -> str:
    """One that nobody has: 36¹⁴ are more than anybody saves."""
    return "".join(secrets.choice(_MADE_CHARACTERS) for _ in range(_MADE_LENGTH))


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
