"""Tables, pages and plots: every figure is there, nothing of a server is taken for markup, no secret gets out."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Callable

import msgspec
import pytest

from framecast.cli.bench.figures import (
    Figures,
    connect_figures,
    fanout_figures,
    ingest_figures,
    latency_figures,
)
from framecast.cli.bench.findings import Findings, Problem, Progress
from framecast.cli.bench.page import write_page
from framecast.cli.bench.plan import Connect, Fanout, Ingest, Plan, Work
from framecast.cli.bench.plots import Line, Plot, draw, duration_axis, linear_axis, percentile_axis
from framecast.cli.bench.progress import ProgressBar, describe
from framecast.cli.bench.report import Report, describe_command, without_password, without_secrets
from framecast.cli.bench.spelling import tell_bytes, tell_count, tell_duration, tell_share
from framecast.cli.bench.table import connect_table, fanout_table, ingest_table, latency_table

from .examples import INGEST, NO_DURATIONS, PLAN, PUBLICATIONS, PUBLISHING, audience, ending, findings, report

HTML = "{http://www.w3.org/1999/xhtml}"
replace = msgspec.structs.replace


def shown(
    found: Findings, work: Work, figures: Callable[[Findings], Figures], table: Callable[[Report], list[str]]
) -> tuple[str, Report]:
    whole = report(found, plan=replace(PLAN, work=work), figures=figures(found))
    return "\n".join(table(whole)), whole


def test_latencies_are_a_table_of_percentiles() -> None:
    text, whole = shown(findings(), PLAN.work, latency_figures, latency_table)
    assert re.search(r"^p50 +1\.20 ms +1\.20 ms$", text, re.MULTILINE)
    assert re.search(r"^p99\.9 +45\.0 ms", text, re.MULTILINE)
    assert re.search(r"^max +1\.20 s", text, re.MULTILINE)
    assert "0 missing, 0 gaps, 0 reordered, 0 duplicated" in text
    assert "105 sent; 3 waited until the server had taken those before them" in text
    assert "subscribers 1: 40 % of a core, 10 % waiting for a processor" in text
    assert "30 % of a core, 1.50 ms for a delivery, 60.0 MB" in text
    assert "Coordinated omission: publications were due at times fixed beforehand" in text.replace("\n", " ")
    assert (whole.figures["p99_ms"], whole.figures["sent_p99_ms"]) == (9.0, 9.0)
    assert (whole.figures["deliveries_per_second"], whole.figures["load_busy"]) == (200.0, 0.5)
    assert whole.figures["server_cpu_us_per_delivery"] == pytest.approx(1_500)


def test_full_load_is_deliveries_a_second() -> None:
    found = findings(publications=replace(PUBLICATIONS, lateness=NO_DURATIONS))
    text, whole = shown(found, Work(fanout=Fanout(PUBLISHING, 16)), fanout_figures, fanout_table)
    assert re.search(r"^deliveries/s +200$", text, re.MULTILINE)
    assert "16 publications on their way at most" in text
    assert "sent late" not in text
    assert whole.figures["megabytes_per_second"] == pytest.approx(0.06)


def test_ingest_is_lines_a_second() -> None:
    refused = [ending("refused", 429, "slow", 2)]
    found = findings(latencies=None, publications=None, ingest=replace(INGEST, refused=refused))
    work = Work(ingest=Ingest("/p", [("Content-Encoding", "gzip")], 4, 1, 1_000, fresh_times=False))
    text, whole = shown(found, work, ingest_figures, ingest_table)
    assert re.search(r"^lines/s +100,000$", text, re.MULTILINE)
    assert re.search(r"^refused +answered with HTTP 429 \(slow\), 2 times$", text, re.MULTILINE)
    assert "bodies of 1,000 lines, gzip" in text
    assert (whole.figures["requests_per_second"], whole.figures["refused"]) == (100.0, 2.0)


def test_connecting_is_time_and_memory() -> None:
    found = findings(latencies=None, publications=None, subscribers=audience(ready=8, failures=[ending("timed_out")]))
    text, whole = shown(found, Work(connect=Connect(1.0)), connect_figures, connect_table)
    assert "8 of 10 in 250 ms" in text
    assert "1.25 MB a connection" in text
    assert (whole.figures["connections_per_second"], whole.figures["failed"]) == (32.0, 2.0)


@pytest.mark.parametrize(
    ("found", "table"),
    [
        (findings(), latency_table),
        (findings(publications=replace(PUBLICATIONS, lateness=NO_DURATIONS)), fanout_table),
        (findings(latencies=None, publications=None, ingest=INGEST), ingest_table),
        (findings(latencies=None, publications=None), connect_table),
        (findings(problem=Problem("stopped", [], 1.0), latencies=None, publications=None, busy=[]), latency_table),
    ],
)
def test_a_page_is_well_formed_and_loads_nothing(found: Findings, table: Callable[[Report], list[str]]) -> None:
    hostile = "</pre><script>alert(1)</script>\x1b[2J"
    found = replace(found, subscribers=audience(losses=[ending("closed", 4000, hostile)]))
    whole = report(found)
    page = write_page(whole, table(whole))
    root = ET.fromstring(page.removeprefix("<!DOCTYPE html>"))
    tags = {element.tag.removeprefix(HTML) for element in root.iter()}
    assert not tags & {"script", "link", "img", "iframe", "object", "image", "use"}
    for element in root.iter():
        assert not {"src", "href", "style", "onload", "onclick"} & set(element.attrib)
    assert page.count("http://") == 1 + page.count("http://localhost:8300")  # the namespace, and the server's URL
    assert "url(" not in page
    assert "@import" not in page
    assert "default-src" in page
    assert "\x1b" not in page
    text = "".join(root.itertext())
    assert "Abacus & Sons <9000>" in text
    assert "framecast bench latency" in text


def test_a_page_has_the_plots_that_its_figures_allow() -> None:
    def titles(found: Findings) -> list[str]:
        whole = report(found)
        root = ET.fromstring(write_page(whole, []).removeprefix("<!DOCTYPE html>"))
        return [element.text or "" for element in root.iter(f"{HTML}strong")]

    over_time = ["Latency by percentile", "Latency over time", "Deliveries a second", "Gaps", "How busy the load was"]
    assert titles(findings()) == over_time
    assert titles(findings(latencies=None, ingest=INGEST))[:2] == ["Answers by percentile", "Lines a second"]
    assert titles(findings(latencies=None))[0] == "Connecting by percentile"


def test_plots_put_values_where_their_axes_say() -> None:
    line = Line("a", [(0.0, 1.0), (0.9, 10.0), (0.999, 1_000.0), (1.0, 1_000.0)])
    svg = draw(Plot("t", "", percentile_axis(1_000), duration_axis([1.0, 1_000.0], "y"), [line]))
    points = re.findall(r'points="([^"]+)"', svg)[0].split()
    places = [tuple(map(float, point.split(","))) for point in points]
    left, right = places[0][0], places[-1][0]
    assert places[1][0] == pytest.approx(left + (right - left) / 3, abs=0.2)
    assert places[2] == places[3]
    assert places[1][1] == pytest.approx(places[0][1] - (places[0][1] - places[3][1]) / 3, abs=0.2)
    assert "1 ms" in svg
    assert [label for _, label in linear_axis(7, "x").ticks] == ["0", "2", "4", "6", "8"]
    assert [label for _, label in linear_axis(0, "x").ticks] == ["0", "1"]


def test_no_secret_gets_into_a_report() -> None:
    text = msgspec.json.encode(report(plan=without_secrets(PLAN))).decode()
    assert "secret" not in text
    assert "secret" in msgspec.json.encode(report()).decode()
    for work in (Work(fanout=Fanout(PUBLISHING, 1)), Work(connect=Connect(1.0))):
        plan: Plan = replace(PLAN, work=work)
        assert b"secret" not in msgspec.json.encode(without_secrets(plan))
    command = describe_command(["x", "bench", "latency", "http://u:secret@h", "--token", "secret", "--token=secret"])
    assert command == "framecast bench latency 'http://u:…@h' --token '…' '--token=…'"
    assert without_password("http://h:1/x") == "http://h:1/x"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (tell_duration(0), "0 µs"),
        (tell_duration(12.34), "12.3 µs"),
        (tell_duration(1_234), "1.23 ms"),
        (tell_duration(123_456), "123 ms"),
        (tell_duration(61_000_000), "61.0 s"),
        (tell_bytes(999), "999 B"),
        (tell_bytes(1_500), "1.50 kB"),
        (tell_bytes(2.5e9), "2.50 GB"),
        (tell_count(1_234_567.8), "1,234,568"),
        (tell_count(2.5), "2.50"),
        (tell_count(3.0), "3"),
        (tell_share(0.004), "< 1 %"),
        (tell_share(0.0), "0 %"),
        (tell_share(0.934), "93 %"),
    ],
)
def test_figures_are_told_in_three_digits(told: str, expected: str) -> None:
    assert told == expected


def test_progress_is_shown_on_terminals_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    progress = Progress("measuring", 0.5, 1, 2, 3)
    with ProgressBar(subscribers=1, unit="bodies") as bar:
        bar.show(progress)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    with ProgressBar(subscribers=1, unit="bodies") as bar:
        bar.show(progress)
        out, errors = capsys.readouterr()
        assert (out, errors) == ("", f"\r{describe(progress, 1, 'bodies')[:39]}\x1b[K")
    assert capsys.readouterr().err == "\r\x1b[K"


def test_progress_is_one_line() -> None:
    line = describe(Progress("measuring", 0.25, 100, 20, 2_000), 100, "publications")
    assert line == "[######..................]  25% measuring, 100/100 ready, 20 publications, 2,000 deliveries"
    assert describe(Progress("connecting", 0.0, 0, 0, 0), 0, "bodies").endswith("connecting")
