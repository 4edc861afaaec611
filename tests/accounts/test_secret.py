"""Secrets: how they look, and what is kept of them."""

import hashlib

from framecast.accounts.secret import hash_secret, is_token, make_secret, make_token


def test_a_token_is_recognised_and_selected_by_a_double_click() -> None:
    token = make_token()
    assert is_token(token)
    assert token.startswith("fct_")
    assert token.removeprefix("fct_").isalnum()
    assert len(token) == 47
    assert not is_token("eyJhbGciOiJIUzI1NiJ9.e30.x")


def test_no_two_secrets_are_the_same() -> None:
    made = {make_secret() for _ in range(1_000)} | {make_token().removeprefix("fct_") for _ in range(1_000)}
    assert len(made) == 2_000
    assert all(len(set(secret)) > 10 for secret in made)


def test_a_hash_is_kept_of_it() -> None:
    assert hash_secret("abc") == hashlib.sha256(b"abc").digest()
    assert len(hash_secret("é\ud800")) == 32
