"""One stream of a plugin, as a channel's lifetime runs it, and what decides whose it is."""

import re
from collections.abc import Hashable
from dataclasses import dataclass

from framecast.accounts.identity import Identity
from framecast.channels.address import Address
from framecast.channels.hub import Hub
from framecast.channels.outsiders import Run
from framecast.errors import Refusal
from framecast.plugins.asking import refusal_of, sole_failure
from framecast.plugins.instances import FindInstance, Instance
from framecast.plugins.outlet import Outlet
from framecast.plugins.plugin import Context, Plugin, User
from framecast.plugins.sender import Sender
from framecast.settings import Sources

_UNNAMEABLE = re.compile(r"[^A-Za-z0-9_.\-]")


@dataclass(frozen=True, slots=True)
class Told:
    """What of a subscriber its stream is told: what its plugin shares streams by, and nothing else.

    Two streams of a channel are the same where this is.
    """

    plugin_id: str
    user: User | None
    data: bytes


class PluginStream:
    """Runs a plugin's stream."""

    def __init__(self, hub: Hub, limits: Sources, find: FindInstance, address: Address, told: Told) -> None:
        self._hub = hub
        self._limits = limits
        self._find = find
        self._address = address
        self._told = told

    @property
    def identity(self) -> Hashable:
        """The user and the data that the stream is of, where it is of any."""
        return self._told

    async def run(self, run: Run) -> None:
        """Stream, from what is there now. Refusal where the plugin says that there is nothing, or is gone."""
        address = self._address
        instance = await self._find_again()
        context = Context(address.org_id, instance.plugin_id, str(address), self._told.user, instance.data_source)
        run.what = f"the stream {address} of the plugin {instance.plugin_id}"
        outlet = Outlet(self._hub, address, run, self._limits)
        sender = Sender(outlet.deliver, max_bytes=self._limits.packet_bytes)
        try:
            async with outlet.open():
                await instance.plugin.run(context, address.path, self._told.data, sender)
        except Exception as error:  # noqa: BLE001 - it is raised again, out of its group
            refusal = refusal_of(error, instance.plugin_id, str(address))
            if refusal is not None:
                raise refusal from None
            raise sole_failure(error) from None

    async def _find_again(self) -> Instance:
        """What is there now. Where that is nothing, or another plugin, subscribers have to ask it first."""
        try:
            instance = await self._find(self._address)
        except Refusal as refusal:
            if not refusal.temporary:
                self._hub.forget(self._address)
            raise
        if instance.plugin_id != self._told.plugin_id:
            self._hub.forget(self._address)
            raise Refusal(404, f"{self._address} is of another plugin now, {instance.plugin_id}")
        return instance


def tell_stream(plugin: Plugin, asked: Context, data: bytes) -> Told:
    """What the stream of one who asked so, with this data, is told."""
    sharing = plugin.sharing
    return Told(asked.plugin_id, asked.user if sharing == "user" else None, data if sharing == "data" else b"")


def path_of_login(login: str) -> str:
    """A login as part of a path: letters, digits and ``_ - .`` stay, every other byte is ``=XX``."""
    return _UNNAMEABLE.sub(lambda found: "".join(f"={byte:02X}" for byte in found[0].encode()), login)


def check_owner(plugin: Plugin, address: Address, identity: Identity) -> None:
    """Refusal 403 for somebody else's stream, where a plugin's streams are each one user's own."""
    if plugin.sharing != "user":
        return
    if not identity.login:
        raise Refusal(403, f"Forbidden: {address} is one user's own, and you have no name")
    if not address.path.endswith(f"/{path_of_login(identity.login)}"):
        raise Refusal(
            403,
            f"Forbidden: {address} is not yours: the path of your own ends with /{path_of_login(identity.login)}",
        )
