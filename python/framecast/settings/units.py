"""Units that sizes are written in, and the kinds of numbers and texts that settings are."""

from typing import Annotated, Any, Literal, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

KIB = 1024
MIB = 1024 * 1024

Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
UnlimitedOrCount = Annotated[int, Meta(ge=-1)]
RoleName = Literal["Viewer", "Editor", "Admin"]
Secret = Annotated[str, Meta(extra={"secret": True})]
"""Never told by an error or a command. Its section is `Guarded`, and its value may stand in a file of its own: the
key with ``_file`` behind it names that file (configuration/secret_files.py)."""

CONCEALED = "…"
"""What is shown of a secret."""


def is_secret(annotation: Any) -> bool:
    """Whether a field of this type is a `Secret`."""
    metas = get_args(annotation)[1:] if get_origin(annotation) is Annotated else ()
    return any("secret" in (meta.extra or {}) for meta in metas)


class Guarded(Struct, frozen=True, forbid_unknown_fields=True):
    """A section with secrets: `repr`, and tracebacks on a terminal, leave them out."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        """All fields, for rich."""
        given = ((field, getattr(self, field.name)) for field in msgspec.structs.fields(self))
        return [(field.name, CONCEALED if value and is_secret(field.type) else value) for field, value in given]
