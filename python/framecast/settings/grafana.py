"""The Grafana that the server may stand beside, and how it is asked."""

from typing import Annotated

from msgspec import Meta, Struct

from framecast.settings.units import KIB, MIB, Positive, Seconds


class Grafana(Struct, frozen=True, forbid_unknown_fields=True):
    """A Grafana that says who its visitors are and which dashboards they may see (grafana.md).

    Switched off until there is a URL.
    """

    url: str = ""
    """Where this server reaches it, http or https, with the sub path that it serves itself from, if any
    (`http://127.0.0.1:3000`). What browsers call it is `server.root_url`."""

    cookies: tuple[str, ...] = ("grafana_session",)
    """The cookies that are shown to it, and no others: its `login_cookie_name`, and what something between may need."""

    fresh_seconds: Seconds = 60.0
    """How long an answer counts. Then whoever is still connected is asked about again, so a logout, or a right that was
    taken away, is noticed so much later at most. As often Grafana is asked two questions for each session in use."""

    refused_seconds: Seconds = 5.0
    """How long a refusal counts: a client that comes again and again costs Grafana a question in this time."""

    stale_seconds: Annotated[float, Meta(ge=0, le=604_800)] = 3_600.0
    """How much longer the last answer counts while Grafana cannot be asked; strangers get 503 meanwhile."""

    renewal_seconds: Seconds = 3_600.0
    """How long the last answer counts while Grafana wants a session's cookie renewed before it says more. Its pages do
    that every 10 minutes; a connection whose page sleeps for longer has to come back with the new cookie."""

    retry_seconds: Seconds = 2.0
    """Between two questions about the same visitor or dashboard while Grafana cannot be asked."""

    ask_seconds: Seconds = 5.0
    """For Grafana to answer all that is asked about one visitor or dashboard, the wait for a turn included."""

    max_questions: Positive = 8
    """Questions at a time: as many connections to Grafana at most."""

    waiting_questions: Positive = 1_000
    """Questions that wait for their turn; one more is answered as if Grafana could not be asked."""

    answer_bytes: Annotated[int, Meta(ge=KIB, le=MIB)] = 256 * KIB
    """Of an answer about a visitor: a user of a thousand orgs has 60 KiB."""

    dashboard_bytes: Annotated[int, Meta(ge=KIB, le=64 * MIB)] = 8 * MIB
    """Of an answer about a dashboard, which has the dashboard in it; a larger one cannot be subscribed to."""

    watch_seconds: Seconds = 10.0
    """Between two looks at each dashboard that somebody is subscribed to: so much later its subscribers learn at most
    that it was saved in Grafana."""

    max_visitors: Positive = 10_000
    """Sessions and tokens whose answers are remembered. Those with connections are never forgotten: when there are so
    many of them, nobody else gets in (503)."""

    max_dashboards: Positive = 10_000
    """Answers about dashboards, of all visitors together, that are remembered; and dashboards that are looked at again
    and again."""

    complaint_seconds: Seconds = 60.0
    """One log line about a Grafana that cannot be asked in this time."""
