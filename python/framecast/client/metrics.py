"""What is counted about subscribers."""

from prometheus_client import Counter, Gauge

from framecast.metrics import Tally

CONNECTIONS = Gauge("framecast_client_connections", "Subscribers that are connected, over whatever transport.")
COMMANDS = Tally("framecast_client_commands", "Commands received.", "method")
ERROR_REPLIES = Counter("framecast_client_error_replies", "Commands answered with an error.", ["code"])
CLOSES = Tally(
    "framecast_client_closes",
    "Ended connections, by our close code; `peer`: the client left, `cancelled`: there was no time for a goodbye.",
    "code",
)
RECOVERIES = Counter(
    "framecast_client_recoveries",
    "Subscriptions that asked for what they missed, by whether all of it was there.",
    ["outcome"],
)
WAITING_BYTES = Gauge(
    "framecast_client_waiting_bytes", "Bytes of commands that are held just now, beyond a free part of each client's."
)
