"""Which options a channel has: those of its scope and namespace, of its scope, and the defaults, settled once."""

from collections.abc import Mapping

import msgspec

from framecast.channels.address import Address
from framecast.errors import Mistakes, Refusal
from framecast.protocol.codes import ErrorCode
from framecast.settings import CHANNEL_DEFAULTS, ChannelOptions, ChannelOverrides, History

EVENT_CHANNELS = ("grafana/dashboard",)
"""Whose publications tell what happened, where others tell how something is: none of them stands for another."""


class OptionsTable:
    """The options of all channels. Holds no more than what the settings name."""

    def __init__(self, overrides: Mapping[str, ChannelOverrides], history: History) -> None:
        """What is set wins over `CHANNEL_DEFAULTS`, and in each of them a scope and namespace over its scope."""
        self._rest = ChannelOptions(
            history_rows=history.rows, history_seconds=history.seconds, history_bytes=history.bytes
        )
        self._settled: dict[str, ChannelOptions] = {}
        for name in {**CHANNEL_DEFAULTS, **overrides}:
            scope = name.partition("/")[0]
            layers = (layer.get(part, {}) for layer in (CHANNEL_DEFAULTS, overrides) for part in (scope, name))
            options = self._rest
            for layer in layers:
                options = msgspec.structs.replace(options, **layer)
            self._settled[name] = _settle(options)
        self.shortest_seconds = min(one.history_seconds for one in (self._rest, *self._settled.values()))
        """What is kept for the shortest time of all is kept for this long."""
        self.largest_bytes = max(one.history_bytes for one in (self._rest, *self._settled.values()))
        """What the largest past of all channels may hold."""

    def find(self, address: Address) -> ChannelOptions:
        """The channel's options; `ask_presence` and `ask_history` are off where there is nothing to ask for."""
        settled = self._settled
        return settled.get(f"{address.scope}/{address.namespace}") or settled.get(address.scope) or self._rest

    def check_conflating(self) -> None:
        """ConfigurationError where publications may be skipped that somebody needs; it tells of all such channels."""
        mistakes = Mistakes()
        for name, options in self._settled.items():
            if not options.conflate:
                continue
            where = f"channels.{name}.conflate = true cannot be used"
            if name in EVENT_CHANNELS:
                mistakes.note(
                    f"{where}: each of their publications is an event of its own, and none stands for those before; "
                    f'set conflate = false in [channels."{name}"]'
                )
                continue
            if options.recovery != "off":
                mistakes.note(
                    f'{where} with recovery = "{options.recovery}", which needs every publication: set '
                    'recovery = "off" for these channels, or leave conflate out'
                )
            if options.delta:
                mistakes.note(
                    f"{where} with delta = true, which needs every publication: set "
                    "delta = false for these channels, or leave conflate out"
                )
        mistakes.tell()

    def check_publish(self, address: Address, *, subscribed: bool) -> None:
        """Refusal 403 where clients may not publish, or not without being subscribed as `subscribed` says."""
        allowed = self.find(address).publish
        if allowed == "nobody":
            raise Refusal(403, f"Forbidden: clients may not publish on {address} (its option publish is nobody)")
        if allowed == "subscribers" and not subscribed:
            raise Refusal(403, f"Forbidden: only its subscribers may publish on {address}")


def _settle(options: ChannelOptions) -> ChannelOptions:
    return msgspec.structs.replace(
        options,
        ask_presence=options.ask_presence and options.presence,
        ask_history=options.ask_history and options.history_rows > 0,
    )


def override(
    options: ChannelOptions,
    *,
    presence: bool | None = None,
    join_leave: bool | None = None,
    recovery: bool | None = None,
) -> ChannelOptions:
    """One subscriber's options, as the `override` of its token has them; None leaves what the channel has.

    Centrifugo's `presence` (it is counted in), `join_leave` (others are told that it comes and goes) and
    `force_recovery`. Recovery where a channel has none is that of a stream. `force_push_join_leave`, whether this one
    is told of others, is `events` of `Hub.subscribe`; there is no positioning without recovery, so none to force.

    Refusal 108 for recovery of a channel that conflates: its subscribers skip publications.
    """
    changes: dict[str, object] = {}
    if presence is not None:
        changes["presence"] = presence
    if join_leave is not None and join_leave != (options.join_leave != "off"):
        changes["join_leave"] = "asked" if join_leave else "off"
    if recovery and options.conflate:
        raise ErrorCode.NOT_AVAILABLE.refusal(
            "not available: the channel conflates (its option conflate), so nothing can be recovered as the token "
            "wants it (force_recovery)"
        )
    if recovery is not None and recovery != (options.recovery != "off"):
        changes["recovery"] = "stream" if recovery else "off"
    return msgspec.structs.replace(options, **changes) if changes else options
