"""What files say that there is to be."""

from typing import Annotated

from msgspec import Meta, Struct

from framecast.settings.units import KIB, MIB, Positive


class Provisioning(Struct, frozen=True, forbid_unknown_fields=True):
    """Files that say what there is to be, read at a start (datasources.md)."""

    path: str = ""
    """The folder with `datasources/*.yaml`, as Grafana's `[paths] provisioning`. Empty: none are read."""

    files: Positive = 1_000
    """Files of it, at most."""

    file_bytes: Annotated[int, Meta(ge=KIB, le=8 * MIB)] = 256 * KIB
    """One file; a larger one keeps the server from starting. Reading so much YAML takes some seconds."""

    values: Positive = 50_000
    """Values in one file; what an anchor stands for counts each time that it is named."""
