"""Units that sizes are written in, and the kinds of numbers that settings are."""

from typing import Annotated

from msgspec import Meta

KIB = 1024
MIB = 1024 * 1024

Positive = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
UnlimitedOrCount = Annotated[int, Meta(ge=-1)]
Secret = Annotated[str, Meta(extra={"secret": True})]
"""Never told by an error; a section that has one keeps it out of its `repr`."""
