"""What is to be, read of all files: every mistake is told with file, line and key, and then there is no plan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from framecast.datasources.order import Order, check_order
from framecast.datasources.provisioning.entry import Entry, Source
from framecast.datasources.provisioning.yaml_text import YamlMistake, YamlText, read_yaml
from framecast.errors import ConfigurationError, Mistakes, Refusal
from framecast.settings import DataSources, Provisioning
from framecast.store.datasources import Traits

FOLDER = "datasources"
SUFFIXES = frozenset({".yaml", ".yml"})
VERSION = 1
MAIN_ORG = 1
DOCUMENT = frozenset({"apiVersion", "datasources", "deleteDatasources", "prune"})
DELETED = frozenset({"name", "orgId"})
ENTRY = frozenset(
    {
        *("name", "type", "access", "orgId", "uid", "url", "user", "database", "basicAuth", "basicAuthUser"),
        *("withCredentials", "isDefault", "jsonData", "secureJsonData", "version", "editable"),
        *("password", "basicAuthPassword", "correlations"),
    }
)
OPEN_PASSWORDS = ("password", "basicAuthPassword")
"""Where Grafana's files once had them: kept there, they would show."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A data source that is to be."""

    place: str
    """Where it is said."""
    org_id: int
    order: Order
    """With a uid, or "" where the one of its name keeps the uid that it has."""


@dataclass(frozen=True, slots=True)
class Unwanted:
    """One that is not to be."""

    org_id: int
    name: str


@dataclass(frozen=True, slots=True)
class Plan:
    """All of both."""

    wanted: tuple[Wanted, ...] = ()
    unwanted: tuple[Unwanted, ...] = ()


def read_plan(settings: Provisioning, limits: DataSources, environment: Mapping[str, str]) -> Plan:
    """What the files of `settings.path` say. ConfigurationError tells all of their mistakes, and shows no secret."""
    mistakes = Mistakes()
    wanted: list[Wanted] = []
    unwanted: list[Unwanted] = []
    for file in _find_files(settings):
        with mistakes.collected():
            read = _read_file(file, settings)
            document = Entry(Source(str(file), read.lines, environment, mistakes), read.value)
            _read_document(document, limits, wanted, unwanted)
    _check_together(wanted, mistakes)
    mistakes.tell()
    return Plan(tuple(wanted), tuple(unwanted))


def _find_files(settings: Provisioning) -> list[Path]:
    """By name, so that of two starts neither reads them in another order."""
    folder = Path(settings.path) / FOLDER
    try:
        names = sorted(entry for entry in folder.iterdir() if entry.suffix in SUFFIXES)
    except FileNotFoundError:
        if Path(settings.path).is_dir():
            return []  # it may have other things to say
        raise ConfigurationError(f"provisioning.path = {settings.path!r} is no directory") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigurationError(f"{folder} cannot be read: {reason}") from None
    if len(names) > settings.files:
        raise ConfigurationError(f"{folder} has more than {settings.files} files (provisioning.files)")
    return names


def _read_file(file: Path, settings: Provisioning) -> YamlText:
    try:
        with file.open("rb") as opened:
            content = opened.read(settings.file_bytes + 1)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from None
    if len(content) > settings.file_bytes:
        raise ConfigurationError(f"{file} is larger than {settings.file_bytes} bytes (provisioning.file_bytes)")
    try:
        return read_yaml(content.decode("utf-8-sig"), max_values=settings.values)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{file}:{line}: no UTF-8") from None
    except YamlMistake as mistake:
        raise ConfigurationError(f"{file}:{mistake.line}: {mistake.what}") from None


def _read_document(document: Entry, limits: DataSources, wanted: list[Wanted], unwanted: list[Unwanted]) -> None:
    document.check_known(DOCUMENT)
    version = document.number("apiVersion", default=0)
    if document.sound and version != VERSION:
        document.note("apiVersion", f"has to be {VERSION}")
    prune = document.flag("prune")
    for entry in document.entries("deleteDatasources"):
        entry.check_known(DELETED)
        name = entry.text("name")
        if not name and entry.sound:
            entry.note("name", "is missing")
        unwanted.append(Unwanted(entry.number("orgId", default=MAIN_ORG), name))
    for entry in document.entries("datasources"):
        org_id, order = _read_entry(entry, prunable=prune)
        if entry.sound:
            _check_order(entry, order, limits)
        wanted.append(Wanted(entry.place(), org_id, order))


def _read_entry(entry: Entry, *, prunable: bool) -> tuple[int, Order]:
    entry.check_known(ENTRY)
    for key in OPEN_PASSWORDS:
        if entry.has(key):
            entry.note(key, f"is not kept: say it as secureJsonData.{key}")
    entry.number("version", default=1)  # Grafana's files may have one; what a file says is so whichever there is
    traits = Traits(
        name=entry.text("name"),
        type=entry.text("type"),
        url=entry.text("url"),
        access=entry.text("access") or "proxy",
        database=entry.text("database"),
        user=entry.text("user"),
        basic_auth=entry.flag("basicAuth"),
        basic_auth_user=entry.text("basicAuthUser"),
        with_credentials=entry.flag("withCredentials"),
        is_default=entry.flag("isDefault"),
        json_data=msgspec.json.encode(entry.document("jsonData")),
        read_only=not entry.flag("editable"),
        prunable=prunable,
    )
    order = Order(traits=traits, uid=entry.text("uid"), secrets=entry.secrets("secureJsonData"))
    return entry.number("orgId", default=MAIN_ORG), order


def _check_order(entry: Entry, order: Order, limits: DataSources) -> None:
    """What the API refuses is none here either."""
    try:
        check_order(order, limits)
    except Refusal as refusal:
        member, colon, what = refusal.message.removeprefix("Bad Request: ").partition(": ")
        if colon:
            entry.note(member, what)
        else:
            entry.note("", f"cannot be: {refusal.message}")


def _check_together(wanted: Sequence[Wanted], mistakes: Mistakes) -> None:
    """One name, one uid and one default in each org."""
    first: dict[tuple[str, int, object], str] = {}
    for one in wanted:
        traits = one.order.traits
        claims = {"name": traits.name, "uid": one.order.uid, "isDefault": traits.is_default}
        for what, value in claims.items():
            if value and (there := first.setdefault((what, one.org_id, value), one.place)) != one.place:
                mistakes.note(f"{one.place} has the {what} of another one of its org, {there}")
