"""Users whom a proxy names: from listed addresses only, and never two at once."""

from typing import Any

import pytest

from framecast.accounts.auth_proxy import AuthProxy
from framecast.accounts.identity import Identity, Role
from framecast.door.head import RequestHead
from framecast.errors import ConfigurationError, Refusal
from framecast.settings import Proxy
from heads import head_of

LOGIN, ORG, ROLE = b"x-webauth-user", b"x-webauth-org", b"x-webauth-role"


def source(**settings: Any) -> AuthProxy:
    named = {"login_header": "X-WEBAUTH-USER", "org_header": "X-WEBAUTH-ORG", "role_header": "X-WEBAUTH-ROLE"}
    return AuthProxy(Proxy(**{**named, "login_addresses": ("127.0.0.1", "10.0.0.0/8"), **settings}), orgs={1, 3, 7})


def request(*headers: tuple[bytes, bytes], neighbour: str = "127.0.0.1") -> RequestHead:
    return head_of("/", *headers, peer="203.0.113.9", neighbour=neighbour)


async def test_a_listed_proxy_says_who_the_user_is() -> None:
    head = request((LOGIN, b"ann"), (ORG, b"7"), (ROLE, b"Editor"))
    assert await source().find(head) == Identity(7, "ann", Role.EDITOR)
    assert await source().find(request((LOGIN, "änn".encode()), neighbour="10.2.3.4")) == Identity(
        1, "änn", Role.VIEWER
    )
    assert await source(org=3, role="Admin").find(request((LOGIN, b"ann"))) == Identity(3, "ann", Role.ADMIN)


@pytest.mark.parametrize("neighbour", ["203.0.113.9", "127.0.0.2", "", "::1"])
async def test_from_anywhere_else_the_headers_are_nothing(neighbour: str) -> None:
    head = request((LOGIN, b"root"), (LOGIN, b"twice"), (ROLE, b"Admin"), neighbour=neighbour)
    assert await source().find(head) is None


async def test_a_client_that_names_a_proxy_as_itself_is_no_proxy() -> None:
    head = head_of("/", (LOGIN, b"root"), peer="127.0.0.1", neighbour="203.0.113.9")
    assert await source().find(head) is None


@pytest.mark.parametrize("headers", [(), ((LOGIN, b""),), ((LOGIN, b" \t"),), ((ROLE, b"Admin"), (ORG, b"1"))])
async def test_whom_the_proxy_does_not_name_is_left_to_others(headers: tuple[tuple[bytes, bytes], ...]) -> None:
    assert await source().find(request(*headers)) is None


@pytest.mark.parametrize(
    "headers",
    [
        ((LOGIN, b"evil"), (LOGIN, b"ann")),
        ((LOGIN, b"ann"), (LOGIN, b"ann")),
        ((LOGIN, b"evil, ann"),),
        ((LOGIN, b"\xff"),),
        ((LOGIN, b"a" * 256),),
        ((LOGIN, b"ann"), (ROLE, b"Admin"), (ROLE, b"Viewer")),
        ((LOGIN, b"ann"), (ROLE, b"Admin,Viewer")),
        ((LOGIN, b"ann"), (ORG, b"1"), (ORG, b"2")),
        ((LOGIN, b"ann"), (ORG, b"0")),
        ((LOGIN, b"ann"), (ORG, b"-1")),
        ((LOGIN, b"ann"), (ORG, b"Main Org.")),
        ((LOGIN, b"ann"), (ORG, "٣".encode())),
        ((LOGIN, b"ann"), (ORG, b"9" * 30)),
    ],
)
async def test_what_cannot_be_one_user_is_refused(headers: tuple[tuple[bytes, bytes], ...]) -> None:
    with pytest.raises(Refusal) as caught:
        await source().find(request(*headers))
    assert caught.value.code == 401


@pytest.mark.parametrize("role", [b"", b"admin", b"Grafana Admin", b"None", "Ädmin".encode()])
async def test_an_unknown_role_is_the_configured_one(role: bytes) -> None:
    found = await source(role="Editor").find(request((LOGIN, b"ann"), (ROLE, role)))
    assert found is not None
    assert found.role is Role.EDITOR


async def test_headers_that_are_not_configured_are_not_read() -> None:
    found = await source(role_header="", org_header="").find(request((LOGIN, b"ann"), (ROLE, b"Admin"), (ORG, b"9")))
    assert found == Identity(1, "ann", Role.VIEWER)


async def test_a_user_of_an_org_that_there_is_not_is_refused_and_it_is_said_what_to_do() -> None:
    with pytest.raises(Refusal, match=r"of org 9 \(X-WEBAUTH-ORG\), which is none of this server: make it") as caught:
        await source().find(request((LOGIN, b"ann"), (ORG, b"9")))
    assert caught.value.code == 401
    with pytest.raises(Refusal, match=r"of org 4 \(proxy\.org\), which is none of this server"):
        await source(org=4).find(request((LOGIN, b"ann")))


async def test_a_request_that_names_another_org_than_its_user_is_refused() -> None:
    named = (b"x-grafana-org-id", b"3")
    with pytest.raises(Refusal, match="no member of org 3") as caught:
        await source().find(request((LOGIN, b"ann"), (ORG, b"7"), named))
    assert caught.value.code == 403
    assert await source().find(request((LOGIN, b"ann"), (ORG, b"3"), named)) == Identity(3, "ann", Role.VIEWER)


def test_no_user_is_ever_a_server_admin_by_a_header() -> None:
    assert not any("server" in name or "admin" in name for name in Proxy.__struct_fields__)


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"login_addresses": ()}, "proxy.login_addresses"),
        ({"login_addresses": ("localhost",)}, "proxy.login_addresses"),
        ({"login_header": "X WEBAUTH"}, "proxy.login_header"),
        ({"role_header": "Röle"}, "proxy.role_header"),
        ({"org_header": "X:Y"}, "proxy.org_header"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, Any], names: str) -> None:
    with pytest.raises(ConfigurationError, match=names):
        source(**settings)
