"""The session's cookie on its way to and from a browser."""

import pytest

from framecast.accounts.cookies import drop_cookie, find_cookie, set_cookie
from heads import head_of


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([b"s=abc"], "abc"),
        ([b"a=1; s=abc ;b=2"], "abc"),
        ([b"a=1", b"s=abc"], "abc"),
        ([b"s=abc; s=abc"], "abc"),
        ([b"s=abc; s=other"], None),
        ([b"s=abc", b"s=other"], None),
        ([b"S=abc; xs=abc; s"], ""),
        ([b"a=1"], None),
        ([b"s="], ""),
        ([b"s=a=b"], "a=b"),
        ([b"s=\xff"], "\xff"),
        ([], None),
    ],
)
def test_the_cookie_is_found_and_of_two_neither(lines: list[bytes], expected: str | None) -> None:
    assert find_cookie(head_of("/", *((b"cookie", line) for line in lines)), "s") == expected


def test_it_is_out_of_reach_of_scripts_and_of_other_sites() -> None:
    assert set_cookie("s", "abc", seconds=60.5, secure=False) == "s=abc; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"
    assert set_cookie("s", "abc", seconds=60, secure=True).endswith("; SameSite=Lax; Secure")
    assert drop_cookie("s", secure=True) == "s=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure"
