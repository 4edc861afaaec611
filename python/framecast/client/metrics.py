"""What is counted about subscribers."""

from functools import cache

from prometheus_client import Counter, Gauge

CONNECTIONS = Gauge("framecast_client_connections", "Subscribers that are connected, over whatever transport.")
COMMANDS = Counter("framecast_client_commands", "Commands received.", ["method"])
ERROR_REPLIES = Counter("framecast_client_error_replies", "Commands answered with an error.", ["code"])
CLOSES = Counter(
    "framecast_client_closes",
    "Ended connections, by our close code; `peer`: the client left, `cancelled`: there was no time for a goodbye.",
    ["code"],
)
RECOVERIES = Counter(
    "framecast_client_recoveries",
    "Subscriptions that asked for what they missed, by whether all of it was there.",
    ["outcome"],
)
WAITING_BYTES = Gauge(
    "framecast_client_waiting_bytes", "Bytes of commands that are held just now, beyond a free part of each client's."
)


@cache
def commands_of(method: str) -> Counter:
    """The commands of one method of the protocol. Kept, as finding it costs ten times what counting does."""
    return COMMANDS.labels(method)


@cache
def closes_with(label: str) -> Counter:
    """Ends with one of the few labels that there are. Kept, as above."""
    return CLOSES.labels(label)
