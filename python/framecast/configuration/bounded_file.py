"""Reads the small files that settings name: a key, a certificate, a secret."""

from pathlib import Path

from framecast.errors import ConfigurationError


def read_bounded(path: str, *, where: str, max_bytes: int, kind: str) -> bytes:
    """All of the file. ConfigurationError when it cannot be read, or is larger than anything of this `kind` is.

    `where` is what named it, as the message begins; nothing that the file holds is in it.
    """
    try:
        with Path(path).open("rb") as file:
            content = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigurationError(f"{where} cannot be read: {reason}") from None
    if len(content) > max_bytes:
        raise ConfigurationError(f"{where} is larger than any {kind}: {max_bytes} bytes at most")
    return content
