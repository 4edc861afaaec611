"""``python -m framecast.cli.configuration_page``: docs/configuration.md, made of what settings/ says.

Every key comes with its default, what is allowed, its environment variable and the text beneath it in the source,
which is read there because Python does not keep it. Writes to stdout and nowhere else; `make docs` keeps the page.
"""

import ast
import inspect
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, get_args, get_origin

import msgspec
from msgspec import Struct

from framecast.configuration.environment import PREFIX
from framecast.configuration.grafana_table import GAPS, LIVE_RULES, RULES
from framecast.configuration.grafana_values import FALSE, variable_of
from framecast.configuration.secret_files import SUFFIX
from framecast.settings import CHANNEL_DEFAULTS, KIB, MIB, SECTIONS, ChannelOptions, Settings, is_secret

EXAMPLE = """\
[server]
listen = ["127.0.0.1:8300", "[::1]:8300"]
data = "/var/lib/framecast"
dev = true

[live]
max_connections = -1
allowed_origins = ["https://grafana.example.com"]

[channels.stream]
delta = true

[channels."grafana/broadcast"]
ask_presence = true

[channels.chat]
publish = "subscribers"

[log]
format = "json"
"""

INTRODUCTION = """\
<!-- Made of python/framecast/settings/ by `make docs`; change it there. -->

# Configuration

Framecast runs without any. What you set comes, from weakest to strongest, from

1. the **defaults** below,
2. a **TOML file**, `framecast serve --config framecast.toml`, or a **grafana.ini** (see the end of this page),
3. **Grafana's variables** for its `[live]`, `GF_LIVE_MAX_CONNECTIONS=-1`,
4. the **environment**, `FRAMECAST_LIVE_MAX_CONNECTIONS=-1`,
5. **flags**: `--set live.max_connections=-1` for any key (it may be repeated), and `--listen`, `--data` and `--dev`,
   which win over everything.

A later one replaces a value whole; lists are not joined. Unknown keys, and values that do not fit, keep the server
from starting; it says of all of them which key, from where (with the line of the file), and what is allowed.

- `framecast config check` says the same without starting anything: exit status 2 and a line for each mistake, or 0;
  before a restart, for example. It cannot see whether a port or the data directory is in use.
- `framecast config show` shows every setting with its value and where that comes from; `--changed` only what somebody
  set, `--json` for programs.
- `framecast config import grafana.ini` makes a TOML file of Grafana's: see the end of this page.

The first two take the flags of `serve`.

```toml
{example}```

In the environment and with `--set` a list is written with commas (`--set server.listen=127.0.0.1:8300,[::1]:8300`) and
a switch as `true` or `false`. Sizes are in bytes, times in seconds. `FRAMECAST_TOKEN` is no setting of the server: it
belongs to `framecast push`, `watch`, `streams` and `bench`.

A **secret** is shown by no command, log line or error. Any of them may stand in a file of its own: the same key, or
variable, with `_file` behind it is the path of that file, as with `tokens.hmac_secret_file` below.
"""

GRAFANA = """\

## From a grafana.ini

`framecast serve --config grafana.ini` reads Grafana's file as Grafana does: comments with `;` and `#`,
`$__env{{NAME}}`, `${{NAME}}`, `$__file{{/path}}`, `%(key)s`, and the variables `GF_SECTION_KEY`
(`GF_SERVER_HTTP_PORT`), which win over it. With `__FILE` behind its name a variable is the path of a file with the
value, as in Grafana's container image. An empty value is none.

Without a grafana.ini the variables of `[live]` are read all the same, so that a container keeps what was set for it;
one that is not known is told and left out. All other variables of Grafana's are left alone.

| grafana.ini | here | |
| --- | --- | --- |
{rules}
What has no equal here yet is told at the start, and does nothing:

| grafana.ini | |
| --- | --- |
{gaps}
Everything else in a grafana.ini is Grafana's own business; one line says which sections that were. `[auth.jwt]` counts
where its `enabled` is on.

`framecast config import grafana.ini --output framecast.toml` writes what it says as a file of Framecast's, once and for
all, with the line that each value comes from, and what was left out as comments. The variables that win over the file
are written with it. No secret is: where Grafana takes one from a file, that file is named (`ha_engine_password_file`),
and any other one is left to you.
"""

CHANNELS = """\
Also as `--set channels.stream.delta=true` and `--set channels.grafana/broadcast.ask_presence=true`. A variable has the
scope's name for `SCOPE`, and is taken to mean small letters; it cannot name a namespace. See channels.md.

Where nothing is set for them, these differ from the defaults above. What is set, for a scope or for a scope and
namespace, wins over this list.

| channels | options |
| --- | --- |
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One key, as the page shows it."""

    key: str
    default: str
    allowed: str
    variable: str
    grafanas_variable: str
    text: str


def render() -> str:
    """The whole page. ValueError when a section or key says nothing about itself."""
    sections = "".join(_spell_section(name) for name in Settings.__struct_fields__)
    return INTRODUCTION.format(example=EXAMPLE) + sections + _spell_grafana()


