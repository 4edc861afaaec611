"""docs/configuration.md says what settings/ says, of every key, and what it says can be done."""

import re
from pathlib import Path

import msgspec
import pytest

from framecast.cli.configuration_page import EXAMPLE, Row, render, rows_of
from framecast.configuration import load_settings
from framecast.configuration.grafana_table import GAPS, RULES
from framecast.settings import CHANNEL_DEFAULTS, SECTIONS, ChannelOptions, Settings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "configuration.md"
KEYS = [(name, field.name) for name, section in SECTIONS.items() for field in msgspec.structs.fields(section)]


def row_of(section: str, key: str) -> Row:
    [row] = [row for row in rows_of(section, SECTIONS[section]) if row.key == key]
    return row


def test_the_page_is_not_stale() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "run `make docs`"


def test_every_section_is_on_the_page() -> None:
    assert re.findall(r"^## \[(\w+)\]$", render(), re.MULTILINE) == list(msgspec.structs.asdict(Settings()))


@pytest.mark.parametrize(("section", "key"), KEYS)
def test_every_key_says_what_it_is_and_its_default_fits_through_its_variable(section: str, key: str) -> None:
    row = row_of(section, key)
    assert row.text.endswith(".")
    default = re.fullmatch(r"`(.*)`(?: \(\d+ [MK]iB\))?", row.default)
    assert default is not None
    text = re.sub(r'[\[\]"]', "", default[1])
    assert load_settings(environment={row.variable: text}) == Settings()


@pytest.mark.parametrize(
    ("section", "key", "default", "allowed"),
    [
        ("server", "listen", '`["127.0.0.1:8300"]`', "list of texts"),
        ("server", "dev", "`false`", "`true`, `false`"),
        ("live", "max_connections", "`100`", "whole number ≥ -1"),
        ("live", "queue_bytes", "`4194304` (4 MiB)", "whole number ≥ 1"),
        ("live", "ping_seconds", "`25`", "whole number ≥ 1 and ≤ 3600"),
        ("live", "pong_seconds", "`10.0`", "number > 0 and ≤ 86400"),
        ("push", "thread_body_bytes", "`65536` (64 KiB)", "whole number ≥ 1"),
        ("tokens", "hmac_secret", '`""`', "text, a secret"),
        ("tokens", "user_claim", '`"sub"`', "text, not empty"),
        ("tokens", "issuer", '`""`', "text"),
        ("log", "level", '`"info"`', "`debug`, `info`, `warning`, `error`"),
        ("log", "format", '`"auto"`', "`auto`, `human`, `json`"),
    ],
)
def test_defaults_and_limits_are_spelled_for_people(section: str, key: str, default: str, allowed: str) -> None:
    row = row_of(section, key)
    assert (row.default, row.allowed) == (default, allowed)


@pytest.mark.parametrize("key", ["max_connections", "allowed_origins", "message_size_limit", "ha_engine_password"])
def test_grafanas_names_of_variables_stand_beside_ours(key: str) -> None:
    assert f"| `FRAMECAST_LIVE_{key.upper()}`, `GF_LIVE_{key.upper()}` |\n" in render()


def test_all_that_is_read_of_a_grafana_ini_is_on_the_page() -> None:
    page = render()
    assert all(f"`[{section}] {key}`" in page for rule in RULES for section, key in rule.keys)
    assert all(f"| `[{section}] {key}`" in page for section, key in GAPS)
    assert "| `[log] level` | `log.level` | `warn`, `critical` and `trace` in our words |\n" in page
    assert "| `[server] protocol`, unless it is `http` or `https` | HTTP/1.1 over TCP is spoken here" in page


def test_the_example_can_be_used(tmp_path: Path) -> None:
    file = tmp_path / "framecast.toml"
    file.write_text(EXAMPLE, encoding="utf-8")
    loaded = load_settings(file=file, environment={})
    assert loaded.live.max_connections == -1
    assert loaded != Settings()
    assert f"```toml\n{EXAMPLE}```" in render()


@pytest.mark.parametrize("field", msgspec.structs.fields(ChannelOptions), ids=lambda field: field.name)
def test_every_channel_option_says_what_it_is_and_its_default_fits_through_its_variable(
    field: msgspec.structs.FieldInfo,
) -> None:
    [row] = [row for row in rows_of("channels_chat", ChannelOptions) if row.key == field.name]
    assert row.text.endswith(".")
    default = re.fullmatch(r"`\"?(.*?)\"?`(?: \(\d+ [MK]iB\))?", row.default)
    assert default is not None
    loaded = load_settings(environment={row.variable: default[1]})
    assert loaded.channels == {"chat": {field.name: field.default}}
    assert f"`FRAMECAST_CHANNELS_SCOPE_{field.name.upper()}`" in render()


def test_the_page_says_where_channels_differ_by_default() -> None:
    page = render()
    assert all(f"\n| `{name}` | " in page for name in CHANNEL_DEFAULTS)
    assert '\n| `grafana/dashboard` | `presence = true`, `join_leave = "pushed"`, `publish = "everybody"` |\n' in page
