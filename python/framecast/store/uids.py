"""The uids that dashboards, folders and data sources go by within their org, as Grafana's."""

import re
import secrets
import string

from framecast.errors import Refusal

UID_CHARACTERS = 40
"""As Grafana's, and of the same characters; so a uid is a part of a channel too."""

_UID = re.compile(r"[A-Za-z0-9_-]+")
_MADE_CHARACTERS = string.ascii_lowercase + string.digits
_MADE_LENGTH = 14


def check_uid(uid: str, field: str) -> None:
    """Refusal 400, in Grafana's words, for what cannot be one."""
    if len(uid) > UID_CHARACTERS:
        raise Refusal(400, f"Bad Request: {field}: uid too long, max {UID_CHARACTERS} characters")
    if not _UID.fullmatch(uid):
        raise Refusal(400, f"Bad Request: {field}: uid contains illegal characters, it may have A-Z a-z 0-9 _ -")


def make_uid() -> str:
    """One that nobody has: 36¹⁴ are more than anybody saves."""
    return "".join(secrets.choice(_MADE_CHARACTERS) for _ in range(_MADE_LENGTH))
