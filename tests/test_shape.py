"""The house rules that can be measured: which room may know which, and how large anything may grow."""

import ast
import re
import tomllib
from itertools import chain
from pathlib import Path

import pytest
import trio

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "python" / "framecast"

# From the top. A module imports from its own floor's room or from lower floors, never from another room of its floor
# and never upwards.
FLOORS = [
    {"cli"},
    {"server"},
    {"house"},
    {"routes", "preflight"},
    {"api"},
    {"client"},
    {"scopes", "ingest", "queries"},
    {"dashboards", "datasources", "plugins", "streams"},
    {"brokers", "accounts"},
    {"channels", "door", "store"},
    {"bucket", "complaints", "configuration", "logs", "strict_json"},
    {"settings"},
    {"protocol", "_core", "metrics"},
    {"errors", "__init__"},
]
FLOOR_OF = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}

# Who may import what of the outside (an absence is the strongest invariant).
ONLY = {
    "hypercorn": {"door/asgi.py"},
    # Letting others have their turn is everybody's business.
    **{
        f"trio.lowlevel.{name}": {"door/outbound.py", "door/direct.py"}
        for name in dir(trio.lowlevel)
        if name != "checkpoint"
    },
    "starlette": {"api"},
    "fastapi": {"api"},
    "pydantic": {"api"},
    "joserfc": {"accounts/tokens"},
    "cryptography": {"store/sealing.py", "plugins/host/certificates.py", "door/certificate.py"},
    "yaml": {"datasources/provisioning/yaml_text.py"},
    "jsonpatch": {"dashboards"},
    "coredis": {"brokers"},
    "pwdlib": {"accounts/passwords.py"},
    "google.protobuf": {"protocol", "plugins/schema", "plugins/host/methods.py"},
    "h2": {"plugins/host/grpc"},
}
NEVER = {
    "protocol": {"trio", "time", "socket", "structlog"},
    "client/session.py": {"trio", "time", "socket", "structlog"},
    "client/actions.py": {"trio", "time", "socket", "structlog"},
    "client/replies.py": {"trio", "time", "socket", "structlog"},
    "client/pace.py": {"trio", "time", "socket", "structlog"},
    **{
        f"plugins/host/grpc/{module}.py": {"trio", "time", "socket", "structlog"}
        for module in ("exchange", "frames", "framing", "metadata", "session", "status")
    },
    "channels": {"h11", "trio_websocket", "starlette", "hypercorn"},
    "scopes": {"h11", "trio_websocket", "socket"},
}
DRAWERS = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "base"}
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 60

MODULES = sorted(PACKAGE.rglob("*.py"))
BENCH = sorted((ROOT / "bench").rglob("*.py"))
SOURCES = [*MODULES, *BENCH, *sorted((ROOT / "rust" / "src").rglob("*.rs"))]


def name_of(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


def room_of(module: str) -> str:
    return module.split("/", 1)[0].removesuffix(".py")


def imports_of(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute):
            found.add(ast.unparse(node))
    return found


def own_rooms(imports: set[str]) -> set[str]:
    names = {name.split(".")[1] for name in imports if name.startswith("framecast.")}
    return {name for name in names if name in FLOOR_OF}


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_imports_only_go_down(file: Path) -> None:
    room = room_of(name_of(file))
    assert room in FLOOR_OF, f"{room} stands on no floor: add it to FLOORS and to ARCHITECTURE.md"
    wrong = {other for other in own_rooms(imports_of(file)) if other != room and FLOOR_OF[other] <= FLOOR_OF[room]}
    assert not wrong, f"{name_of(file)} (floor {FLOOR_OF[room]}) imports {wrong} from its own floor or above"


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_outside_libraries_stay_in_their_rooms(file: Path) -> None:
    name, imports = name_of(file), imports_of(file)
    for library, allowed in ONLY.items():
        if any(found == library or found.startswith(f"{library}.") for found in imports):
            assert any(name == place or name.startswith(f"{place}/") for place in allowed), f"{name} uses {library}"
    for place, forbidden in NEVER.items():
        if name == place or name.startswith(f"{place}/"):
            used = {found.split(".")[0] for found in imports} & forbidden
            assert not used, f"{name} uses {used}"


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_modules_stay_small_and_are_no_drawers(file: Path) -> None:
    lines = file.read_text().count("\n")
    assert lines <= MAX_MODULE_LINES, f"{lines} lines"
    assert file.stem not in DRAWERS


@pytest.mark.parametrize("file", [*MODULES, *BENCH], ids=lambda file: file.relative_to(ROOT).as_posix())
def test_functions_stay_small(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            assert lines <= MAX_FUNCTION_LINES, f"{node.name}: {lines} lines"


@pytest.mark.parametrize("file", sorted((ROOT / "tests").rglob("test_*.py")), ids=lambda file: file.name)
def test_every_test_can_fail(file: Path) -> None:
    silent = []
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            body = ast.unparse(node)
            if not any(word in body for word in ("assert", "raises", "RaisesGroup", "check_", "expect_", "fail_after")):
                silent.append(node.name)
    assert not silent


@pytest.mark.parametrize("file", sorted((ROOT / "rust" / "src").rglob("*.rs")), ids=lambda file: file.name)
def test_unsafe_stands_only_where_the_design_names_it(file: Path) -> None:
    text = file.read_text()
    name = file.relative_to(ROOT / "rust" / "src").as_posix()
    if name not in {"line_protocol/scan.rs", "fanout/socket.rs"}:
        assert "allow(unsafe_code)" not in text
    assert text.count("unsafe {") <= text.count("SAFETY:")


@pytest.mark.parametrize("file", sorted((ROOT / "rust" / "src").rglob("*.rs")), ids=lambda file: file.name)
def test_only_one_room_of_the_core_sees_python(file: Path) -> None:
    name = file.relative_to(ROOT / "rust" / "src").as_posix()
    if not name.startswith("python/"):
        assert "pyo3::" not in file.read_text()


def test_no_lock_file_records_a_package_index() -> None:
    for lock in ROOT.glob("tests/**/package-lock.json"):
        if "node_modules" not in lock.parts:
            assert '"resolved"' not in lock.read_text()
    assert not (ROOT / "uv.lock").exists()


def test_every_dependency_is_pinned_by_a_range() -> None:
    page = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = [*page["project"]["optional-dependencies"].values(), *page["dependency-groups"].values()]
    every = [*page["project"]["dependencies"], *chain.from_iterable(groups)]
    assert every
    assert [text for text in every if ">=" not in text or "<" not in text] == []


def test_no_dependency_is_named_twice() -> None:
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = [re.split(r"[\[<>=]", text)[0] for text in named]
    assert [name for name in names if names.count(name) > 1] == []
