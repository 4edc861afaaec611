"""``framecast user create|list|remove|passwd``: people who log in."""

import sys
from typing import Annotated, Literal

import cyclopts
from cyclopts import Parameter

from framecast.cli.account_api import FORCE, AccountApi, Where, run
from framecast.cli.rows import cut, terminal_columns
from framecast.cli.secret_input import read_password
from framecast.cli.stream_page import align
from framecast.logs import escape_controls

app = cyclopts.App(name="user", help_format="plaintext")

EVERYWHERE = Where()

Login = Annotated[str, Parameter(help="The user's login.")]


@app.command
def create(
    login: Login,
    /,
    *,
    name: Annotated[str, Parameter(help="For people.")] = "",
    email: Annotated[str, Parameter(help="For people.")] = "",
    role: Annotated[Literal["Viewer", "Editor", "Admin"], Parameter(help="What it may do in the org.")] = "Viewer",
    org: Annotated[int, Parameter(help="The id of the org that it belongs to.")] = 1,
    server_admin: Annotated[bool, Parameter(help="It may manage orgs and users.", negative=())] = False,
    where: Where = EVERYWHERE,
) -> int:
    """Make a user. The password is asked for, or is the first line of stdin."""
    body = {
        "login": login,
        "name": name,
        "email": email,
        "role": role,
        "OrgId": org,
        "isGrafanaAdmin": server_admin,
        "password": read_password(login),
    }
    made = run(where, lambda api: api.ask("POST", "/api/admin/users", body))
    print(escape_controls(f"user {made['id']}: {login}, {role} of org {org}"), file=sys.stderr)
    return 0


@app.command(name="list")
def list_(*, where: Where = EVERYWHERE) -> int:
    """The users of the server."""
    users = run(where, lambda api: api.ask("GET", "/api/users"))
    head = ("id", "login", "name", "org", "")
    rows = [
        (
            str(user["id"]),
            user["login"],
            user["name"],
            str(user["orgId"] or "none"),
            "disabled" if user["isDisabled"] else "server admin" if user["isGrafanaAdmin"] else "",
        )
        for user in users
    ]
    for line in align([head, *rows], left=5):
        print(cut(line, terminal_columns()))
    return 0


@app.command
def remove(login: Login, /, *, force: Annotated[bool, FORCE] = False, where: Where = EVERYWHERE) -> int:
    """Remove a user. Its sessions and connections end."""

    async def remove_user(api: AccountApi) -> None:
        await api.ask("DELETE", f"/api/admin/users/{await api.find_user(login)}")

    run(where, remove_user, force=force)
    return 0


@app.command
def passwd(login: Login, /, *, where: Where = EVERYWHERE) -> int:
    """Give a user another password, as `create` reads it. Its sessions and connections end."""
    password = read_password(login)

    async def set_password(api: AccountApi) -> None:
        await api.ask("PUT", f"/api/admin/users/{await api.find_user(login)}/password", {"password": password})

    run(where, set_password)
    return 0
