"""``framecast config import``: a grafana.ini becomes a configuration of Framecast.

What is written holds no secret: of one that stands in a file, the file's name is carried over, and any other one is
left to whoever imports. What has no equal here is written as a comment with the reason.
"""

import os
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from framecast.cli.failure import CommandError
from framecast.cli.toml_text import toml_comment, toml_head, toml_value
from framecast.configuration.environment import PREFIX
from framecast.configuration.grafana import Carried, read_grafana_ini
from framecast.configuration.layer import Given, Layer
from framecast.configuration.secret_files import SUFFIX, SecretFile, secrets_of
from framecast.configuration.values import build_settings, convert
from framecast.errors import ConfigurationError, Mistakes
from framecast.logs import escape_controls
from framecast.preflight import check_settings
from framecast.settings import SECTIONS


def import_(
    file: Annotated[Path, Parameter(help="A grafana.ini; GF_SECTION_KEY in the environment wins over it.")],
    /,
    *,
    output: Annotated[Path | None, Parameter(help="Write to this file instead of stdout.")] = None,
    force: Annotated[bool, Parameter(help="Overwrite that file.", negative=())] = False,
) -> None:
    """Write what a grafana.ini says as TOML for `framecast serve --config`.

    What has no equal is a comment in it, and told on stderr. Exit status 2, and nothing is written, when a value
    cannot be used; every mistake comes with its line.
    """
    carried = _read(file)
    text = "".join(f"{line}\n" for line in render(file, carried))
    if output is None:
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        _write(output, text, force=force)
    for left_out in carried.left_out:
        _say(str(left_out))
    for mistake in _refused(carried):
        _say(f"serve would refuse this: {mistake}")


def _read(file: Path) -> Carried:
    mistakes = Mistakes()
    carried = read_grafana_ini(file, os.environ, mistakes)
    for (section, key), given in carried.layer.items():
        if not isinstance(given.value, SecretFile):
            with mistakes.collected():
                convert(section, key, given)
    mistakes.tell()
    return carried


def render(file: Path, carried: Carried) -> Iterator[str]:
    """The lines of the TOML text, in the order of the page."""
    yield toml_comment(f"Made of {file} by `framecast config import`.")
    order = [(section, key) for section, struct in SECTIONS.items() for key in struct.__struct_fields__]
    places = sorted(carried.layer, key=order.index)
    for section, keys in groupby(places, key=lambda place: place[0]):
        yield ""
        yield toml_head(section)
        for _, key in keys:
            yield from _lines_of(section, key, carried.layer[section, key])
    if carried.left_out:
        yield ""
        yield toml_comment("Has no equal here, and is left out:")
        yield from (toml_comment(f"- {one.source}: {one.reason}") for one in carried.left_out)
    if carried.others:
        yield ""
        yield toml_comment("Grafana's own business, with the number of settings:")
        yield from (toml_comment(f"- [{section}] {count}") for section, count in carried.others.items())


def _lines_of(section: str, key: str, given: Given) -> Iterator[str]:
    if isinstance(given.value, SecretFile):
        yield f"{key}{SUFFIX} = {toml_value(given.value.path)}  {toml_comment(given.source)}"
    elif key in secrets_of(section):
        variable = f"{PREFIX}{section}_{key}".upper()
        yield toml_comment(f"{key} is a secret and is not copied ({given.source}): put it into a file that is named")
        yield toml_comment(f"here, or into the variable {variable}.")
        yield toml_comment(f'{key}{SUFFIX} = "/path/of/the/file"')
    else:
        yield f"{key} = {toml_value(convert(section, key, given))}  {toml_comment(given.source)}"


def _write(output: Path, text: str, *, force: bool) -> None:
    try:
        with output.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise CommandError(f"{output} is there already: --force overwrites it", status=2) from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CommandError(f"cannot write {output}: {reason}") from None


def _refused(carried: Carried) -> tuple[str, ...]:
    """What a start with the imported settings would stumble over. Secrets are not read for that."""
    layer: Layer = {place: given for place, given in carried.layer.items() if not isinstance(given.value, SecretFile)}
    try:
        check_settings(build_settings(layer, Mistakes()))
    except ConfigurationError as error:
        return error.mistakes
    return ()


def _say(message: str) -> None:
    print(f"framecast: {escape_controls(message)}", file=sys.stderr)
