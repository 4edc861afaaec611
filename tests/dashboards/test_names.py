"""Uids are Grafana's, and every title makes an address."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.channels.address import parse_channel
from framecast.dashboards.names import check_uid, dashboard_url, folder_url, make_uid, slug_of
from framecast.errors import Refusal


@pytest.mark.parametrize("uid", ["", "a b", "a/b", "ä", "a\n", "x" * 41, "a\0", "../x", "a.b"])
def test_what_grafana_takes_for_no_uid_is_refused(uid: str) -> None:
    with pytest.raises(Refusal, match=r"dashboard\.uid") as caught:
        check_uid(uid, "dashboard.uid")
    assert caught.value.code == 400


@given(st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True))
def test_every_uid_is_a_part_of_a_channel(uid: str) -> None:
    check_uid(uid, "uid")
    assert str(parse_channel(f"1/grafana/dashboard/uid/{uid}", org_id=1)) == f"grafana/dashboard/uid/{uid}"


def test_made_uids_are_uids_and_differ() -> None:
    made = {make_uid() for _ in range(1_000)}
    assert len(made) == 1_000
    for uid in made:
        check_uid(uid, "uid")


@given(st.text(), st.just("u_1"))
def test_every_title_makes_a_plain_slug(title: str, uid: str) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*|u_1", slug_of(title, uid))
    assert len(slug_of(title, uid)) <= 100


def test_addresses_are_grafanas() -> None:
    assert dashboard_url("cIBgcSjkk", "Production Overview") == "/d/cIBgcSjkk/production-overview"
    assert folder_url("f", "Größe & Größer") == "/dashboards/f/f/groe-groer"
    assert dashboard_url("u", "東京") == "/d/u/u"
