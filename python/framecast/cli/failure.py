"""How a command says that it failed."""

import os
import ssl


class CommandError(Exception):
    """Ends the command: one line for the user on stderr, `status` as the exit status."""

    def __init__(self, message: str, *, status: int = 1) -> None:
        super().__init__(message)
        self.status = status


def name_cause(error: BaseException) -> str:
    """The system's word for why a connection failed, dug out from under what libraries put around it."""
    pending: list[BaseException | None] = [error]
    seen: set[int] = set()
    while pending:
        cause = pending.pop()
        if cause is None or id(cause) in seen:
            continue
        seen.add(id(cause))
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed: {cause.reason or cause.strerror} (does it speak TLS there?)"
        if isinstance(cause, OSError) and cause.errno is not None:
            return os.strerror(cause.errno) if cause.errno > 0 else str(cause.strerror)
        pending += [cause.__context__, cause.__cause__]
        if isinstance(cause, BaseExceptionGroup):
            pending += cause.exceptions
    return str(error) or type(error).__name__
