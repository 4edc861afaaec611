"""Every title makes an address."""

import re

from hypothesis import given
from hypothesis import strategies as st

from framecast.dashboards.names import dashboard_url, folder_url, slug_of


@given(st.text(), st.just("u_1"))
def test_every_title_makes_a_plain_slug(title: str, uid: str) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*|u_1", slug_of(title, uid))
    assert len(slug_of(title, uid)) <= 100


def test_addresses_are_grafanas() -> None:
    assert dashboard_url("cIBgcSjkk", "Production Overview") == "/d/cIBgcSjkk/production-overview"
    assert folder_url("f", "Größe & Größer") == "/dashboards/f/f/groe-groer"
    assert dashboard_url("u", "東京") == "/d/u/u"
