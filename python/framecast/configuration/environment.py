"""The layer of the environment: ``FRAMECAST_SECTION_KEY``, and ``FRAMECAST_CHANNELS_SCOPE_OPTION``.

A variable can name a scope of channels, in small letters, but no namespace.
"""

from collections.abc import Mapping

from framecast.configuration.layer import CHANNELS, Given, Layer, channels_section, known_section
from framecast.errors import ConfigurationError, Mistakes
from framecast.settings import ChannelOptions

PREFIX = "FRAMECAST_"
CLIENT_VARIABLES = frozenset({"FRAMECAST_TOKEN"})
"""Read by `framecast push`, `watch` and `streams`; a server on the same machine must not trip over them."""


def read_environment(environment: Mapping[str, str], mistakes: Mistakes) -> Layer:
    """What the variables set. One that begins as ours do and names nothing goes to `mistakes`."""
    layer: Layer = {}
    for name, value in environment.items():
        if not name.startswith(PREFIX) or name in CLIENT_VARIABLES:
            continue
        section, _, key = name.removeprefix(PREFIX).lower().partition("_")
        source = f"environment {name}"
        with mistakes.collected():
            known_section(section, source)
            if section == CHANNELS:
                section, key = _read_channels_variable(key, source)
            layer[section, key] = Given(value, source)
    return layer


def _read_channels_variable(text: str, source: str) -> tuple[str, str]:
    """Take ``stream_ask_presence`` apart: the longest option that it ends with counts."""
    options = [option for option in ChannelOptions.__struct_fields__ if text.endswith(f"_{option}")]
    if not options:
        raise ConfigurationError(
            f"unknown key {CHANNELS}.{text} ({source}); it must be {PREFIX}CHANNELS_SCOPE_OPTION, "
            f"with one of the options {', '.join(sorted(ChannelOptions.__struct_fields__))}"
        )
    option = max(options, key=len)
    return channels_section(text.removesuffix(f"_{option}"), source), option
