"""Secrets that stand in files of their own: ``tokens.hmac_secret_file`` names the file with ``tokens.hmac_secret``.

So it is for every setting that is a secret, in every source: the key with ``_file`` behind it is a twin of the key
itself. A stronger source that sets either of them replaces both. Nothing here ever shows what such a file holds.
"""

from dataclasses import dataclass

import msgspec

from framecast.configuration.bounded_file import read_bounded
from framecast.configuration.layer import Given, Layer
from framecast.errors import ConfigurationError, Mistakes
from framecast.settings import SECTIONS, is_secret

SUFFIX = "_file"
MAX_BYTES = 64 * 1024
"""Of one secret; whatever is larger is another file than was meant."""


@dataclass(frozen=True, slots=True)
class SecretFile:
    """Stands in a layer for the secret that `path` holds. It is read only when it counts."""

    path: object

    def read(self, name: str, source: str) -> str:
        """The secret, without the line break at its end. ConfigurationError when there is none to be had."""
        where = f"{name}{SUFFIX} = {self.path!r} (from {source})"
        if not isinstance(self.path, str):
            raise ConfigurationError(f"{where} is not the path of a file")
        content = read_bounded(self.path, where=where, max_bytes=MAX_BYTES, kind="secret")
        try:
            secret = content.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise ConfigurationError(f"{where} is no text in UTF-8") from None
        if not secret:
            raise ConfigurationError(f"{where} is empty")
        return secret


def secrets_of(section: str) -> frozenset[str]:
    """The keys of `section` that are secrets."""
    struct = SECTIONS.get(section)
    fields = msgspec.structs.fields(struct) if struct is not None else ()
    return frozenset(field.name for field in fields if is_secret(field.type))


def join_twins(layer: Layer, mistakes: Mistakes) -> Layer:
    """The layer with each twin under the key of its secret. Both of them in one layer go to `mistakes`."""
    joined = {}
    for (section, key), given in layer.items():
        secret = key.removesuffix(SUFFIX)
        if key == secret or secret not in secrets_of(section):
            joined[section, key] = given
            continue
        with mistakes.collected():
            if (section, secret) in layer:
                other = layer[section, secret].source
                raise ConfigurationError(
                    f"{section}.{secret} (from {other}) and {section}.{key} (from {given.source}) are both set: "
                    "leave one out"
                )
            value = SecretFile(given.value) if given.value != "" else ""
            joined[section, secret] = Given(value, given.source)
    return joined


def describe_source(given: Given) -> str:
    """Where a value comes from; of a secret also its file."""
    return f"file {given.value.path}, named by {given.source}" if isinstance(given.value, SecretFile) else given.source
