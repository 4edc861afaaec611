"""A channel's address: ``scope/namespace/path`` within an org, and the spellings a client may give it.

Rules from Grafana Live: 1 to 160 bytes without the org prefix, split at the first two slashes, no part empty;
letters, digits and ``_ - .`` in scope and namespace, ``/`` and ``=`` besides in the path. Grafana's own pattern lets
some punctuation through by accident; we do not (docs/compatibility.md).
"""

import re
from functools import cached_property, lru_cache

import msgspec

from framecast.errors import Refusal
from framecast.protocol.codes import ErrorCode

MAX_ADDRESS_BYTES = 160

SPELLINGS_KEPT = 1_000
"""Of channels, with their addresses: few channels have many subscribers, and then one address. With the longest names
it is less than a megabyte."""

_PART = re.compile(r"[A-Za-z0-9_.\-]+")
_PATH = re.compile(r"[A-Za-z0-9_.\-=]+(/[A-Za-z0-9_.\-=]+)*/?")
_ORG_PREFIX = re.compile(r"(?:[1-9][0-9]{0,17}|default|org-[1-9][0-9]{0,17})")


class Address(msgspec.Struct, frozen=True, dict=True):
    """One channel of one org. Two spellings of a channel have equal addresses."""

    org_id: int
    scope: str
    namespace: str
    path: str

    def __str__(self) -> str:
        return f"{self.scope}/{self.namespace}/{self.path}"

    @cached_property
    def key(self) -> str:
        """The name under which hub, broker and core know the channel: orgs never share one."""
        return f"{self.org_id}/{self}"


def is_namespace(text: str) -> bool:
    """Whether `text` can be a namespace, and so a stream's id."""
    return _PART.fullmatch(text) is not None and len(text) < MAX_ADDRESS_BYTES


def parse_key(key: str) -> Address:
    """Read an `Address.key` back. ValueError for what is none."""
    org, scope, namespace, path = key.split("/", 3)
    return Address(int(org), scope, namespace, path)


def parse_address(text: str, org_id: int) -> Address:
    """Read ``scope/namespace/path`` without an org prefix. Refusal 400 when it is none."""
    if len(text.encode(errors="replace")) > MAX_ADDRESS_BYTES:
        raise Refusal(400, f"invalid channel ID: longer than {MAX_ADDRESS_BYTES} bytes")
    parts = text.split("/", 2)
    if len(parts) != 3:
        raise Refusal(400, "invalid channel ID: not of the form scope/namespace/path")
    scope, namespace, path = parts
    if not (_PART.fullmatch(scope) and _PART.fullmatch(namespace) and _PATH.fullmatch(path)):
        raise Refusal(400, "invalid channel ID: letters, digits and _ - . (in the path also = and inner /) only")
    return Address(org_id, scope, namespace, path)


def parse_channel(text: str, org_id: int) -> Address:
    """Read a channel as a client of org `org_id` spells it, with the org prefix or without.

    ``1/stream/a/b``, ``default/stream/a/b`` (org 1), ``org-7/…`` and the bare ``stream/a/b`` are accepted; another
    org's prefix is Refusal 103, as in Grafana Live. Anything else that is no address: Refusal 400.
    """
    return _parse_channel(text, org_id)


@lru_cache(maxsize=SPELLINGS_KEPT)
def _parse_channel(text: str, org_id: int) -> Address:
    named = org_named_by(text)
    if named is None:
        return parse_address(text, org_id)
    if named != org_id:
        raise ErrorCode.PERMISSION_DENIED.refusal()
    return parse_address(text.partition("/")[2], org_id)


def org_named_by(text: str) -> int | None:
    """The org that a channel's prefix names; None where it has none."""
    prefix, _, rest = text.partition("/")
    return _org_of(prefix) if rest and _ORG_PREFIX.fullmatch(prefix) else None


def _org_of(prefix: str) -> int:
    """The org a prefix names. Grafana's namespaces: org 1 is ``default``, org N is ``org-N``.

    An org has three spellings and the bare one, no more: every spelling is a wire form that must be encoded.
    """
    return 1 if prefix == "default" else int(prefix.removeprefix("org-"))
