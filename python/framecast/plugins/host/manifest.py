"""A plugin's MANIFEST.txt: whether it claims to be signed, and whether its files are those that were signed.

The claim itself is not checked: who made the signature is known only to who has the signer's public key. So what this
finds is a plugin that was damaged, or changed by someone who left the manifest alone.

Source: Grafana's plugin signature documentation; a clear-signed OpenPGP message (RFC 4880 §7) around a JSON object.
"""

import enum
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from framecast.plugins.host.description import Description
from framecast.plugins.host.plugin_files import JsonObject, PluginFileError, parse_object, read_text

MANIFEST = "MANIFEST.txt"

_BEGIN = "-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE = "-----BEGIN PGP SIGNATURE-----"
_END = "-----END PGP SIGNATURE-----"


class Signature(enum.Enum):
    """What is known of a plugin's origin."""

    UNSIGNED = "unsigned"
    SIGNED_UNVERIFIED = "signed, by whom is not checked"

    @property
    def short(self) -> str:
        """In one word."""
        return self.value.partition(",")[0]


def read_signature(description: Description, top: Path, max_bytes: int) -> Signature:
    """Look for a manifest in the plugin's folder and, as it may lie within another plugin, in those up to `top`.

    PluginFileError when it cannot be read, is of another plugin or version, or the files are not those it names.
    Reads the executable: not for the event loop.
    """
    path = _find_manifest(description.folder, top)
    if path is None:
        return Signature.UNSIGNED
    manifest = _parse_manifest(read_text(path, max_bytes), path)
    own = path.parent == description.folder
    for key, is_so in (("plugin", description.id), ("version", description.version)):
        said = manifest.text(key)
        if own and said != is_so:
            manifest.refuse(key, f"is {said!r}, and the plugin's is {is_so!r}: it was made for another plugin")
    files = manifest.object("files")
    for file in (description.path, description.executable):
        if file is not None:
            _check_file(manifest, files, file)
    return Signature.SIGNED_UNVERIFIED


def _find_manifest(folder: Path, top: Path) -> Path | None:
    for place in (folder, *folder.parents):
        if (place / MANIFEST).is_file():
            return place / MANIFEST
        if place == top:
            break
    return None


def _parse_manifest(text: str, path: Path) -> JsonObject:
    """The signed object, without what is around it."""
    lines = text.splitlines()
    try:
        begin = lines.index(_BEGIN)
        blank = lines.index("", begin)
        end = lines.index(_SIGNATURE, blank)
        lines.index(_END, end)
    except ValueError:
        raise PluginFileError(f"{path}:1: is no clear-signed OpenPGP message around a manifest") from None
    signed = [line.removeprefix("- ") for line in lines[blank + 1 : end]]
    return parse_object("\n".join(signed), path, first_line=blank + 2)


def _check_file(manifest: JsonObject, files: Mapping[str, Any], file: Path) -> None:
    name = file.resolve().relative_to(manifest.path.parent.resolve()).as_posix()
    expected = files.get(name)
    if expected is None:
        manifest.refuse("files", f"{name} is not among them: it was added after the plugin was signed")
    try:
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
    except OSError as error:
        raise PluginFileError(f"{file}: cannot be read: {error.strerror}") from None
    if digest != expected:
        manifest.refuse("files", f"{name} is not the file that was signed: its SHA-256 is {digest}")
