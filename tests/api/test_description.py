"""The OpenAPI document: made of the routes, whole, and for server admins only."""

from dataclasses import replace
from typing import Any

import pytest
from site_of_app import Site, as_other_org, check_problem, site

from framecast.accounts.identity import DEVELOPER, Identity
from framecast.api.description import UNDESCRIBED
from framecast.api.routing import ApiRoute
from framecast.door.head import RequestHead
from gates import closed_gate


def routes_of(here: Site) -> list[ApiRoute]:
    return [route for route in here.app._app.routes if isinstance(route, ApiRoute)]


def methods_of(route: ApiRoute) -> set[str]:
    return {method.lower() for method in (route.methods or set()) - UNDESCRIBED}


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (path, method): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


async def test_every_route_and_method_is_described() -> None:
    async with site() as here:
        document = (await here.client.get("/openapi.json")).json()
        there = {(route.path_format, method) for route in routes_of(here) for method in methods_of(route)}
        described = operations(document)
        assert set(described) == there
        assert len({operation["operationId"] for operation in described.values()}) == len(described)
        for (path, _), operation in described.items():
            assert operation["summary"], path
            names = {parameter["name"] for parameter in operation.get("parameters", ()) if parameter["in"] == "path"}
            assert names == {part[1:-1] for part in path.split("/") if part.startswith("{")}


async def test_refusals_are_described_as_they_are_sent() -> None:
    async with site() as here:
        document = (await here.client.get("/openapi.json")).json()
        assert document["components"]["schemas"]["Problem"]["properties"].keys() == {"message"}
        for place, operation in operations(document).items():
            assert "422" not in operation["responses"], place
        metrics = operations(document)["/metrics", "get"]["responses"]
        assert "403" in metrics
        assert metrics["401"]["content"]["application/json"]["schema"]["$ref"].endswith("/Problem")


async def no_server_admin(head: RequestHead) -> Identity:
    return replace(DEVELOPER, server_admin=False)


async def test_it_is_for_server_admins() -> None:
    async with site(gate=closed_gate) as here:
        check_problem(await here.client.get("/openapi.json"), 401)
    for gate in (no_server_admin, as_other_org):
        async with site(gate=gate) as here:
            assert "server admin" in check_problem(await here.client.get("/openapi.json"), 403)


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/docs/oauth2-redirect"])
async def test_there_is_no_page_that_loads_scripts_from_elsewhere(path: str) -> None:
    async with site() as here:
        check_problem(await here.client.get(path), 404)
