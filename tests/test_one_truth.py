"""Beside a Grafana nothing here speaks for it: what is that Grafana's own is no path of this server."""

from pathlib import Path

import pytest

from end_to_end.wire import connect, request
from served import running, settings_for

OTHERS = ["/api/datasources", "/api/datasources/uid/x", "/api/search", "/api/folders", "/api/dashboards/uid/x"]
OURS = ["/api/user", "/api/tokens", "/api/org/users", "/api/live/list"]


@pytest.mark.parametrize(("overrides", "expected"), [((), 200), (("grafana.url=http://127.0.0.1:9",), 404)])
async def test_what_is_grafanas_is_served_only_without_one(
    overrides: tuple[str, ...], expected: int, tmp_path: Path
) -> None:
    async with running(settings_for(tmp_path, *overrides)) as place, connect(place) as connection:
        for path in (*OTHERS, *OURS):
            await connection.send(request("GET", path, host=place))
            answer = await connection.answer()
            known = answer.status == 200 or b"is no path of this server" not in answer.body
            assert known is (path in OURS or expected == 200), path
