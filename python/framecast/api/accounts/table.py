"""All routes of accounts."""

from framecast.accounts.entrance import Entrance
from framecast.api.accounts.caller import CallerRoutes
from framecast.api.accounts.login import LoginRoutes
from framecast.api.accounts.members import MemberRoutes
from framecast.api.accounts.orgs import OrgRoutes
from framecast.api.accounts.tokens import TokenRoutes
from framecast.api.accounts.users import UserRoutes
from framecast.api.bodies import JsonBodies
from framecast.api.routing import ApiRoute
from framecast.settings import Settings


def build_routes(entrance: Entrance, bodies: JsonBodies, settings: Settings) -> list[ApiRoute]:
    """In the order in which they are looked through."""
    register, limits = entrance.register, settings.api
    return [
        *LoginRoutes(entrance, bodies, settings).routes(),
        *CallerRoutes(entrance, bodies, limits).routes(),
        *MemberRoutes(register, bodies, limits).routes(),
        *TokenRoutes(register, bodies, limits).routes(),
        *OrgRoutes(register, bodies, limits).routes(),
        *UserRoutes(entrance, bodies, limits).routes(),
    ]
