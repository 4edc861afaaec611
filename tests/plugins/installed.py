"""Folders of plugins as they are installed: a plugin.json, an executable, and a manifest where there is to be one."""

import hashlib
import json
from pathlib import Path
from typing import Any

from framecast.plugins.host.description import executable_suffix

TEST_ID = "test-datasource"
SCRIPT = "#!/bin/sh\nexit 1\n"


def install(
    root: Path,
    plugin_id: str = TEST_ID,
    *,
    folder: str | None = None,
    script: str | Path = SCRIPT,
    mode: int = 0o755,
    **fields: Any,
) -> Path:
    """Install a plugin that is a script, or a program that was built; return its folder.

    `fields` are added to its plugin.json, or taken out where they are None.
    """
    place = root / (folder or plugin_id)
    place.mkdir(parents=True)
    description = {
        "id": plugin_id,
        "type": "datasource",
        "name": f"The {plugin_id}",
        "backend": True,
        "executable": "gpx_test",
        "info": {"version": "1.2.3"},
    } | fields
    written = {key: value for key, value in description.items() if value is not None}
    (place / "plugin.json").write_text(json.dumps(written, indent=2))
    executable = place / f"gpx_test{executable_suffix()}"
    if isinstance(script, Path):
        executable.hardlink_to(script)  # no second copy of a large program, and no way out of the folder
    else:
        executable.write_text(script)
        executable.chmod(mode)
    return place


def sign(place: Path, plugin_id: str = TEST_ID, version: str = "1.2.3", **changes: Any) -> Path:
    """Write the manifest of a plugin's folder, as Grafana's sign tool has it, with `changes`."""
    files = {
        file.relative_to(place).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(place.rglob("*"))
        if file.is_file()
    }
    manifest = {
        "manifestVersion": "2.0.0",
        "signatureType": "community",
        "signedByOrg": "nobody",
        "plugin": plugin_id,
        "version": version,
        "files": files,
    } | changes
    return write_manifest(place, json.dumps(manifest, indent=2))


def write_manifest(place: Path, body: str) -> Path:
    path = place / "MANIFEST.txt"
    path.write_text(
        f"\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{body}\n"
        "-----BEGIN PGP SIGNATURE-----\nVersion: OpenPGP.js\n\nwrMEARMKAAYFAl\n=SRtg\n-----END PGP SIGNATURE-----\n"
    )
    return path
