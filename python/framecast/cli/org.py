"""``framecast org create|list|remove``: worlds of their own on one server."""

from typing import Annotated

import cyclopts
from cyclopts import Parameter

from framecast.cli.account_api import FORCE, Where, run
from framecast.cli.rows import cut, terminal_columns
from framecast.cli.stream_page import align

app = cyclopts.App(name="org", help_format="plaintext")

EVERYWHERE = Where()


@app.command
def create(name: Annotated[str, Parameter(help="Its name.")], /, *, where: Where = EVERYWHERE) -> int:
    """Make an org, and print its id."""
    made = run(where, lambda api: api.ask("POST", "/api/orgs", {"name": name}))
    print(made["orgId"])
    return 0


@app.command(name="list")
def list_(*, where: Where = EVERYWHERE) -> int:
    """The orgs of the server."""
    orgs = run(where, lambda api: api.ask("GET", "/api/orgs"))
    for line in align([("id", "name"), *((str(org["id"]), org["name"]) for org in orgs)], left=2):
        print(cut(line, terminal_columns()))
    return 0


@app.command
def remove(
    org: Annotated[int, Parameter(help="Its id.")],
    /,
    *,
    force: Annotated[bool, FORCE] = False,
    where: Where = EVERYWHERE,
) -> int:
    """Remove an org with its tokens. Everybody who is in it is cut off."""
    run(where, lambda api: api.ask("DELETE", f"/api/orgs/{org}"), force=force)
    return 0
