"""The org that a request is in."""

import pytest

from framecast.accounts.which_org import choose_org, named_org
from framecast.door.head import RequestHead
from framecast.errors import Refusal
from heads import head_of


def head(header: bytes | None = None, query: str = "") -> RequestHead:
    headers = [(b"x-grafana-org-id", header)] if header is not None else []
    return head_of("/", *headers, query=query)


@pytest.mark.parametrize(
    ("header", "query", "expected"),
    [
        (None, "", None),
        (b"2", "", 2),
        (b" 2 ", "", 2),
        (None, "a=1&orgId=3", 3),
        (None, "orgId=3&orgId=4", 4),
        (None, "xorgId=3", None),
        (b"2", "orgId=3", 2),
    ],
)
def test_it_is_named_by_the_header_or_the_query(header: bytes | None, query: str, expected: int | None) -> None:
    assert named_org(head(header, query)) == expected
    assert choose_org(head(header, query), {1, 2, 3, 4}, 1) == (expected or 1)


@pytest.mark.parametrize("text", [b"", b"0", b"-1", b"x", b"1,2", b"1" * 19, "²".encode()])
def test_what_is_no_org_is_refused(text: bytes) -> None:
    with pytest.raises(Refusal) as caught:
        named_org(head(text))
    assert caught.value.code == 400


def test_an_org_of_others_is_refused() -> None:
    with pytest.raises(Refusal, match="no member of org 5") as caught:
        choose_org(head(b"5"), {1, 2}, 1)
    assert caught.value.code == 403
