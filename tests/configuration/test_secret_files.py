"""Secrets come from files of their own as from anywhere else, and are shown nowhere."""

from pathlib import Path

import pytest

from framecast.configuration import load_settings
from framecast.errors import ConfigurationError
from framecast.settings import Settings


def write(tmp_path: Path, text: str, name: str = "framecast.toml") -> Path:
    file = tmp_path / name
    file.write_text(text, encoding="utf-8")
    return file


def complaint(tmp_path: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(file=write(tmp_path, text), environment={})
    [mistake] = caught.value.mistakes
    assert "sesame" not in mistake
    return mistake


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_secret_may_stand_in_a_file(tmp_path: Path, end: str) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b" sesame\xc3\xa9\n" + end.encode())
    expected = " sesameé" if end == "" else " sesameé\n"
    for settings in (
        load_settings(environment={"FRAMECAST_TOKENS_HMAC_SECRET_FILE": str(secret)}),
        load_settings(environment={}, overrides=[f"tokens.hmac_secret_file={secret}"]),
        load_settings(environment={}, file=write(tmp_path, f"[tokens]\nhmac_secret_file = '{secret}'\n")),
    ):
        assert settings.tokens.hmac_secret == expected


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\n", "is empty"), (b"x" * 65_537, "is larger than any secret"), (b"\xff", "is no text in UTF-8")],
)
def test_a_file_that_cannot_be_used_is_told(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "secret").write_bytes(content)
    message = complaint(tmp_path, f"[tokens]\nhmac_secret_file = '{tmp_path}/secret'\n")
    assert message.startswith(f"tokens.hmac_secret_file = '{tmp_path}/secret' (from {tmp_path}/framecast.toml:2) ")
    assert words in message


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("'/nowhere'", "cannot be read: No such file"),
        ("'/'", "cannot be read: Is a directory"),
        ('"a\\u0000b"', "cannot be read: embedded null byte"),
        ("1", "is not the path of a file"),
    ],
)
def test_a_path_that_cannot_be_used_is_told(tmp_path: Path, value: str, words: str) -> None:
    assert words in complaint(tmp_path, f"[tokens]\nhmac_secret_file = {value}\n")


def test_a_secret_and_its_file_in_one_source_are_one_too_many(tmp_path: Path) -> None:
    message = complaint(tmp_path, "[tokens]\nhmac_secret = 'sesame'\nhmac_secret_file = '/nowhere'\n")
    assert message.endswith("are both set: leave one out")
    assert "tokens.hmac_secret (from " in message
    assert "framecast.toml:2) and tokens.hmac_secret_file (from " in message


def test_a_stronger_source_replaces_the_secret_and_its_file(tmp_path: Path) -> None:
    environment = {"FRAMECAST_TOKENS_HMAC_SECRET": "from the environment"}
    file = write(tmp_path, "[tokens]\nhmac_secret_file = '/nowhere'\n")
    assert load_settings(file=file, environment=environment).tokens.hmac_secret == "from the environment"
    secret = write(tmp_path, "from a file", "secret")
    overrides = [f"tokens.hmac_secret_file={secret}"]
    assert load_settings(environment=environment, overrides=overrides).tokens.hmac_secret == "from a file"


def test_an_empty_path_is_no_file_and_no_secret() -> None:
    environment = {"FRAMECAST_TOKENS_HMAC_SECRET_FILE": ""}
    assert load_settings(environment=environment) == Settings()


@pytest.mark.parametrize("key", ["issuer_file", "rsa_public_key_file"])
def test_only_secrets_have_files(key: str) -> None:
    with pytest.raises(ConfigurationError, match=f"unknown key tokens.{key}"):
        load_settings(environment={}, overrides=[f"tokens.{key}=x"])


def test_a_mistaken_key_is_told_of_the_file_too() -> None:
    with pytest.raises(ConfigurationError, match=r"did you mean hmac_secret_file\? .*hmac_secret, hmac_secret_file,"):
        load_settings(environment={}, overrides=["tokens.hmac_secretfile=x"])


def test_a_secret_is_in_no_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(file=write(tmp_path, '[tokens]\nhmac_secret = ["sesame"]\n'), environment={})
    assert "tokens.hmac_secret" in str(caught.value)
    assert "expected str, got array" in str(caught.value)
    assert "sesame" not in str(caught.value)


def test_a_secret_is_in_no_repr() -> None:
    settings = load_settings(environment={"FRAMECAST_TOKENS_HMAC_SECRET": "sesame", "FRAMECAST_TOKENS_ISSUER": "me"})
    assert settings.tokens.hmac_secret == "sesame"
    assert "sesame" not in repr(settings)
    assert "hmac_secret='…'" in repr(settings)
    assert "issuer='me'" in repr(settings)
    assert ("hmac_secret", "…") in settings.tokens.__rich_repr__()
    assert ("hmac_secret", "") in Settings().tokens.__rich_repr__()
