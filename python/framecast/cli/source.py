"""Where a command's input comes from."""

import os
import sys
from pathlib import Path
from typing import BinaryIO


def open_source(name: str) -> BinaryIO:
    """A file, or for ``-`` a second descriptor of stdin, so that closing it leaves stdin alone. OSError."""
    return os.fdopen(os.dup(sys.stdin.fileno()), "rb") if name == "-" else Path(name).open("rb")
