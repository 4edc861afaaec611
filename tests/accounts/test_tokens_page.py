"""What docs/tokens.md shows works."""

import re
import time
from pathlib import Path

import msgspec
import pytest
from issuer import SECRET, verifier

from framecast.configuration.secret_files import secrets_of
from framecast.settings import Tokens

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "tokens.md").read_text(encoding="utf-8")


async def test_the_python_example_makes_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    [code] = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    monkeypatch.setenv("SECRET", SECRET)
    made: dict[str, str] = {}
    exec(code, made)
    claims = await verifier().connection(made["token"], now=time.time())
    assert (claims.user, claims.info) == ("42", b'{"name":"Ann"}')
    assert claims.expires_at is not None


def test_it_names_only_settings_that_there_are() -> None:
    keys = {field.name for field in msgspec.structs.fields(Tokens)}
    keys |= {f"{secret}_file" for secret in secrets_of("tokens")}
    assert set(re.findall(r"`tokens\.(\w+)`", PAGE)) <= keys
    assert set(re.findall(r"`((?:jwks|hmac|rsa|ecdsa)_\w+)`", PAGE)) <= keys
