"""Streams and answers written in Python: what an author of a plugin imports (docs/python-plugins.md).

Where streams come from that are neither pushed nor published. Real Grafana plugins are the business of `host`.
"""

from framecast.errors import Refusal
from framecast.plugins.columns import Column, FrameError
from framecast.plugins.frames import Frame
from framecast.plugins.plugin import (
    Context,
    DataSource,
    Health,
    NotFoundError,
    PermissionDeniedError,
    Plugin,
    RefusedError,
    User,
)
from framecast.plugins.query import Query, QueryError
from framecast.plugins.sender import Sender, StreamOverError

__all__ = [
    "Column",
    "Context",
    "DataSource",
    "Frame",
    "FrameError",
    "Health",
    "NotFoundError",
    "PermissionDeniedError",
    "Plugin",
    "Query",
    "QueryError",
    "Refusal",
    "RefusedError",
    "Sender",
    "StreamOverError",
    "User",
]
