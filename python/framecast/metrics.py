"""The server's own figures for Prometheus. Labels come from small fixed sets: no stream, channel or user names."""

from collections.abc import Iterator

from prometheus_client import REGISTRY, Counter, Gauge, disable_created_metrics
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector


class Tally(Collector):
    """A counter for what happens at every push or command, on the Trio thread alone.

    A Counter takes ten times as long, most of it for a lock and to find a label's series. With a `label`
    it has a series for each value that was ever counted.
    """

    def __init__(self, name: str, documentation: str, label: str = "") -> None:
        self._name = name
        self._documentation = documentation
        self._labels = (label,) if label else ()
        self._totals: dict[str, float] = {} if label else {"": 0.0}
        REGISTRY.register(self)

    def add(self, amount: float = 1, value: str = "") -> None:
        """Count `amount` more of `value`, which is what the label says."""
        self._totals[value] = self._totals.get(value, 0.0) + amount

    def collect(self) -> Iterator[CounterMetricFamily]:
        """What was counted, when somebody asks."""
        family = CounterMetricFamily(self._name, self._documentation, labels=self._labels)
        for value, total in self._totals.items():
            family.add_metric((value,) if self._labels else (), total)
        yield family


# A second series for each counter, which says when it began, helps nobody here.
disable_created_metrics()  # type: ignore[no-untyped-call] # prometheus-client types this one function not

tls_handshakes = Counter(
    "framecast_tls_handshakes_total",
    "Connections where TLS is spoken, by what became of the handshake.",
    ["outcome"],
)
tls_reloads = Counter("framecast_tls_reloads_total", "Certificates that were read again.", ["outcome"])
tls_certificate_expiry = Gauge(
    "framecast_tls_certificate_expiry_timestamp_seconds", "When the certificate in use expires; 0 without TLS."
)
push_requests = Tally("framecast_push_requests_total", "Push requests answered over HTTP.", "status")
push_messages = Tally("framecast_push_messages_total", "Messages on push WebSockets.", "outcome")
push_bytes = Tally("framecast_push_bytes_total", "Bytes of pushed bodies and messages, inflated.")
push_accepted_lines = Tally("framecast_push_accepted_lines_total", "Pushed lines that became rows.")
push_rejected_lines = Counter("framecast_push_rejected_lines_total", "Pushed lines that were refused.", ["reason"])
push_mismatched_values = Counter(
    "framecast_push_mismatched_values_total", "Values of another type than their column, stored as null or as text."
)
push_late_rows = Counter(
    "framecast_push_late_rows_total", "Rows older than the newest that their measurement had before the push."
)
queries = Counter("framecast_queries_total", "Queries to data sources, by what came of them.", ["outcome"])
rate_limited = Counter(
    "framecast_rate_limited_total",
    "Requests and commands that were refused, and pushed messages that were followed by a rest, by a limit of rates.",
    ["sender", "limit", "outcome"],
)
push_sockets = Gauge("framecast_push_sockets", "Push WebSockets that are open.")
push_waiting_bytes = Gauge("framecast_push_waiting_bytes", "Bytes of bodies and messages that are held just now.")
api_waiting_bytes = Gauge("framecast_api_waiting_bytes", "Bytes of the API's other JSON bodies that are held just now.")
store_writes = Counter("framecast_store_writes_total", "Transactions written to the database.")
store_failed_writes = Counter("framecast_store_failed_writes_total", "Transactions that failed; each is tried again.")
app_connections_failed = Counter(
    "framecast_app_connections_failed_total", "Connections that hypercorn gave up on what the peer sent."
)
refused_tokens = Counter("framecast_refused_tokens_total", "Tokens of subscribers that were refused.", ["reason"])
grafana_questions = Counter(
    "framecast_grafana_questions_total", "Questions to the Grafana beside this server.", ["about", "outcome"]
)
key_set_fetches = Counter("framecast_key_set_fetches_total", "Fetches of the key set for tokens.", ["outcome"])
refused_credentials = Counter(
    "framecast_refused_credentials_total", "Tokens, passwords and cookies that let nobody in.", ["kind"]
)
checked_passwords = Counter("framecast_checked_passwords_total", "Passwords that were hashed and found to be right.")
logins = Counter("framecast_logins_total", "Logins that were asked for at /login.", ["outcome"])
source_runs = Gauge("framecast_source_runs", "Streams of plugins that run just now.")
source_failures = Counter(
    "framecast_source_failures_total", "Streams of plugins that failed, or did not end when told to.", ["how"]
)
source_packets = Counter("framecast_source_packets_total", "Packets that plugins' streams have sent.")
source_bytes = Counter("framecast_source_bytes_total", "Bytes of those packets, without what was known already.")
source_conflated = Counter(
    "framecast_source_conflated_packets_total", "Packets of plugins' streams that were let go for newer ones."
)
source_blocked_seconds = Counter(
    "framecast_source_blocked_seconds_total", "Time that plugins held the server's thread, in turns that were too long."
)
source_held_seconds = Counter(
    "framecast_source_held_seconds_total", "Time that plugins' streams were held back, all together."
)
