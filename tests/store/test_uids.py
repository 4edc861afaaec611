"""Uids are Grafana's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from framecast.channels.address import parse_channel
from framecast.errors import Refusal
from framecast.store.uids import check_uid, make_uid


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
