"""docs/permissions.md says what the table says, and what the routes ask."""

from pathlib import Path

from framecast.cli.permissions_page import ASK_THEMSELVES, render

PAGE = Path(__file__).resolve().parent.parent / "docs" / "permissions.md"


def test_the_page_is_not_stale() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run `make docs`"


def test_every_route_that_asks_by_itself_is_on_the_page() -> None:
    page = render()
    assert [path for path in ASK_THEMSELVES if f" {path.replace(':path', '')}` |" not in page] == []
