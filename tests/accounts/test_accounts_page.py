"""What docs/accounts.md names is there."""

import re
from pathlib import Path

import msgspec

from framecast import cli, metrics
from framecast.settings import SECTIONS

PAGE = (Path(__file__).resolve().parent.parent.parent / "docs" / "accounts.md").read_text(encoding="utf-8")


def test_it_names_only_settings_that_there_are() -> None:
    named = re.findall(r"`(accounts|rates|tokens|proxy|server|live)\.(\w+)(?: = \w+)?`", PAGE)
    assert len(named) > 8
    for section, key in named:
        assert key in {field.name for field in msgspec.structs.fields(SECTIONS[section])}, f"{section}.{key}"


def test_it_names_only_figures_and_commands_that_there_are() -> None:
    counters = (metrics.refused_credentials, metrics.logins, metrics.rate_limited)
    assert set(re.findall(r"`(framecast_\w+)[`{]", PAGE)) == {f"{counter._name}_total" for counter in counters}
    assert set(re.findall(r"framecast (\w+) (?:create|list|revoke|remove|passwd)", PAGE)) == {"token", "user", "org"}
    assert {"token", "user", "org"} <= set(cli.GROUPS)