def _spell_grafana() -> str:
    rules = "".join(
        f"| {_names(rule.keys, '[{}] {}')} | {_names(rule.settings, '{}.{}')} | {rule.note} |\n" for rule in RULES
    )
    gaps = "".join(
        f"| `[{section}] {key}`{_unless(gap.harmless)} | {gap.reason} |\n" for (section, key), gap in GAPS.items()
    )
    return GRAFANA.format(rules=rules, gaps=gaps)


def _names(places: tuple[tuple[str, str], ...], form: str) -> str:
    return ", ".join(f"`{form.format(*place)}`" for place in places)


def _unless(harmless: frozenset[str]) -> str:
    if harmless == FALSE:
        return ", when on"
    return f", unless it is {' or '.join(f'`{value}`' for value in sorted(harmless))}" if harmless else ""


def _spell_section(name: str) -> str:
    section = SECTIONS.get(name, ChannelOptions)
    parts = [f"\n## [{name}]\n\n{_tidy(section.__doc__)}\n"]
    parts.append("\n| key | default | allowed | what it is | environment |\n| --- | --- | --- | --- | --- |\n")
    if section is not ChannelOptions:
        parts += [_line(row) for row in rows_of(name, section)]
        return "".join(parts)
    parts += [_line(row) for row in rows_of(f"{name}_SCOPE", section)]
    parts.append(f"\n{CHANNELS}")
    for channels, options in CHANNEL_DEFAULTS.items():
        spelled = ", ".join(f"`{option} = {json.dumps(value)}`" for option, value in options.items())
        parts.append(f"| `{channels}` | {spelled or 'none'} |\n")
    return "".join(parts)


def rows_of(name: str, section: type[Struct]) -> Iterator[Row]:
    """The keys of one section, in their order in the source; behind a secret the key for its file."""
    texts = _texts_of(section)
    for field in msgspec.structs.fields(section):
        yield Row(
            key=field.name,
            default=_spell_default(field.name, field.default),
            allowed=_spell_allowed(field.type),
            variable=f"{PREFIX}{name}_{field.name}".upper(),
            grafanas_variable=_grafanas_variable(name, field.name),
            text=_tidy(texts.get(field.name)),
        )
        if is_secret(field.type):
            yield Row(
                key=f"{field.name}{SUFFIX}",
                default='`""`',
                allowed="text",
                variable=f"{PREFIX}{name}_{field.name}{SUFFIX}".upper(),
                grafanas_variable="",
                text=f"The path of a file that holds `{field.name}`; a line break at its end is not part of it.",
            )


def _grafanas_variable(section: str, key: str) -> str:
    """Grafana's own variable for a key, where it is read without a grafana.ini."""
    return variable_of(section, key) if any((section, key) in rule.settings for rule in LIVE_RULES) else ""


def _texts_of(section: type[Struct]) -> dict[str, str]:
    """The string beneath each field of a section."""
    [definition] = ast.parse(inspect.getsource(section)).body
    body = definition.body if isinstance(definition, ast.ClassDef) else []
    texts = {}
    for field, below in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            match below:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    texts[field.target.id] = text
    return texts


def _tidy(text: str | None) -> str:
    if text is None:
        raise ValueError("a section or key of settings/ has no text beneath it")
    return " ".join(text.split()).replace("``", "`")


def _spell_default(key: str, default: Any) -> str:
    """As TOML; sizes also as people read them."""
    text = f"`{json.dumps(default)}`"  # the same as TOML for all that settings are made of
    sized = isinstance(default, int) and ("bytes" in key or key.endswith("size_limit"))
    for unit, factor in (("MiB", MIB), ("KiB", KIB)):
        if sized and default % factor == 0:
            return f"{text} ({default // factor} {unit})"
    return text


def _spell_allowed(annotation: Any) -> str:
    if get_origin(annotation) is Literal:  # here, because msgspec sorts them
        return ", ".join(f"`{value}`" if value else '`""`' for value in get_args(annotation))
    match msgspec.inspect.type_info(annotation):
        case msgspec.inspect.BoolType():
            return "`true`, `false`"
        case msgspec.inspect.IntType() as kind:
            return f"whole number{_spell_range(kind)}"
        case msgspec.inspect.FloatType() as kind:
            return f"number{_spell_range(kind)}"
        case msgspec.inspect.StrType() | msgspec.inspect.Metadata(type=msgspec.inspect.StrType()) as kind:
            return _spell_text(kind)
        case msgspec.inspect.VarTupleType(item_type=msgspec.inspect.StrType()):
            return "list of texts"
    raise ValueError(f"no words for {annotation}")


def _spell_text(kind: msgspec.inspect.StrType | msgspec.inspect.Metadata) -> str:
    if isinstance(kind, msgspec.inspect.Metadata):  # the only texts that have some are secrets
        return "text, a secret"
    return "text, not empty" if kind.min_length else "text"


def _spell_range(kind: msgspec.inspect.IntType | msgspec.inspect.FloatType) -> str:
    bounds = (("≥", kind.ge), (">", kind.gt), ("≤", kind.le), ("<", kind.lt))
    spelled = " and ".join(f"{sign} {bound}" for sign, bound in bounds if bound is not None)
    return f" {spelled}" if spelled else ""


def _line(row: Row) -> str:
    variables = ", ".join(f"`{variable}`" for variable in (row.variable, row.grafanas_variable) if variable)
    cells = (f"`{row.key}`", row.default, row.allowed, row.text, variables)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    print(render(), end="")
