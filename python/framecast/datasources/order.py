"""What is asked of a data source to be, and what no data source can be."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec
from msgspec import Raw

from framecast.errors import Refusal
from framecast.settings import DataSources
from framecast.store.datasources import Traits
from framecast.store.uids import check_uid

NAME_CHARACTERS = 190
"""As Grafana's table holds; and for everything else but the URL so many, or less than it holds."""

URL_CHARACTERS = 2_000
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What somebody asks for who makes or changes one."""

    traits: Traits
    uid: str = ""
    """"" has one made, or is that of the one that is changed."""
    version: int = 0
    """The one that was changed; 0 for whichever there is."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Those that are set anew; "" takes one away. All others stay."""


def check_order(order: Order, limits: DataSources) -> None:
    """Refusal 400, which names the member as Grafana's API does and shows no secret; 413 for what is too large."""
    traits = order.traits
    if order.uid:
        check_uid(order.uid, "uid")
    for member, text in (("name", traits.name), ("type", traits.type)):
        if not text.strip():
            raise Refusal(400, f"Bad Request: {member}: must not be empty")
    if traits.access not in {"proxy", "direct"}:
        raise Refusal(400, "Bad Request: access: has to be proxy or direct")
    for member, text, most in (
        ("name", traits.name, NAME_CHARACTERS),
        ("type", traits.type, NAME_CHARACTERS),
        ("url", traits.url, URL_CHARACTERS),
        ("database", traits.database, NAME_CHARACTERS),
        ("user", traits.user, NAME_CHARACTERS),
        ("basicAuthUser", traits.basic_auth_user, NAME_CHARACTERS),
    ):
        _check_text(member, text, most)
    if len(traits.json_data) > limits.json_bytes:
        raise Refusal(413, f"jsonData is larger than {limits.json_bytes} bytes (datasources.json_bytes)")
    _check_secrets(order.secrets, limits)


def read_json_data(text: bytes) -> bytes:
    """A JSON object that strict_json.py has taken, without spaces and else to the last digit. Refusal 400."""
    plain = msgspec.json.format(text, indent=-1)
    try:
        msgspec.json.decode(plain, type=dict[str, Raw])
    except msgspec.ValidationError:
        raise Refusal(400, "Bad Request: jsonData: has to be an object") from None
    return plain


def _check_text(member: str, text: str, most: int) -> None:
    if len(text) > most:
        raise Refusal(400, f"Bad Request: {member}: too long, at most {most} characters")
    if _CONTROLS.search(text):
        raise Refusal(400, f"Bad Request: {member}: must not hold control characters")


def _check_secrets(secrets: Mapping[str, str], limits: DataSources) -> None:
    if len(secrets) > limits.secrets:
        raise Refusal(400, f"Bad Request: secureJsonData: at most {limits.secrets} secrets (datasources.secrets)")
    for key, secret in secrets.items():
        if not key:
            raise Refusal(400, "Bad Request: secureJsonData: a key must not be empty")
        _check_text("secureJsonData: a key", key, NAME_CHARACTERS)
        if len(secret.encode()) > limits.secret_bytes:
            raise Refusal(
                413, f"a secret of secureJsonData is larger than {limits.secret_bytes} bytes (datasources.secret_bytes)"
            )
