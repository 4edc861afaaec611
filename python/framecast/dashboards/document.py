"""A dashboard's document: what of it the server looks at, and how it stays what it was, to the last digit.

The text is kept as it came, member by member, without the three that are the server's: `id`, `uid` and `version`. Read
into Python and written again, 0.10 would be 0.1, and a number of forty digits another one for whoever reads decimals.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw

from framecast.errors import Refusal

TITLE_CHARACTERS = 5_000
"""As Grafana's."""

TAGS = 100
TAG_CHARACTERS = 200
"""Grafana's tables hold 50 characters of one, which only some databases mind."""

OWN_MEMBERS = frozenset({"id", "uid", "version"})

_Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]


@dataclass(frozen=True, slots=True)
class Document:
    """What was saved, or is to be."""

    title: str
    tags: tuple[str, ...]
    text: bytes
    """A JSON object without spaces, and without the members that are the server's."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Which dashboard a document says it is of."""

    dashboard_id: int | None
    uid: str
    """"" for none."""
    version: int
    """The one that was changed; 0 for none."""


def parse_document(text: bytes, *, max_bytes: int) -> tuple[Document, Claim]:
    """Read what a client sent: JSON that strict_json.py has taken. Refusal 400 names the member, 413."""
    try:
        members = msgspec.json.decode(text, type=dict[str, Raw])
    except msgspec.ValidationError:
        raise Refusal(400, "Bad Request: body dashboard: has to be an object") from None
    claim = Claim(
        _read_member(members, "id", _Id | None) or None,
        _read_member(members, "uid", str | None) or "",
        _read_member(members, "version", _Id | None) or 0,
    )
    title = _read_member(members, "title", str | None) or ""
    check_title(title, "Dashboard title")
    tags = tuple(_read_member(members, "tags", list[str] | None) or ())
    if len(tags) > TAGS or any(len(tag) > TAG_CHARACTERS for tag in tags):
        raise Refusal(
            400, f"Bad Request: body dashboard.tags: at most {TAGS} tags of at most {TAG_CHARACTERS} characters"
        )
    rest = msgspec.json.encode({name: value for name, value in members.items() if name not in OWN_MEMBERS})
    plain = msgspec.json.format(rest, indent=-1)
    if len(plain) > max_bytes:
        raise Refusal(
            413,
            f"the dashboard is {len(plain)} bytes of JSON, and at most {max_bytes} are kept "
            "(dashboards.document_bytes)",
        )
    return Document(title, tags, plain), claim


def check_title(title: str, what: str) -> None:
    """Refusal 400, in Grafana's words, for a title that is none."""
    if not title.strip():
        raise Refusal(400, f"{what} cannot be empty", details={"status": "empty-name"})
    if len(title) > TITLE_CHARACTERS:
        raise Refusal(
            400, f"{what} cannot contain more than {TITLE_CHARACTERS} characters", details={"status": "title-too-long"}
        )


def complete(text: bytes, dashboard_id: int, uid: str, version: int) -> bytes:
    """The document as clients get it, with the members that are the server's."""
    return b'{"id":%d,"uid":"%s","version":%d,%s' % (dashboard_id, uid.encode(), version, text[1:])


def _read_member(members: Mapping[str, Raw], name: str, kind: Any) -> Any:
    if name not in members:
        return None
    try:
        return msgspec.json.decode(members[name], type=kind)
    except msgspec.ValidationError as error:
        raise Refusal(400, f"Bad Request: body dashboard.{name}: {error}") from None
