"""Tells the operator why tokens are refused: counted by reason, one log line per reason and window."""

import math

import structlog
import trio

from framecast import metrics
from framecast.accounts.tokens.refused import Reason, TokenRefusedError

log = structlog.get_logger(__name__)


class Complaints:
    """Reasons are few and fixed, so what strangers send cannot fill the log."""

    def __init__(self, window_seconds: float) -> None:
        self._window_seconds = window_seconds
        self._last: dict[Reason, float] = {}
        self._unlogged: dict[Reason, int] = {}

    def note(self, kind: str, refused: TokenRefusedError) -> None:
        """Count a refused token of `kind` ("connection", "subscription"), and log it when a line is due."""
        reason = refused.reason
        metrics.refused_tokens.labels(reason.value).inc()
        now = trio.current_time()
        if now - self._last.get(reason, -math.inf) < self._window_seconds:
            self._unlogged[reason] = self._unlogged.get(reason, 0) + 1
            return
        self._last[reason] = now
        log.info(
            "token refused",
            kind=kind,
            reason=reason.value,
            detail=refused.detail,
            unlogged=self._unlogged.pop(reason, 0),
        )
